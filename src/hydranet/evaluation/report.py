"""What was measured, on what, and how."""

import csv
import hashlib
import io
import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydranet.core.checks.json_text import parse_json
from hydranet.core.checks.types import check_fields
from hydranet.core.dataset import Dataset
from hydranet.core.errors import MALFORMED
from hydranet.core.ledger import Ledger, Omission
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError, dotted, to_json
from hydranet.datasets.packed import Packed
from hydranet.io.atomic import write

NO_PREDICTION = "none"
"""Name of the last column of a confusion matrix."""
NOT_MEASURED = Omission.CLASS_NOT_MEASURED

Scores = dict[str, dict[str, dict[str, float]]]
"""source -> task -> metric -> value."""


@dataclass(frozen=True)
class Report:
    """What was measured, on what, and how. Only reports of equal `protocol` may be compared.

    protocol: source -> task -> what a reader must know (classes, caps, thresholds, how many and which images). Its
    `data_digest` stands for the data set's options and every bit of its labels; those that are computed, such as the
    generated scenes, may differ in the last bit between kinds of processors: then evaluate both on one machine.
    ledger: what was not measured or left out; no part of the protocol.
    confusion: source -> task -> how many elements of each class of labels (rows) were predicted as which class; the
    last column counts those without a prediction. Of tasks that count them.
    units: task -> metric -> unit, of scores that have one; reports of before have none.
    The size the network saw is not part of it: labels and scores have their own resolution.
    """

    model: str
    scores: Scores
    protocol: dict[str, dict[str, dict[str, Any]]]
    headlines: dict[str, tuple[str, str]] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)
    confusion: dict[str, dict[str, list[list[int]]]] = field(default_factory=dict)
    units: dict[str, dict[str, str]] = field(default_factory=dict)

    def unit(self, task: str, metric: str) -> str:
        """The unit of a score, or of one class' ("mae/adult"); empty where it has none."""
        return self.units.get(task, {}).get(metric.partition("/")[0], "")

    def named(self, task: str, metric: str) -> str:
        """A metric with its unit, for a head: "rmse (m)"."""
        return with_unit(metric, self.unit(task, metric))

    def measured(self, source: str, task: str) -> str:
        """ "1 of 2 classes measured", or nothing where all were or the task has none."""
        classes = self.protocol[source][task].get("classes", ())
        entries = self.ledger.entries.values()
        absent = [one.count for one in entries if (one.what, one.where) == (NOT_MEASURED, f"{source}, {task}")]
        return f"{len(classes) - sum(absent)} of {len(classes)} classes measured" if absent else ""

    @property
    def protocol_hash(self) -> str:
        """Twelve hex digits that two comparable reports share."""
        return digest(self.protocol)

    @property
    def protocol_ids(self) -> dict[str, dict[str, str]]:
        """source -> task -> a word that two comparable measurements share: "ap50-3classes-150images-1a2b3c4d5e6f"."""
        return {
            source: {task: protocol_id(self.headlines.get(task, (task,))[0], how) for task, how in tasks.items()}
            for source, tasks in self.protocol.items()
        }

    def to_json(self) -> str:
        """The report as JSON; NaN becomes null."""
        clean = {s: {t: {m: finite(v) for m, v in ms.items()} for t, ms in ts.items()} for s, ts in self.scores.items()}
        made = {"protocol_ids": self.protocol_ids, "protocol_hash": self.protocol_hash}
        tree = {"model": self.model, "scores": clean, "protocol": self.protocol, "headlines": self.headlines}
        tree |= {"units": self.units, "confusion": self.confusion}
        return json.dumps({**tree, "ledger": self.ledger.to_json(), **made}, indent=2)

    @staticmethod
    def from_json(text: str) -> "Report":
        """The inverse of `to_json`. Raises DataError for any other text."""
        try:
            tree = parse_json(text)
            tree.pop("protocol_hash")
            tree.pop("protocol_ids", None)
            headlines = {task: (metric, better) for task, (metric, better) in tree["headlines"].items()}
            scores = {
                s: {t: {m: number(v) for m, v in ms.items()} for t, ms in ts.items()}
                for s, ts in tree["scores"].items()
            }
            ledger = Ledger.from_json(tree.get("ledger", ()))  # reports of before have none
            report = Report(**{**tree, "scores": scores, "headlines": headlines, "ledger": ledger})
            check_fields(report)
            _check_whole(report)
            return report
        except MALFORMED as error:
            raise DataError(f"this is no report of `hydranet evaluate` ({error})") from error

    def to_csv(self) -> str:
        """One line per score: source, task, metric, value, unit; then counts as confusion/LABEL/PREDICTION."""
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(["source", "task", "metric", "value", "unit"])
        for source, tasks in self.scores.items():
            for task, metrics in tasks.items():
                writer.writerows(
                    [*map(_cell, (source, task, metric)), f"{value:.6g}", _cell(self.unit(task, metric))]
                    for metric, value in metrics.items()
                )
        for source, counts in self.confusion.items():
            for task, rows in counts.items():
                names = [*self.protocol[source][task]["classes"], NO_PREDICTION]
                writer.writerows(
                    [*map(_cell, (source, task, f"confusion/{label}/{names[j]}")), count, ""]
                    for label, row in zip(names, rows, strict=False)
                    for j, count in enumerate(row)
                )
        return text.getvalue()

    def save(self, path: Path) -> None:
        """Writes `path`.json and `path`.csv, each whole or not at all. Raises CheckpointError where that fails."""
        write(path.with_name(path.name + ".csv"), self.to_csv().encode())
        write(path.with_name(path.name + ".json"), self.to_json().encode())  # last: where it is, both are


