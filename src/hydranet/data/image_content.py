"""What image files hold, by looking at some of them: photographs, class ids, colors of classes, numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from hydranet.core.sample import DataError
from hydranet.io.color_map import named, pack
from hydranet.io.image_header import PALETTE, Header, read_header
from hydranet.io.images import IMAGES, read_ids, read_map
from hydranet.io.number_map import NUMBER_SUFFIXES, read_numbers

LOOKED_AT = 8
"""Files of a kind that are opened."""

MOST_IDS = 100
"""More values than this are gray levels, not classes."""
LEAST_RUN = 3.0
"""Mean length in pixels of a run of equal values in a row: labels have areas, photographs have noise."""

Holds = Literal["photographs", "ids", "binary", "colors", "numbers"]


@dataclass(frozen=True)
class Content:
    """What some files hold, and why that is thought.

    values: ids, or colors as "#rrggbb", that occur.    palette: whether ids have a color each, in a palette.
    """

    holds: Holds
    why: str
    values: tuple[int | str, ...] = ()
    palette: bool = False


def content_of(files: Sequence[Path]) -> Content:
    """What files of one folder and one naming hold. Broken ones are passed over; photographs if all are."""
    opened: list[tuple[Header | None, np.ndarray]] = []
    for path in files[:: max(1, len(files) // LOOKED_AT)][:LOOKED_AT]:
        try:
            opened.append(_open(path))
        except DataError:
            continue
    if not opened:
        return Content("photographs", "no file of these can be opened")
    arrays = [array for _, array in opened]
    suffix = files[0].suffix.lower()
    if suffix not in IMAGES or any(array.dtype.kind == "f" for array in arrays):
        return Content("numbers", f"{suffix} files of numbers ({arrays[0].dtype})")
    if all(array.ndim == 2 and array.dtype.itemsize > 1 for array in arrays):
        return Content("numbers", f"one channel of {8 * arrays[0].dtype.itemsize} bits")
    if suffix in (".jpg", ".jpeg", ".jpe", ".jfif"):
        return Content("photographs", "JPEG")
    if all(array.ndim == 2 for array in arrays):
        values = sorted({int(value) for array in arrays for value in np.unique(array)})
        if set(values) <= {0, 255} and 255 in values:
            return Content("binary", "values 0 and 255 alone", tuple(values))
        palette = all(header is not None and header.color_type == PALETTE for header, _ in opened)
        if len(values) <= MOST_IDS and (palette or _run(arrays) >= LEAST_RUN):
            how = "a palette" if palette else "one channel of 8 bits in areas"
            return Content("ids", f"{how}, {len(values)} values", tuple(values), palette)
        return Content("photographs", "gray levels")
    packed = [pack(array) for array in arrays if array.ndim == 3]
    colors = sorted({int(value) for array in packed for value in np.unique(array)}) if _run(packed) >= LEAST_RUN else []
    if 0 < len(colors) <= MOST_IDS and len(packed) == len(arrays):
        return Content("colors", f"{len(colors)} colors in areas", tuple(named(colors)))
    return Content("photographs", "many colors")


def _open(path: Path) -> tuple[Header | None, np.ndarray]:
    if path.suffix.lower() in NUMBER_SUFFIXES and path.suffix.lower() not in IMAGES:
        return None, read_numbers(path)
    header = read_header(path.read_bytes())
    return header, read_ids(path) if header is not None and header.format == "PNG" else read_map(path)


def _run(arrays: Sequence[np.ndarray]) -> float:
    """Mean length of runs of equal values along rows."""
    pixels = sum(array.size for array in arrays)
    changes = sum(int(np.count_nonzero(array[:, 1:] != array[:, :-1])) + len(array) for array in arrays)
    return pixels / max(changes, 1)
