"""What runs have stored, and their figures: one run, or several over one another. No torch."""

import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hydranet.core.checks.json_text import parse_json
from hydranet.core.sample import DataError
from hydranet.evaluation.report import Report, number, read_report
from hydranet.evaluation.spread import spread as mean_and_deviation
from hydranet.io.run_log import LOG, read_all
from hydranet.reporting.figure import Figure
from hydranet.visualization.charts import Line, bar_chart, line_chart
from hydranet.visualization.matrix_chart import confusion_chart

Bounds = tuple[float, float] | None


@dataclass(frozen=True)
class Curves:
    """What a run has stored: its steps, its evaluations as {step, scores}, and its last report, if there is one.

    skipped: lines of the log that hold neither a step nor an evaluation.
    recipe:  what the run is, without its seed, as text; empty where the folder does not say.
    """

    name: str
    steps: list[dict[str, Any]]
    evaluations: list[dict[str, Any]]
    report: Report | None
    skipped: int = 0
    recipe: str = ""


def curves(folder: Path) -> Curves:
    """Reads a run. Raises DataError for a folder without a log."""
    if not (folder / LOG).is_file():
        raise DataError(f"no log of a run at {folder / LOG}; give the folder of a run of `hydranet train`")
    lines, skipped = read_all(folder)
    report = read_report(folder) if (folder / "report.json").is_file() else None
    steps = [line for line in lines if "losses" in line]
    if not steps:
        damaged = f" ({skipped} lines hold something else)" if skipped else ""
        raise DataError(f"{folder / LOG} holds no step yet{damaged}; wait for the run's first step")
    evaluations = [line for line in lines if "scores" in line]
    return Curves(folder.resolve().name, steps, evaluations, report, skipped, _recipe(folder))


def _recipe(folder: Path) -> str:
    """The run's recipe without its seed."""
    try:
        tree = parse_json((folder / "recipe.json").read_text())
    except (OSError, ValueError):
        return ""
    return json.dumps({key: value for key, value in tree.items() if key != "seed"}) if isinstance(tree, dict) else ""


@dataclass(frozen=True)
class Group:
    """Runs of one recipe with different seeds; one line in every chart."""

    name: str
    runs: Sequence[Curves]


def grouped(runs: Sequence[Curves]) -> list[Group]:
    """Runs of equal recipes together, in the order given; each has the part of their names that they share, and where
    two would have one name, a number: charts tell groups apart by their names."""
    by_recipe: dict[str, list[Curves]] = {}
    for i, run in enumerate(runs):
        by_recipe.setdefault(run.recipe or f"run {i}", []).append(run)
    names = [_shared_name([run.name for run in several]) for several in by_recipe.values()]
    again = [names[:i].count(name) for i, name in enumerate(names)]  # folders of equal names in several places
    unique = [f"{name} ({count + 1})" if count else name for name, count in zip(names, again, strict=True)]
    return [Group(name, several) for name, several in zip(unique, by_recipe.values(), strict=True)]


def _shared_name(names: Sequence[str]) -> str:
    """ "upgrad" for upgrad-s0 and upgrad-s1; the first one's where they have nothing in common."""
    if len(names) == 1:
        return names[0]
    same = list(zip(*names, strict=False))
    length = next((i for i, letters in enumerate(same) if len(set(letters)) > 1), len(same))
    stem = re.sub(r"[-_. ]*(s|seed)?[-_. =]*$", "", names[0][:length])
    return stem or f"{names[0]} and {len(names) - 1} more"


def runs_in(folder: Path) -> list[Path]:
    """The folder itself where it is a run, else the runs directly inside, as `hydranet sweep` leaves them, by name.

    Runs that have not begun are left out; where all are, the folder itself is returned.
    """
    if (folder / LOG).is_file() or not folder.is_dir():
        return [folder]
    return sorted(path.parent for path in folder.glob(f"*/{LOG}") if path.stat().st_size) or [folder]


def figure(title: str, lines: Sequence[Line], *, log: bool = False, bounds: Bounds = None) -> Figure:
    """One chart of several runs, whose key is that of the page."""
    return Figure(title, line_chart(lines, log=log, bounds=bounds), tuple(line.name for line in lines), shared_key=True)


def _with_legend(title: str, lines: Sequence[Line], *, log: bool, bounds: Bounds = None) -> Figure:
    """One chart of one run, whose lines have names of their own."""
    return Figure(title, line_chart(lines, log=log, bounds=bounds), tuple(line.name for line in lines))


def _line(name: str, runs: Sequence[Curves], *keys: str) -> Line:
    """A line of what stands under `keys`, one inside the other, in every step; of several runs with a band."""
    series = [([line["step"] for line in run.steps], [_value(line, keys) for line in run.steps]) for run in runs]
    return Line(name, *series[0], repeats=series[1:])


def _value(line: Any, keys: Sequence[str]) -> float:
    """What stands under keys of a step; no number where one of them is not there."""
    for key in keys:
        line = None if line is None else line.get(key)
    return number(line)


def _alone(groups: Sequence[Group]) -> Curves | None:
    """The run of a page of one run."""
    return groups[0].runs[0] if len(groups) == 1 and len(groups[0].runs) == 1 else None


def names_of(groups: Sequence[Group], key: str) -> list[str]:
    """The names under one key of any step, in the order in which they first occur."""
    return list(
        dict.fromkeys(
            name for group in groups for run in group.runs for line in run.steps for name in line.get(key, ())
        )
    )


