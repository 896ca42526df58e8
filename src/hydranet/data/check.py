"""Looks at data before a network does: counts, ranges, broken files, labels drawn on images."""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from hydranet.config.recipe import Recipe
from hydranet.core.dataset import Dataset
from hydranet.core.sample import DataError, Sample
from hydranet.data.label_statistics import LabelReport, LabelStatistics, add_up, label_statistics
from hydranet.visualization.draw import captioned, composite

if TYPE_CHECKING:
    from rich.table import Table

DRAWN = 6
"""Samples on a sheet."""
COLUMNS, COLUMN_PX, GAP_PX = 2, 960, 12
LISTED = 5
"""Broken samples and duplicates that the summary names; the report has all."""


@dataclass(frozen=True)
class Broken:
    """A sample that cannot be used, and why. index -1: the data set as a whole."""

    index: int
    message: str


@dataclass(frozen=True)
class Report:
    """What a data set holds.

    samples:    how many it has.    read: how many were looked at.    read_ms: mean time to read one.
    sizes:      how many images of each WIDTHxHEIGHT.    unlabeled: images without any label.
    duplicates: (image, earlier equal image).    labels: by name of the label.
    """

    source: str
    dataset: str
    samples: int
    read: int
    read_ms: float
    broken: tuple[Broken, ...]
    sizes: Mapping[str, int]
    unlabeled: int
    duplicates: tuple[tuple[str, str], ...]
    labels: Mapping[str, LabelReport]

    def to_json(self) -> dict[str, Any]:
        """The same as JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Progress:
    """How far a check is; the last one of a source brings its report."""

    source: str
    done: int
    total: int
    report: Report | None = None


def check(
    dataset: Dataset, draw_to: Path | None = None, limit: int | None = None, source: str = ""
) -> Iterator[Progress]:
    """Reads samples one by one; a broken one is noted and the next one read. The last item has the report.

    draw_to: a PNG with labels drawn on a few images.    limit: at most so many samples, evenly spread.
    Raises ValueError for a limit below 1.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"got limit={limit}, expected a number of samples >= 1, or None for all")
    scan = _Scan(source or type(dataset).__name__, dataset)
    try:
        total = len(dataset)
        classes = dataset.classes
    except DataError as error:
        scan.broken.append(Broken(-1, str(error)))
        yield Progress(scan.source, 0, 0, scan.report(0, {}))
        return
    chosen = np.unique(np.linspace(0, total - 1, min(limit or total, total)).round().astype(int)).tolist()
    drawn = set(chosen[:: max(1, -(-len(chosen) // DRAWN))])
    images = []
    for done, index in enumerate(chosen, start=1):
        sample = scan.look(index, classes)
        if sample is not None and draw_to is not None and index in drawn:
            images.append(_drawn(sample, classes))
        if done < len(chosen):
            yield Progress(scan.source, done, len(chosen))
    if images and draw_to is not None:
        _save(draw_to, sheet(images))
    yield Progress(scan.source, len(chosen), len(chosen), scan.report(total, classes))


def check_recipe(recipe: Recipe, out: Path, limit: int | None = None) -> Iterator[Progress]:
    """Checks every source of a recipe; writes SOURCE.png for each and report.json into `out`."""
    sources = [(source.name, source.dataset) for source in recipe.data]
    taken = {name for name, _ in sources}
    for source in recipe.validation:
        name = f"{source.name} (validation)" if source.name in taken else source.name
        sources.append((name, source.dataset))
    out.mkdir(parents=True, exist_ok=True)
    reports = {}
    for name, dataset in sources:
        for progress in check(dataset, out / f"{name}.png", limit, name):
            if progress.report is not None:
                reports[name] = progress.report.to_json()
                (out / "report.json").write_text(json.dumps(reports, indent=2))
            yield progress


class _Scan:
    """What was read so far."""

    def __init__(self, source: str, dataset: Dataset) -> None:
        self.source, self.dataset = source, dataset
        self.broken: list[Broken] = []
        self.sizes: Counter[str] = Counter()
        self.unlabeled = 0
        self.statistics: dict[str, list[LabelStatistics]] = {}
        self.first: dict[bytes, str] = {}
        self.duplicates: list[tuple[str, str]] = []
        self.read, self.read_s = 0, 0.0

    def look(self, index: int, classes: Mapping[str, Sequence[str]]) -> Sample | None:
        """Reads and counts one sample; None where it is broken."""
        self.read += 1
        start_s = time.perf_counter()
        try:
            sample = self.dataset[index]
        except DataError as error:
            self.broken.append(Broken(index, str(error)))
            return None
        finally:
            self.read_s += time.perf_counter() - start_s
        self.sizes[f"{sample.size[1]}x{sample.size[0]}"] += 1
        self.unlabeled += not sample.labels
        key = sample.key or str(index)
        earlier = self.first.setdefault(hashlib.blake2b(sample.image.tobytes()).digest(), key)
        if earlier != key:
            self.duplicates.append((key, earlier))
        for name, label in sample.labels.items():
            one = label_statistics(label, sample.size)
            foreign = sorted(set(one.classes) - set(range(len(classes.get(name, ()))))) if name in classes else []
            if foreign:
                what = f"{name!r} holds class ids {foreign}, expected 0..{len(classes[name]) - 1}"
                self.broken.append(Broken(index, f"{key}: {what}; correct the label or the class list"))
            self.statistics.setdefault(name, []).append(one)
        return sample

    def report(self, samples: int, classes: Mapping[str, Sequence[str]]) -> Report:
        return Report(
            source=self.source,
            dataset=type(self.dataset).__name__,
            samples=samples,
            read=self.read,
            read_ms=round(1e3 * self.read_s / max(self.read, 1), 2),
            broken=tuple(self.broken),
            sizes=dict(self.sizes.most_common()),
            unlabeled=self.unlabeled,
            duplicates=tuple(self.duplicates),
            labels={name: add_up(statistics, classes.get(name, ())) for name, statistics in self.statistics.items()},
        )


def _drawn(sample: Sample, classes: Mapping[str, Sequence[str]]) -> np.ndarray:
    drawn = {name: captioned(sample.image, label, classes.get(name, ())) for name, label in sample.labels.items()}
    image = composite(sample.image, drawn)
    height = round(image.shape[0] * COLUMN_PX / image.shape[1])
    return cv2.resize(image, (COLUMN_PX, height), interpolation=cv2.INTER_AREA)


def sheet(images: Sequence[np.ndarray]) -> np.ndarray:
    """Images of one width (uint8 h w 3) in columns, each in turn under the column that is shortest."""
    columns: list[list[np.ndarray]] = [[] for _ in range(min(COLUMNS, len(images)))]
    for image in images:
        shortest = min(columns, key=lambda column: sum(p.shape[0] + GAP_PX for p in column))
        shortest.append(image)
    height = max(sum(p.shape[0] + GAP_PX for p in column) for column in columns)
    width = images[0].shape[1]
    canvas = np.zeros((height, len(columns) * (width + GAP_PX), 3), dtype=np.uint8)
    for i, column in enumerate(columns):
        top = 0
        for image in column:
            canvas[top : top + image.shape[0], i * (width + GAP_PX) :][:, :width] = image
            top += image.shape[0] + GAP_PX
    return canvas


def _save(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    _, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    path.write_bytes(data.tobytes())


def summary(report: Report) -> "Table":
    """The report as a table for a terminal."""
    from rich.table import Table
    from rich.text import Text

    bad = {broken.index for broken in report.broken if broken.index >= 0}
    title = f"{report.source}: {report.dataset}, {report.read - len(bad)} of {report.read} samples read well"
    title += f" ({report.samples} in all)" if report.samples != report.read else ""
    # Text: a message such as "[a, b]" is no markup
    caption = Text(_caption(report))
    table = Table("label", "images", "what", title=Text(title), caption=caption, caption_justify="left", min_width=80)
    for name, label in report.labels.items():
        table.add_row(Text(name), str(label.images), Text("\n".join(_describe(label))))
    return table


def _describe(label: LabelReport) -> list[str]:
    counts = dict(label.counts)
    pixels, known = counts.pop("pixels", 0), counts.pop("known pixels", 0)
    lines = [f"{label.kind}, {label.empty} empty"]
    lines[0] += f", {known / pixels:.1%} of pixels known" if pixels else ""
    lines[0] += "".join(f", {count:,} {name}" for name, count in counts.items())
    for name, (least, middle, greatest) in label.ranges.items():
        lines.append(f"{name}: {least:.4g} to {greatest:.4g}, median {middle:.4g}")
    total = max(sum(label.classes.values()), 1)
    shares = (
        (f"{name} {count / total:.1%}" if label.unit == "pixels" else f"{name} {count:,}")
        for name, count in label.classes.items()
    )
    classes = ", ".join(shares)
    return [*lines, f"{label.unit}: {classes}"] if classes else lines


def _caption(report: Report) -> str:
    sizes = ", ".join(f"{size} ({count})" for size, count in list(report.sizes.items())[:LISTED])
    more = f" and {len(report.sizes) - LISTED} other sizes" if len(report.sizes) > LISTED else ""
    lines = [f"sizes: {sizes}{more}; {report.read_ms:.1f} ms per sample"] if report.sizes else []
    if report.unlabeled:
        lines.append(f"{report.unlabeled} images without any label")
    if report.duplicates:
        same = ", ".join(f"{a} = {b}" for a, b in report.duplicates[:LISTED])
        lines.append(f"{len(report.duplicates)} images twice: {same}")
    lines += [f"broken: {broken.message}" for broken in report.broken[:LISTED]]
    if len(report.broken) > LISTED:
        lines.append(f"and {len(report.broken) - LISTED} more broken; see the report")
    return "\n".join(lines)
