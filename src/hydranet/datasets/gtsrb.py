"""GTSRB: images of single German traffic signs with their class."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from hydranet.annotations import Tag
from hydranet.core.ledger import Ledger, Omission
from hydranet.core.sample import DataError, Sample
from hydranet.core.spec import SpecError
from hydranet.io.box_rows import is_whole_number, quoted
from hydranet.io.csv_rows import csv_rows
from hydranet.io.files import FileDataset, check_names, read_text
from hydranet.io.images import read_rgb
from hydranet.io.listing import Listing, as_written, listing

CLASSES = (
    "speed limit 20",
    "speed limit 30",
    "speed limit 50",
    "speed limit 60",
    "speed limit 70",
    "speed limit 80",
    "end of speed limit 80",
    "speed limit 100",
    "speed limit 120",
    "no passing",
    "no passing for trucks",
    "priority at next intersection",
    "priority road",
    "yield",
    "stop",
    "no vehicles",
    "no trucks",
    "no entry",
    "general danger",
    "curve left",
    "curve right",
    "double curve",
    "uneven road",
    "slippery road",
    "road narrows right",
    "road work",
    "traffic lights",
    "pedestrians",
    "children",
    "bicycles",
    "snow or ice",
    "wild animals",
    "end of all limits",
    "turn right",
    "turn left",
    "ahead only",
    "ahead or right",
    "ahead or left",
    "keep right",
    "keep left",
    "roundabout",
    "end of no passing",
    "end of no passing for trucks",
)

SYMMETRIC = (
    "priority at next intersection",
    "priority road",
    "yield",
    "no vehicles",
    "no entry",
    "general danger",
    "uneven road",
    "traffic lights",
    "snow or ice",
    "ahead only",
)
"""Signs that look alike in a mirror."""

SWAPPED = (
    ("curve left", "curve right"),
    ("turn right", "turn left"),
    ("ahead or right", "ahead or left"),
    ("keep right", "keep left"),
)
"""Signs of which a mirror makes one another."""


def _mirror() -> tuple[int, ...]:
    becomes = {name: name for name in SYMMETRIC}
    for one, other in SWAPPED:
        becomes |= {one: other, other: one}
    return tuple(CLASSES.index(becomes[name]) if name in becomes else -1 for name in CLASSES)


MIRROR = _mirror()
"""`Tag.mirror`: the class of the flipped image; -1 for digits, letters, slanted bars, vehicles and figures that face
one way: their mirror images are no signs."""

TRAINING, TEST = Path("Final_Training/Images"), Path("Final_Test/Images")
TABLES = (TEST / "GT-final_test.csv", Path("Final_Test/GT-final_test.csv"), Path("GT-final_test.csv"))
"""Where the official archives put the classes of the test images, and where people unpack them."""
COLUMNS = ("Width", "Height", "Roi.X1", "Roi.Y1", "Roi.X2", "Roi.Y2", "ClassId")


@dataclass(frozen=True)
class Sign:
    """One row of a table: the size of the original image and the sign's box in it, in pixels; the class."""

    name: str
    width: int
    height: int
    roi: tuple[int, int, int, int]
    label: int