def with_unit(metric: str, unit: str) -> str:
    """ "rmse (m)"; the name alone where there is no unit."""
    return f"{metric} ({unit})" if unit else metric


def read_report(path: Path) -> Report:
    """The report of a run folder or of a file. Raises DataError where it is missing or damaged."""
    file = path / "report.json" if path.is_dir() else path
    if not file.is_file():
        raise DataError(f"no report at {file}; make one with `hydranet evaluate {path}`")
    try:
        return Report.from_json(file.read_text())
    except (DataError, UnicodeDecodeError) as error:
        run = file.parent if file.name == "report.json" else "RUN"
        raise DataError(f"{file} is damaged: {error}; make it again with `hydranet evaluate {run}`") from error


def _check_whole(report: Report) -> None:
    """Raises ValueError for a report that names a score without what belongs to it."""
    for source, tasks in report.protocol.items():
        for task, how in tasks.items():
            if not isinstance(how.get("images", 0), int) or not isinstance(how.get("classes", []), list):
                raise ValueError(f"the protocol of {source}/{task} has no number of images, or no list of classes")
    for source, tasks in report.scores.items():
        for task, metrics in tasks.items():
            if task not in report.headlines or task not in report.protocol.get(source, {}):
                raise ValueError(f"{source}/{task} has no headline or no protocol")
            if report.headlines[task][0] not in metrics:
                raise ValueError(f"{source}/{task} lacks its headline {report.headlines[task][0]}")
    for source, matrices in report.confusion.items():
        for task, rows in matrices.items():
            classes = report.protocol[source][task]["classes"]
            if [len(row) for row in rows] != [len(classes) + 1] * len(classes):
                raise ValueError(f"the confusion of {source}/{task} is no table of {len(classes)} classes")


def digest(value: Any) -> str:
    """Twelve hex digits that stand for a JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]


def described(dataset: Dataset) -> Any:
    """The options of a data set as a recipe states them, without folders and without which labels are read.

    A network with one task and one with three read other labels of the same images; a pack that changed nothing is what
    was packed.
    """
    if isinstance(dataset, Packed) and dataset.is_exact:
        return described(dataset.dataset)
    try:
        return _without(to_json(dataset), ("root", "cache", "labels"))
    except SpecError:  # it holds what a recipe cannot, such as arrays or functions; its labels still count
        return dotted(type(dataset))


def _without(tree: Any, keys: Collection[str]) -> Any:
    if isinstance(tree, dict):
        return {key: _without(value, keys) for key, value in tree.items() if "class" not in tree or key not in keys}
    return [_without(value, keys) for value in tree] if isinstance(tree, list) else tree


def protocol_id(metric: str, how: Mapping[str, Any]) -> str:
    """The headline metric, how many classes and images it was measured on, and a digest of all that must agree."""
    classes = [f"{len(how['classes'])}classes"] if "classes" in how else []
    return "-".join([metric, *classes, f"{how.get('images', 0)}images", digest(how)])


def _cell(text: str) -> str:
    """Text for a spreadsheet, which would take some of it for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def finite(value: float) -> float | None:
    """The value, or None where it is not finite."""
    return value if math.isfinite(value) else None


def number(value: float | None) -> float:
    """The inverse of `finite`: None becomes NaN."""
    return math.nan if value is None else float(value)
