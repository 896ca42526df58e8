"""Faces with 68 points in one CSV file, split by person."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from hydranet.annotations import Keypoints
from hydranet.core.ledger import Ledger, Omission, add_up
from hydranet.core.sample import DataError, Sample
from hydranet.core.spec import SpecError
from hydranet.io.box_rows import numbers, once, quoted
from hydranet.io.csv_rows import csv_rows
from hydranet.io.files import FileDataset, check_names, read_text
from hydranet.io.images import read_image
from hydranet.io.paths import OutsideFolder, inside
from hydranet.io.point_rows import known_inside

POINTS = 68

_PAIRS = (
    *((i, 16 - i) for i in range(9)),  # jaw
    *((17 + i, 26 - i) for i in range(5)),  # brows
    *((i, i) for i in range(27, 31)),  # bridge of the nose
    *((31 + i, 35 - i) for i in range(3)),  # below the nose
    *((36, 45), (37, 44), (38, 43), (39, 42), (40, 47), (41, 46)),  # eyes
    *((48 + i, 54 - i) for i in range(4)),  # upper lip, outside
    *((59, 55), (58, 56), (57, 57)),  # lower lip, outside
    *((60 + i, 64 - i) for i in range(3)),  # upper lip, inside
    *((67, 65), (66, 66)),  # lower lip, inside
)
_COUNTERPART = {**{b: a for a, b in _PAIRS}, **dict(_PAIRS)}
MIRROR = tuple(_COUNTERPART[i] for i in range(POINTS))
"""For each of the 68 points of iBUG (Multi-PIE order) what a mirrored face calls it."""

EYE_CORNERS = (36, 45)
"""The outer corners of the eyes, whose distance is 300-W's unit of errors."""

OUTSIDE_SHARE = 0.5
"""A point farther outside its image than this share of its sides is a mistake."""

Row = tuple[int, str, list[str]]
"""Line of the file, name of the image, and the other words."""