@dataclass(frozen=True)
class Gtsrb(FileDataset):
    """German Traffic Sign Recognition Benchmark: crops of 43 classes of signs; `Tag.mirror` says which may be flipped.

    root:  holds Final_Training/Images/CCCCC/TTTTT_FFFFF.ppm and GT-CCCCC.csv (class C, track T, frame F), and for the
           test Final_Test/Images/*.ppm with GT-final_test.csv there, beside or above it.
    split: "train", "val", "trainval" (both) or "test" (the official one).
           A track is 30 images of one physical sign, so validation is by track: of each class's tracks, sorted, those
           at positions p with p % folds == fold.
    crop:  "image", or "roi" for the box of the sign alone. Sizes and boxes in the tables are those of the original
           images; where an image has another size, boxes are scaled to it.

    Stallkamp et al.: Man vs. computer, Neural Networks 32, 2012.
    """

    split: Literal["train", "val", "trainval", "test"] = "train"
    crop: Literal["image", "roi"] = "image"
    folds: int = 5
    fold: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        check_names([self.split], ("train", "val", "trainval", "test"), "split of Gtsrb")
        check_names([self.crop], ("image", "roi"), "crop of Gtsrb")
        if self.folds < 2 or not 0 <= self.fold < self.folds:
            raise SpecError(f"got fold {self.fold} of {self.folds} folds, expected 0 <= fold < folds, and 2 at least")

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        return {"sign": CLASSES}

    @cached_property
    def _listing(self) -> Listing:
        if self.split == "test":
            return self._labeled(listing(self.folder / TEST, "*", "test images"))
        files = listing(self.folder / TRAINING, "*/*", "training images")
        if self.split == "trainval":
            return self._labeled(files)
        chosen = self._of_split(files.images)
        if not chosen:
            raise DataError(f"no {self.split!r} images in {self.folder}: expected {self.folds} tracks per class")
        return self._labeled(Listing(tuple(chosen), files.ledger))

    def _of_split(self, images: Iterable[Path]) -> list[Path]:
        """The images of the tracks that belong to "train" or "val"."""
        by_class: dict[str, dict[str, list[Path]]] = {}
        for path in images:
            by_class.setdefault(path.parent.name, {}).setdefault(track_of(path), []).append(path)
        chosen = []
        for tracks in by_class.values():
            for place, track in enumerate(sorted(tracks)):
                if (place % self.folds == self.fold) == (self.split == "val"):
                    chosen += tracks[track]
        return chosen

    def _labeled(self, files: Listing) -> Listing:
        """The images that have a row; the others are refused, or counted with "skip"."""
        rows, ledger = self._table
        missing = [path for path in files.images if self._name(path) not in rows]
        if missing and self.on_error == "refuse":
            raise DataError(
                f"{missing[0]} has no row in {self._table_of(missing[0])}; restore the table or remove the image"
            )
        if missing:
            names = [path.relative_to(self.folder).as_posix() for path in missing]
            ledger = ledger.noted(Omission.IMAGE_LEFT_OUT, str(self.folder), "without a row in its table", *names)
        kept = tuple(path for path in files.images if self._name(path) in rows)
        if not kept:
            raise DataError(f"none of the {len(files.images)} images in {self.folder} has a row in its table; check it")
        return Listing(kept, files.ledger + ledger)

    @cached_property
    def _table(self) -> tuple[dict[str, Sign], Ledger]:
        """Rows by the image's path below the folder of images, and what was left out."""
        if self.split == "test":
            return self._rows([self._test_table], "")
        folders = sorted(path for path in (self.folder / TRAINING).iterdir() if path.is_dir())
        rows: dict[str, Sign] = {}
        ledger = Ledger()
        for folder in folders:
            read, left_out = self._rows([as_written(folder / f"GT-{folder.name}.csv")], folder.name)
            rows |= read
            ledger += left_out
        return rows, ledger

    def _rows(self, tables: Iterable[Path], folder: str) -> tuple[dict[str, Sign], Ledger]:
        rows: dict[str, Sign] = {}
        ledger = Ledger()
        for table in tables:
            for where, row in table_rows(table):
                try:
                    sign = parse_sign(row, where)
                    if folder and not (is_whole_number(folder) and int(folder) == sign.label):
                        raise DataError(f"{where}: class {sign.label} in folder {quoted(folder)}; correct one of them")
                    name = f"{folder}/{sign.name}" if folder else sign.name
                    if name in rows:
                        raise DataError(f"{where}: {quoted(sign.name)} has two rows; remove one")
                except DataError as error:
                    if self.on_error == "refuse":
                        raise
                    reason = "a row that means nothing"
                    ledger = ledger.noted(Omission.LABEL_IGNORED, str(self.folder), reason, str(error)[:160])
                    continue
                rows[name] = sign
        return rows, ledger

    @property
    def _test_table(self) -> Path:
        places = [self.folder / place for place in TABLES]
        return next((as_written(place) for place in places if as_written(place).is_file()), places[0])

    def _table_of(self, path: Path) -> Path:
        return self._test_table if self.split == "test" else path.with_name(f"GT-{path.parent.name}.csv")

    def _name(self, path: Path) -> str:
        return path.name if self.split == "test" else f"{path.parent.name}/{path.name}"

    @property
    def frames(self) -> tuple[Path, ...]:
        """The images of the split."""
        return self._listing.images

    def ledger(self) -> Ledger:
        return super().ledger() + self._listing.ledger

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Sample:
        path = self.frames[index]
        sign = self._table[0][self._name(path)]
        image = read_rgb(path)
        if self.crop == "roi":
            image = cut_out(image, sign, str(path))
        label = Tag(np.asarray(sign.label), mirror=MIRROR)
        return Sample(image, {"sign": label}, key=path.relative_to(self.folder).as_posix())


