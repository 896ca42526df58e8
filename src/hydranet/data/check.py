"""Looks at data before a network does: counts, ranges, broken files, labels drawn on images."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.dataset import Dataset
from hydranet.core.ledger import Ledger, Omission
from hydranet.core.sample import DataError, Sample
from hydranet.core.spec import SpecError
from hydranet.core.task import Task
from hydranet.data.first_look import NO_VALIDATION, Offer, class_lines, spread, taught, unlabeled_classes
from hydranet.data.label_sheet import drawn_labels, save, sheet
from hydranet.data.label_statistics import LabelReport, LabelStatistics, add_up, label_statistics
from hydranet.data.overlap import bare, has_files, leaks_if_readable
from hydranet.data.reader import SKIPPED, Reader, check_ids, read
from hydranet.io.atomic import write
from hydranet.io.fingerprint import content, perceptual_hash
from hydranet.io.fingerprint_cache import Fingerprints, keep

if TYPE_CHECKING:
    from rich.table import Table

DRAWN = 6
"""Samples on a sheet."""
RECIPE = "(recipe)"
"""Key in report.json of what concerns the recipe as a whole; no source is called so."""
VALIDATION = " (validation)"
"""What follows the name of a validation source where a training source has the same."""
LISTED = 5
"""Broken samples and duplicates that the summary names; the report has all."""


Look = Callable[[str, Sample], None]
"""Gets the name of a source and a sample of it."""


def _pass(source: str, sample: Sample) -> None:
    """Looks at nothing."""


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
    classes:    by task, what each class of the data set is for it.    ledger: what was left out.
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
    classes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)

    def to_json(self) -> dict[str, Any]:
        """The same as JSON values."""
        return {**asdict(replace(self, ledger=Ledger())), "ledger": self.ledger.to_json()}


@dataclass(frozen=True)
class Progress:
    """How far a check is; the last one of a source brings its report, the last one of a recipe what concerns it all.

    errors: what keeps the recipe from being trained, in sentences.    notes: what it does not use.
    """

    source: str
    done: int
    total: int
    report: Report | None = None
    errors: tuple[str, ...] = ()
    notes: Ledger = field(default_factory=Ledger)


def check(
    dataset: Dataset, draw_to: Path | None = None, limit: int | None = None, source: str = ""
) -> Iterator[Progress]:
    """Reads samples one by one; a broken one is noted and the next one read. The last item has the report.

    draw_to: a PNG with labels drawn on a few images.    limit: at most so many samples, evenly spread.
    Raises ValueError for a limit below 1.
    """
    yield from _check(_Scan(source or type(dataset).__name__, dataset), draw_to, limit)


def check_recipe(recipe: Recipe, out: Path, limit: int | None = None, look: Look = _pass) -> Iterator[Progress]:
    """Checks every source of a recipe by the code that training reads it with; writes SOURCE.png and report.json.

    look: gets every whole sample with the name of its source, as the data set gives it.
    The last item says what concerns the recipe as a whole: tasks that can learn nothing, classes that nobody labels.
    """
    taken = {source.name for source in recipe.data}
    offer, readers = Offer(), []
    out.mkdir(parents=True, exist_ok=True)
    reports = {}
    for trained, source in [*((True, one) for one in recipe.data), *((False, one) for one in recipe.validation)]:
        name = f"{source.name}{VALIDATION}" if not trained and source.name in taken else source.name
        scan = _Scan(name, source.dataset, source, recipe.tasks, offer if trained else Offer(), look)
        for progress in _check(scan, out / f"{name}.png", limit):
            if progress.report is not None:
                reports[name] = progress.report.to_json()
                write(out / "report.json", json.dumps(reports, indent=2).encode())
            yield progress
        if scan.whole and has_files(source.dataset) and bare(source.dataset) is source.dataset:
            keep(source.dataset, scan.prints)  # nobody needs to read these images again to compare them
        if trained and scan.reader:
            readers.append(scan.reader)
    spared = taught(recipe)
    whole = len(readers) == len(recipe.data)  # else the sources' own errors say what is wrong
    errors = tuple(offer.errors(recipe.tasks, spared)) if whole else ()
    notes = unlabeled_classes(recipe.tasks, readers, spared) + (leaks_if_readable(recipe) if whole else Ledger())
    if not recipe.validation:
        notes = notes.noted(Omission.NOT_SCORED, f"recipe {recipe.name!r}", NO_VALIDATION, count=1)
    whole_recipe = {"errors": list(errors), "ledger": notes.to_json()}
    write(out / "report.json", json.dumps({**reports, RECIPE: whole_recipe}, indent=2).encode())
    yield Progress(recipe.name, 1, 1, None, errors, notes)


def _check(scan: "_Scan", draw_to: Path | None, limit: int | None) -> Iterator[Progress]:
    if limit is not None and limit < 1:
        raise ValueError(f"got limit={limit}, expected a number of samples >= 1, or None for all")
    try:
        total = scan.open()
    except (DataError, SpecError) as error:
        scan.broken.append(Broken(-1, str(error)))
        yield Progress(scan.source, 0, 0, scan.report(0))
        return
    chosen = spread(total, limit or total)
    drawn = set(chosen[:: max(1, -(-len(chosen) // DRAWN))])
    images = []
    for done, index in enumerate(chosen, start=1):
        sample = scan.look(index)
        if sample is not None and draw_to is not None and index in drawn:
            images.append(drawn_labels(sample, scan.classes))
        if done < len(chosen):
            yield Progress(scan.source, done, len(chosen))
    if images and draw_to is not None:
        save(draw_to, sheet(images))
    yield Progress(scan.source, len(chosen), len(chosen), scan.report(total))


class _Scan:
    """What was read so far; with a recipe's source and tasks, by the code that training uses."""

    def __init__(
        self,
        name: str,
        dataset: Dataset,
        source: Source | None = None,
        tasks: Sequence[Task] = (),
        offer: Offer | None = None,
        look: Look = _pass,
    ) -> None:
        self.also = look
        self.source, self.dataset, self.given, self.tasks = name, dataset, source, tasks
        self.offer = offer or Offer()
        self.reader: Reader | None = None
        self.classes: Mapping[str, Sequence[str]] = {}
        self.broken: list[Broken] = []
        self.skipped = Ledger()
        self.sizes: Counter[str] = Counter()
        self.unlabeled = 0
        self.statistics: dict[str, list[LabelStatistics]] = {}
        self.first: dict[str, str] = {}
        self.prints = Fingerprints()
        self.samples = 0
        self.duplicates: list[tuple[str, str]] = []
        self.read, self.read_s = 0, 0.0

    @property
    def whole(self) -> bool:
        """Whether every sample was read well."""
        return 0 < len(self.prints) == self.samples

    def open(self) -> int:
        """How many samples there are. Raises DataError or SpecError where the source cannot be used at all."""
        total = self.samples = len(self.dataset)
        self.classes = self.dataset.classes
        self.offer.declare(self.source, self.classes)
        self.skipped = self.dataset.ledger()
        if self.given is not None:
            self.reader = Reader(self.given, self.tasks)
        return total

    def look(self, index: int) -> Sample | None:
        """Reads and counts one sample; None where it is broken."""
        self.read += 1
        start_s = time.perf_counter()
        try:
            sample = read(self.dataset, index, self.source)
            check_ids(sample, self.classes, f"{self.source}:{sample.key or index}")
            used = self.reader.use(sample, str(index)) if self.reader else sample
        except DataError as error:
            if self.given is not None and self.given.on_error == "skip":
                self.skipped = self.skipped.noted(Omission.IMAGE_LEFT_OUT, self.source, SKIPPED, str(error))
            else:
                self.broken.append(Broken(index, str(error)))
            return None
        finally:
            self.read_s += time.perf_counter() - start_s
        self.sizes[f"{sample.size[1]}x{sample.size[0]}"] += 1
        self.unlabeled += not sample.labels
        key = sample.key or str(index)
        self.prints[key] = (content(sample.image), perceptual_hash(sample.image))
        earlier = self.first.setdefault(self.prints[key][0], key)
        if earlier != key:
            self.duplicates.append((key, earlier))
        for name, label in sample.labels.items():
            self.statistics.setdefault(name, []).append(label_statistics(label, sample.size))
        self.offer.declare(self.source, sample.labels)
        if self.reader:
            self.offer.add(used.labels, self.reader.tasks)
        self.skipped += used.ledger
        self.also(self.source, sample)
        return sample

    def report(self, samples: int) -> Report:
        statistics = self.statistics.items()
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
            labels={name: add_up(counted, self.classes.get(name, ())) for name, counted in statistics},
            classes={name: self.reader.class_of(name) for name in self.reader.tables} if self.reader else {},
            ledger=self.skipped,
        )


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
    lines += class_lines(report.source, report.classes)
    lines += report.ledger.sentences()
    lines += [f"broken: {broken.message}" for broken in report.broken[:LISTED]]
    if len(report.broken) > LISTED:
        lines.append(f"and {len(report.broken) - LISTED} more broken; see the report")
    return "\n".join(lines)
