"""The doctor's look at a recipe's data: everything that `data check` counts, and what is odd about it."""

import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.ledger import Entry, Omission
from hydranet.core.sample import Sample
from hydranet.data.check import VALIDATION, Progress, Report, check_recipe
from hydranet.data.clip_neighbors import clip_neighbors
from hydranet.data.finding import Finding, Severity
from hydranet.data.overlap import SHARED
from hydranet.data.peculiar import Fact, fact, peculiarities
from hydranet.data.sided import is_sided
from hydranet.io.files import folder_inside
from hydranet.io.image_header import read_header

MANY = 0.2
"""Share of images left out, or broken, from which that harms."""
GRAY_INPUT = 0.45
"""Share of the network's input that is border, from which another size is better."""
TINY_PX = 8.0
FLAT = 4.0
"""Standard deviation of the gray levels of an image without content: black, white, covered."""
NEVER = "is in no label"


@dataclass
class Kept:
    """What is kept of the samples of one source."""

    labels: dict[str, list[Fact]] = field(default_factory=dict)
    flat: list[str] = field(default_factory=list)
    turned: list[str] = field(default_factory=list)
    sided: dict[str, None] = field(default_factory=dict)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)


class Examination:
    """Looks at the samples of a recipe as they are read, and says what it found.

    findings: filled when all are read.    reports: by source, what it holds.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.sources = {source.name: source for source in (*recipe.validation, *recipe.data)}
        self.kept: dict[str, Kept] = {}
        self.reports: dict[str, Report] = {}
        self.findings: list[Finding] = []

    def run(self, out: Path, limit: int | None) -> Iterator[Progress]:
        """Reads all samples, or `limit` of each source, and draws some into `out`."""
        with warnings.catch_warnings(record=True) as noted:
            warnings.simplefilter("always")
            for progress in check_recipe(self.recipe, out, limit, self.look):
                if progress.report is not None:
                    self.reports[progress.source] = progress.report
                    self.findings += self._of_source(progress.report)
                self.findings += [_whole(error) for error in progress.errors]
                self.findings += [self._omission(entry) for entry in progress.notes.ranked()]
                yield progress
            self.findings += clip_neighbors(self.recipe)
        for text in dict.fromkeys(str(one.message) for one in noted if one.category.__name__ == "ImageWarning"):
            what, _, cure = text.partition("; ")
            self.findings.append(Finding(Severity.HARMFUL, "images", what, cure or "look at them"))

    def look(self, source: str, sample: Sample) -> None:
        """Keeps what matters of a sample."""
        kept = self.kept.setdefault(source, Kept())
        kept.sizes[sample.size] += 1
        if sample.image[::4, ::4].std() < FLAT:
            kept.flat.append(sample.key)
        given = self.sources.get(source.removesuffix(VALIDATION))
        if given is not None and _orientation(given, sample.key) != 1:
            kept.turned.append(sample.key)
        for name, label in sample.labels.items():
            kept.labels.setdefault(name, []).append(fact(sample.key, label, sample.size))
            if given is not None and self._flips(given) and is_sided(label, given.dataset.classes.get(name, ())):
                kept.sided[name] = None

    def _flips(self, source: Source) -> bool:
        """Whether training flips images of a source."""
        return source in self.recipe.data and (source.augment or self.recipe.augment).flip > 0

    def _of_source(self, report: Report) -> Iterator[Finding]:
        name, kept = report.source, self.kept.get(report.source, Kept())
        bad = report.broken
        if bad:
            share = len(bad) / max(report.read, 1)
            severity = Severity.POINTLESS if share > MANY or bad[0].index < 0 else Severity.HARMFUL
            what = f"{len(bad)} of {report.read} samples cannot be used: {bad[0].message}"
            yield Finding(severity, f"source {name}", what, "correct the files, or leave them out with on_error='skip'")
        yield from self._left_out(report)
        if report.unlabeled:
            severity = Severity.HARMFUL if report.unlabeled > MANY * report.read else Severity.ODD
            what = f"{report.unlabeled} of {report.read} images have no label"
            yield Finding(severity, f"source {name}", what, "add labels or leave these images out")
        if report.duplicates:
            what, cure = f"{len(report.duplicates)} images are there twice", "remove the copies: they count double"
            yield Finding(
                Severity.ODD, f"source {name}", what, cure, tuple(" = ".join(two) for two in report.duplicates[:2])
            )
        if kept.flat:
            severity = Severity.HARMFUL if len(kept.flat) > MANY * report.read else Severity.ODD
            what = f"{len(kept.flat)} images are of one color, as of a covered or broken camera"
            yield Finding(severity, f"source {name}", what, "leave them out", tuple(kept.flat[:3]))
        if kept.turned:
            what = f"{len(kept.turned)} images are stored turned and are turned upright as their EXIF tag says"
            cure = "look at the drawn labels: if they were made on the unturned image, save the images upright"
            yield Finding(Severity.HARMFUL, f"source {name}", what, cure, tuple(kept.turned[:3]))
        for label in kept.sided:
            what = "left and right differ, images are flipped in training, and nothing says what the mirror images are"
            cure = "give the data set's label and the task a mirror, or flip nothing: augment.flip=0"
            yield Finding(Severity.HARMFUL, f"source {name}, label {label!r}", what, cure)
        for label, facts in kept.labels.items():
            yield from peculiarities(f"source {name}, label {label!r}", facts)
        yield from self._classes(report)
        yield from self._sizes(report, kept)

    def _omission(self, entry: Entry) -> Finding:
        """What concerns the recipe as a whole."""
        held_out = {f"validation {source.name}": source for source in self.recipe.validation}
        leaked = entry.what is Omission.IMAGE_LEAKED and entry.reason == SHARED and entry.where in held_out
        most = leaked and entry.count * 2 > len(held_out[entry.where].dataset)
        severity = Severity.POINTLESS if most or entry.what is Omission.TASK_NOT_LEARNED else Severity.HARMFUL
        cures = {
            Omission.NOT_SCORED: "add validation sources",
            Omission.IMAGE_LEAKED: "split the data: Split(dataset, 'train') and Split(dataset, 'val'), "
            "with drawn='name' where folders share images",
            Omission.CLASS_NOT_SEEN: "map a class of a source to it, or take it out",
        }
        return Finding(severity, "recipe", entry.sentence(), cures.get(entry.what, "look at the data"))

    def _left_out(self, report: Report) -> Iterator[Finding]:
        """What the source leaves out, and no source before it: training and validation are parts of the same files."""
        known = {entry for one in self.reports.values() if one is not report for entry in one.ledger.ranked()}
        for entry in report.ledger.ranked():
            if entry.what in (Omission.IMAGE_LEFT_OUT, Omission.LABEL_IGNORED) and entry not in known:
                many = entry.what is Omission.IMAGE_LEFT_OUT and entry.count > MANY * (
                    entry.count + self._images(report)
                )
                severity = Severity.HARMFUL if many else Severity.ODD
                noun = "images are left out" if entry.what is Omission.IMAGE_LEFT_OUT else "labels are ignored"
                what = f"{entry.count} {noun}, {entry.reason}"
                yield Finding(severity, f"source {report.source}", what, "look whether that is meant", entry.examples)

    def _images(self, report: Report) -> int:
        """How many images the source has, with those of its validation."""
        name = report.source.removesuffix(VALIDATION)
        return sum(len(one.dataset) for one in (*self.recipe.data, *self.recipe.validation) if one.name == name)

    def _classes(self, report: Report) -> Iterator[Finding]:
        """Classes that no label holds, where all samples were read."""
        if report.read < report.samples or report.source not in {source.name for source in self.recipe.data}:
            return
        for name, label in report.labels.items():
            absent = [one for one, count in label.classes.items() if not count]
            if absent and label.classes:
                severity = Severity.HARMFUL if len(absent) * 2 > len(label.classes) else Severity.ODD
                what = (
                    f"class{'es' if len(absent) > 1 else ''} {', '.join(absent[:8])}: {NEVER} of {label.images} images"
                )
                cure = "it will never be predicted: check its id and its name, or take it out"
                yield Finding(severity, f"source {report.source}, label {name!r}", what, cure)

    def _sizes(self, report: Report, kept: Kept) -> Iterator[Finding]:
        source = self.sources.get(report.source.removesuffix(VALIDATION))
        if source is None or not kept.sizes:
            return
        (height, width), _ = kept.sizes.most_common(1)[0]
        scale = min(source.size[0] / height, source.size[1] / width)
        border = 1 - scale * scale * height * width / (source.size[0] * source.size[1])
        where = f"source {report.source}"
        if border > GRAY_INPUT:
            what = (
                f"images of {width}x{height} leave {border:.0%} of an input of {source.size[1]}x{source.size[0]} gray"
            )
            yield Finding(Severity.ODD, where, what, "choose a size of the images' shape")
        for name, facts in kept.labels.items():
            sides = np.concatenate([one.numbers for one in facts if "end" in one.shares] or [np.zeros(0)])
            shown = sides * scale * max(height, width)
            if sides.size and np.median(shown) < TINY_PX:
                what = f"half of the boxes are smaller than {np.median(shown):.1f} pixels in the network's input"
                cure = "choose a larger size, or cut the images into parts"
                yield Finding(Severity.HARMFUL, f"{where}, label {name!r}", what, cure)


def _whole(error: str) -> Finding:
    what, _, cure = error.rpartition("; ")
    return Finding(Severity.POINTLESS, "recipe", what or error, cure if what else "correct it")


def _orientation(source: Source, key: str) -> int:
    """EXIF's number of an image file; 1 where it is none or upright."""
    folder = folder_inside(source.dataset)
    if folder is None:
        return 1
    try:
        with (folder / key).open("rb") as stream:
            header = read_header(stream.read(1 << 16))
    except OSError:
        return 1
    return 1 if header is None else header.orientation