@dataclass(frozen=True)
class FaceKeypoints(FileDataset):
    """68 points of one face per image, in pixels from the image's corner; label "keypoints".

    root:        the folder.
    annotations: CSV file, relative to root: one line per image, name, x0, y0, ..., x67, y67. A first line whose first
                 word is empty is a header.
    images:      folder of the images, relative to root.
    split:       "train", "val" or "all". Images of one person are in one part: of the persons in the order of their
                 names, every `val_every`-th one is validated.
    person:      regular expression whose first group is the person in an image's name.

    An empty coordinate, or a point outside the image, is an unknown point.
    """

    annotations: str = "training_keypoints.csv"
    images: str = "training"
    split: str = "train"
    val_every: int = 5
    person: str = r"^(p\d+)_"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_names([self.split], ("train", "val", "all"), f"split of {type(self).__name__}")
        if self.val_every < 2:
            raise SpecError(f"got val_every={self.val_every}, expected 2 or more: 5 = every fifth person is validated")
        try:
            groups = re.compile(self.person).groups
        except re.error as error:
            raise SpecError(f"got person={self.person!r}, no regular expression: {error}; correct it") from error
        if groups < 1:
            raise SpecError(f"got person={self.person!r}, expected a group in parentheses: the person")

    @cached_property
    def _table(self) -> tuple[tuple[tuple[Path, Keypoints], ...], Ledger]:
        file = self.folder / self.annotations
        faces, ledgers = [], []
        for row in _rows(file):
            try:
                faces.append((self._path(row, file), self._person(row, file), _face(row, file)))
            except DataError as error:
                if self.on_error == "refuse":
                    raise
                reason = "a row that means nothing"
                ledgers.append(Ledger().noted(Omission.LABEL_IGNORED, str(file), reason, str(error)[:160]))
        once([path.as_posix() for path, _, _ in faces], "image", str(file))
        persons = sorted({person for _, person, _ in faces})
        held_out = set(persons[:: self.val_every])
        chosen = [
            (path, face)
            for path, person, face in faces
            if self.split == "all" or (person in held_out) == (self.split == "val")
        ]
        if self.on_error == "skip":
            missing = [path.name for path, _ in chosen if not path.is_file()]
            chosen = [(path, face) for path, face in chosen if path.is_file()]
            if missing:
                where = str(self.folder / self.images)
                ledgers.append(Ledger().noted(Omission.IMAGE_LEFT_OUT, where, "no such file", *missing))
        if not chosen:
            raise DataError(
                f"{file} lists no image for split {self.split!r} ({len(persons)} persons); check the file and the split"
            )
        return tuple(chosen), add_up(ledgers)

    def _path(self, row: Row, file: Path) -> Path:
        line, name, _ = row
        try:
            return inside(self.folder / self.images, name, follow_links=True)
        except OutsideFolder as error:
            raise DataError(f"{file}, line {line}: {error}") from error

    def _person(self, row: Row, file: Path) -> str:
        line, name, _ = row
        match = re.search(self.person, Path(name).name)
        if match is None or not match[1]:
            raise DataError(
                f"{file}, line {line}: image {quoted(name)} names no person by {self.person!r}; give another `person`"
            )
        return match[1]

    def ledger(self) -> Ledger:
        return super().ledger() + self._table[1]

    def __len__(self) -> int:
        return len(self._table[0])

    def __getitem__(self, index: int) -> Sample:
        path, face = self._table[0][index]
        image = read_image(path)
        key = path.relative_to(self.folder).as_posix()
        if image.extent.orientation != 1:
            raise DataError(f"{path} is turned by its EXIF tag, its points may not be; save the image upright")
        height, width = image.extent.size
        xy, known = face.xy[0], np.asarray(face.visible[0]) > 0
        far = np.logical_and(known, (np.abs(xy / (width, height) - 0.5) > 0.5 + OUTSIDE_SHARE).any(axis=1))
        if far.any():
            point = int(np.flatnonzero(far)[0])
            raise DataError(
                f"{self.folder / self.annotations}: point {point} of {key} is at {xy[point].tolist()}, far outside the "
                f"image of {width}x{height}; restore the image or correct the file"
            )
        file = str(self.folder / self.annotations)
        visible, ledger = known_inside(face.xy, face.visible, image.extent.size, file, [key])
        return Sample(image.rgb, {"keypoints": Keypoints(face.xy, visible, mirror=MIRROR)}, key=key, ledger=ledger)


def _rows(file: Path) -> Sequence[Row]:
    """The lines of the file that are no header. Raises DataError where there are none or it is no CSV file."""
    rows = [(line, words[0].strip(), words[1:]) for line, words in csv_rows(read_text(file), file, ",")]
    if rows and not rows[0][1]:
        rows = rows[1:]
    if not rows:
        raise DataError(f"{file} lists no images; check the annotations file")
    return rows


def _face(row: Row, file: Path) -> Keypoints:
    """One line's points. Raises DataError."""
    line, name, words = row
    where = f"{file}, line {line}"
    if not name:
        raise DataError(f"{where} names no image; correct or remove it")
    if len(words) != 2 * POINTS:
        raise DataError(f"{where}: {len(words)} coordinates, expected {2 * POINTS}: x0, y0, ..., x67, y67; correct it")
    xy = np.array(numbers([word.strip() or "nan" for word in words], where), dtype=np.float64).reshape(POINTS, 2)
    empty = np.array([not word.strip() for word in words]).reshape(POINTS, 2)
    if not np.isfinite(xy[~empty]).all() or not (np.abs(xy[~empty]) < 1e6).all():
        raise DataError(f"{where}: a coordinate that is no number of pixels; correct it, or leave it empty if unknown")
    known: np.ndarray = np.logical_not(empty.any(axis=1))
    if not known.any():
        raise DataError(f"{where}: not a single point is known; remove the line")
    xy = np.where(known[:, None], xy, 0.0).astype(np.float32)
    return Keypoints(xy[None], np.where(known, 2, 0)[None])
