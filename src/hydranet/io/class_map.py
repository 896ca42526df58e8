"""Images in which every pixel is a class id."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from hydranet.annotations import UNKNOWN_ID, ClassMap
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError, unknown
from hydranet.io.images import TURN_CURE, read_ids
from hydranet.io.orientation import SIDEWAYS, Extent, turn

UNLISTED = UNKNOWN_ID - 1
"""Marks a stored value that means nothing, in tables."""
LOOKED_AT = 64
"""Masks of a folder that are looked at before 0 and 255 are taken for the two classes of binary masks."""

Values = Mapping[Any, str | None]
"""{stored value: class name, or None for unknown}; keys may be text, as JSON writes them."""


@dataclass(frozen=True)
class IdCoding:
    """What the stored values of a data set's masks mean.

    classes: class names in the order of ids.    void: stored values that mean unknown; 255 always does.
    values:  {stored value: class name, or None for unknown}, where masks hold something else than ids, such as
             {0: "background", 255: "lane"}; then every other value is an error. Empty = stored values are ids.
    """

    classes: tuple[str, ...]
    void: tuple[int, ...] = ()
    values: Values = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.classes) >= UNLISTED:
            raise SpecError(
                f"got {len(self.classes)} classes of masks, expected at most {UNLISTED - 1}: bytes hold no more"
            )
        for stored, name in self.values.items():
            if not (str(stored).isascii() and str(stored).isdecimal() and int(str(stored)[:5]) < 256):
                raise SpecError(f"got stored value {stored!r:.40} in values, expected 0..255; correct it")
            if name is not None and name not in self.classes:
                raise SpecError(unknown(name, self.classes, "class of the masks (in values)"))

    @cached_property
    def table(self) -> np.ndarray:
        """uint8 256: the class id of every stored value, 255 = unknown, 254 = an error."""
        ids = np.full(256, UNLISTED, dtype=np.uint8)
        if self.values:
            for stored, name in self.values.items():
                ids[int(stored)] = UNKNOWN_ID if name is None else self.classes.index(name)
            return ids
        ids[: len(self.classes)] = np.arange(len(self.classes))
        ids[list(self.void)] = UNKNOWN_ID
        ids[UNKNOWN_ID] = UNKNOWN_ID
        return ids


def read_class_map(path: Path, coding: IdCoding, extent: Extent | None = None) -> ClassMap:
    """An image of class ids, gray or with a palette; of 1, 2 or 4 bits the values as they are.

    Raises DataError for a broken file, a value without a meaning, a mask of another size than its image (`extent`),
    and for masks of 0 and 255 alone in a whole folder: 255 would be "unknown", and no pixel the second class.
    """
    stored = read_ids(path)
    if stored.ndim != 2 or stored.dtype != np.uint8:
        raise DataError(
            f"{path} holds {stored.dtype} {stored.shape}, expected one byte per pixel: class ids; convert it"
        )
    stored = fitted_map(path, stored, extent)
    ids = cv2.LUT(stored, coding.table)
    if bool((ids == UNLISTED).any()):
        foreign = np.unique(stored[ids == UNLISTED]).tolist()
        known = _runs(sorted(map(int, coding.values)))
        void = f", {list(coding.void)}" if coding.void else ""
        wanted = f"one of {known}" if known else f"0..{len(coding.classes) - 1}{void} or {UNKNOWN_ID}"
        raise DataError(
            f"{path} holds class ids {foreign[:20]}, expected {wanted}; correct the file or the data set's class list"
        )
    binary = not _holds_ids(stored[::8, ::8]) and not _holds_ids(stored) and bool((stored == UNKNOWN_ID).any())
    if binary and not coding.values and len(coding.classes) > 1:
        _check_binary(path, coding)
    return ClassMap(ids)


def _runs(ids: Sequence[int]) -> str:
    """Rising numbers in words: 0..7, 11, 255."""
    runs: list[list[int]] = []
    for one in ids:
        if runs and one == runs[-1][-1] + 1:
            runs[-1].append(one)
        else:
            runs.append([one])
    return ", ".join(f"{run[0]}..{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs)


def _holds_ids(stored: np.ndarray) -> bool:
    """Whether there is anything but 0 and 255."""
    return bool(((stored > 0) & (stored < UNKNOWN_ID)).any())


def _check_binary(path: Path, coding: IdCoding) -> None:
    if _is_binary(path.parent, path.suffix):
        first, second = coding.classes[:2]
        raise DataError(
            f"{path} and the masks beside it hold 0 and 255 alone, and 255 means unknown; say what they mean, such as "
            f"values={{0: {first!r}, 255: {second!r}}}, or values={{0: {first!r}, 255: None}} where it is right"
        )


@cache
def _is_binary(folder: Path, suffix: str) -> bool:
    """Whether the masks of a folder hold 255 and nothing between 0 and 255, as far as they are looked at."""
    beside = islice((path for path in folder.iterdir() if path.suffix == suffix), LOOKED_AT)
    for path in beside:
        try:
            stored = read_ids(path)
        except DataError:
            continue
        if stored.dtype != np.uint8 or _holds_ids(stored):
            return False
    return True


def fitted_map(path: Path, values: np.ndarray, extent: Extent | None) -> np.ndarray:
    """A label map (h w ...) over its upright image; one of the stored, unturned image is turned with it.

    Raises DataError where it has another size, and where its shape cannot tell whether it is turned.
    """
    if extent is None or (extent.orientation == 1 and values.shape[:2] == extent.size):
        return values
    if values.shape[:2] not in (extent.size, extent.stored):
        check_size(path, values, extent.size)
    if extent.orientation not in SIDEWAYS or extent.size == extent.stored:
        raise DataError(
            f"the image of {path} has EXIF orientation {extent.orientation}, and the shape of the map cannot tell "
            f"whether it is turned, too; {TURN_CURE}"
        )
    return values if values.shape[:2] == extent.size else turn(values, extent.orientation)


def check_size(path: Path, values: np.ndarray, size: Sequence[int]) -> None:
    """Raises DataError where a label map (h w ...) is not as large as its image (height, width)."""
    if values.shape[:2] != tuple(size):
        raise DataError(
            f"{path} is {values.shape[1]}x{values.shape[0]}, its image {size[1]}x{size[0]}; they must be of one size"
        )