def losses(groups: Sequence[Group]) -> list[Figure]:
    """One chart per task: of one run with the loss's parts, or of several groups."""
    made = []
    alone = _alone(groups)
    for task in names_of(groups, "losses"):
        if alone:
            parts = dict.fromkeys(part for line in alone.steps for part in line["parts"].get(task, {}))
            shown = parts if len(parts) > 1 else ()
            lines = [_line("loss", [alone], "losses", task)]
            lines += [_line(part, [alone], "parts", task, part) for part in shown]
            made.append(_with_legend(f"{task}: loss", lines, log=_wide(lines)))
            continue
        lines = [_line(group.name, group.runs, "losses", task) for group in groups]
        made.append(figure(f"{task}: loss", lines, log=_wide(lines)))
    return made


def spread(groups: Sequence[Group], key: str, *, log: bool = False, bounds: Bounds = None) -> list[Figure]:
    """Values by name: all in one chart for one run, one chart per name for several groups."""
    names = names_of(groups, key)
    by_name = {name: [_line(group.name, group.runs, key, name) for group in groups] for name in names}
    if not names:
        return []
    if _alone(groups):
        lines = [Line(name, per_group[0].x, per_group[0].y) for name, per_group in by_name.items()]
        title = f"{key}, {len(lines)} pairs of tasks" if bounds else f"{key} by task"
        return [_with_legend(title, lines, log=log and _wide(lines), bounds=bounds)]
    return [figure(f"{key}: {name}", lines, log=log and _wide(lines), bounds=bounds) for name, lines in by_name.items()]


def machine(groups: Sequence[Group]) -> list[Figure]:
    """Learning rate, gradient norm, speed and waiting for data."""
    titles = {
        "lr": "learning rate",
        "gradient_norm": "gradient norm, before clipping",
        "images_per_s": "images per second",
        "wait_share": "share of time spent waiting for data",
    }
    made = []
    for key, title in titles.items():
        lines = [_line(group.name, group.runs, key) for group in groups]
        made.append(figure(title, lines, log=key == "gradient_norm" and _wide(lines)))
    return made


def progress(groups: Sequence[Group]) -> list[Figure]:
    """Headline scores over the steps of runs that were evaluated more than once."""
    made = []
    runs = [run for group in groups for run in group.runs]
    reports = [run.report for run in runs if run.report]
    headlines = {task: headline for report in reports for task, headline in report.headlines.items()}
    keys = dict.fromkeys((s, t) for run in runs for e in run.evaluations for s, ts in e["scores"].items() for t in ts)
    if max(len(run.evaluations) for run in runs) < 2:
        return []
    for source, task in keys:
        if task in headlines:
            metric, better = headlines[task]
            lines = []
            for group in groups:
                series = [_evaluated(run, source, task, metric) for run in group.runs]
                lines.append(Line(group.name, *series[0], repeats=series[1:]))
            named = max((report.named(task, metric) for report in reports), key=len)  # older reports know no unit
            made.append(figure(f"{source}: {task} {named} {'↑' if better == 'higher' else '↓'}", lines))
    return made


def _evaluated(run: Curves, source: str, task: str, metric: str) -> tuple[list[float], list[float]]:
    """Steps and values of the evaluations that measured a metric."""
    held = [e for e in run.evaluations if metric in e["scores"].get(source, {}).get(task, {})]
    return [e["step"] for e in held], [number(e["scores"][source][task][metric]) for e in held]


def bars(groups: Sequence[Group]) -> list[Figure]:
    """Per-class scores of the last reports, one chart per source, task and metric; of several runs their mean.

    Scores that were measured in different ways have charts of their own.
    """
    if not any(run.report for group in groups for run in group.runs):
        return []
    by_metric: dict[tuple[str, str, str, str], dict[str, dict[str, list[float]]]] = {}
    for group in groups:
        for report in (run.report for run in group.runs if run.report):
            for source, tasks in report.scores.items():
                for task, metrics in tasks.items():
                    for metric, value in metrics.items():
                        kind, _, label = metric.partition("/")
                        if label:
                            kind, how = report.named(task, kind), report.protocol_ids[source][task]
                            labels = by_metric.setdefault((source, task, kind, how), {})
                            labels.setdefault(label, {}).setdefault(group.name, []).append(value)
    made, ways = [], Counter(key[:-1] for key in by_metric)
    for (source, task, kind, how), labels in by_metric.items():
        means = {
            group.name: [mean_and_deviation(values.get(group.name, ()))[0] for values in labels.values()]
            for group in groups
        }
        title = f"{source}: {task} {kind}" + (f" measured as {how}" if ways[source, task, kind] > 1 else "")
        made.append(Figure(title, bar_chart(list(labels), means), tuple(means), shared_key=True))
    return made


def confusions(groups: Sequence[Group]) -> list[Figure]:
    """Confusion matrices of the last reports: per source and task one of each group, added up over its runs."""
    made: dict[tuple[str, str], list[Figure]] = {}
    for group in groups:
        counts: dict[tuple[str, str], np.ndarray] = {}
        classes: dict[tuple[str, str], list[str]] = {}
        for report in (run.report for run in group.runs if run.report):
            for source, tasks in report.confusion.items():
                for task, rows in tasks.items():
                    names = report.protocol[source][task]["classes"]
                    if classes.setdefault((source, task), names) == names:
                        counts[source, task] = counts.get((source, task), 0) + np.asarray(rows)
        whose = f"{group.name}, " if len(groups) > 1 else ""
        for (source, task), matrix in counts.items():
            chart = confusion_chart(classes[source, task], matrix.tolist())
            made.setdefault((source, task), []).append(Figure(f"{whose}{source}: {task}", chart))
    return [one for several in made.values() for one in several]


def _wide(lines: Sequence[Line]) -> bool:
    """Whether the values span so much that a linear axis would hide the small ones."""
    series = [y for line in lines for y in (line.y, *(again for _, again in line.repeats))]
    values = [value for y in series for value in y if math.isfinite(value)]
    return bool(values) and min(values) > 0 and max(values) > 8 * min(values)