def track_of(path: Path) -> str:
    """The track in TTTTT_FFFFF.ppm. Raises DataError for another name."""
    track, _, frame = path.stem.partition("_")
    if not (is_whole_number(track) and is_whole_number(frame)):
        raise DataError(f"{path} has no track in its name, expected one such as 00003_00021.ppm; rename or remove it")
    return track


def table_rows(path: Path) -> list[tuple[str, dict[str, str]]]:
    """The rows of a table with semicolons, and where each stands. Raises DataError for another head line."""
    rows = list(csv_rows(read_text(path), path, ";"))
    head = rows[0][1] if rows else []
    missing = [name for name in ("Filename", *COLUMNS) if name not in head]
    if missing:
        raise DataError(
            f"{path} has no column {missing[0]} (columns: {quoted(' '.join(head))}), expected "
            f"{';'.join(('Filename', *COLUMNS))}; take the table with classes"
        )
    return [(f"{path}:{line}", dict(zip(head, row, strict=False))) for line, row in rows[1:]]


def parse_sign(row: Mapping[str, str], where: str) -> Sign:
    """One row. Raises DataError, naming it, for what is no whole number, no class and no box in the image."""
    words = [row.get(name, "") for name in COLUMNS]
    bad = [f"{name}={quoted(word)}" for name, word in zip(COLUMNS, words, strict=True) if not _is_number(word)]
    if bad:
        raise DataError(f"{where}: got {bad[0]}, expected a whole number from 0; correct it")
    width, height, left, top, right, bottom, label = map(int, words)
    if label >= len(CLASSES):
        raise DataError(f"{where}: class {label}, expected 0..{len(CLASSES) - 1}; correct it")
    if not (left < right <= width and top < bottom <= height):
        raise DataError(
            f"{where}: box {left} {top} {right} {bottom} in an image of {width}x{height}, expected left < right and "
            "top < bottom inside; correct it"
        )
    return Sign(row.get("Filename", ""), width, height, (left, top, right, bottom), label)


def _is_number(word: str) -> bool:
    return is_whole_number(word) and not word.startswith("-") and len(word) < 8


def cut_out(image: np.ndarray, sign: Sign, where: str) -> np.ndarray:
    """The sign's box, scaled to the image at hand, rounded outwards to whole pixels."""
    height, width = image.shape[:2]
    left, top, right, bottom = np.array(sign.roi) * np.array([width / sign.width, height / sign.height] * 2)
    part = image[int(top) : int(np.ceil(bottom)), int(left) : int(np.ceil(right))]
    if not part.size:
        raise DataError(f"{where}: its box is empty in an image of {width}x{height}; correct the table")
    return np.ascontiguousarray(part)
