"""How files are read, so that the error for a bad one is a sentence that names it."""

import io
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from hydranet.annotations import UNKNOWN_ID, ClassMap
from hydranet.core.dataset import Dataset
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError, unknown
from hydranet.io.truncation import PNG, is_whole

DATA_VARIABLE = "HYDRANET_DATA"
"""Environment variable that names the folder of data sets."""

IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".ppm", ".tif", ".tiff")
"""Suffixes of image files."""
PALETTE = b"\x03"
"""The color type, byte 25, of a PNG whose pixels are indices of colors (PNG specification, section 11.2.1)."""


@dataclass(frozen=True)
class FileDataset(Dataset):
    """A data set in a folder.

    root: the folder; where it does not exist as given, it is looked for under $HYDRANET_DATA.
    """

    root: str

    @cached_property
    def folder(self) -> Path:
        """The folder that `root` means. Raises DataError where there is none."""
        return folder_of(self.root, type(self).__name__)


def folder_of(root: str, what: str) -> Path:
    """The folder that `root` means, as given or under $HYDRANET_DATA. Raises DataError where there is none."""
    given = Path(root).expanduser()
    places = [given] if given.is_absolute() else [given, Path(os.environ.get(DATA_VARIABLE, ".")) / given]
    for place in places:
        if place.is_dir():
            return place
    looked = " and ".join(str(place) for place in dict.fromkeys(places))
    raise DataError(
        f"no data folder {root!r} for {what}: looked for {looked}; "
        f"give the right root or set {DATA_VARIABLE} to the folder that holds it"
    )


def listed(folder: Path, pattern: str, what: str) -> list[Path]:
    """Sorted files and folders inside that match a glob, hidden ones left out. Raises DataError where there are none.

    macOS leaves `._NAME.png` beside NAME.png on disks of other systems: such files are no images.
    """
    paths = sorted(folder.glob(pattern)) if folder.is_dir() else []
    paths = [path for path in paths if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    if not paths:
        raise DataError(f"no {what} in {folder} (pattern {pattern}); check the root and the split")
    return paths


def image_files(folder: Path, pattern: str = "*", what: str = "images") -> list[Path]:
    """Those of `listed` with the suffix of an image, in lower or upper case. Raises DataError for none."""
    paths = [path for path in listed(folder, pattern, what) if path.suffix.lower() in IMAGES and path.is_file()]
    if not paths:
        raise DataError(f"no {what} in {folder} ({pattern} with {' '.join(IMAGES)}); check the root and the split")
    return paths


def as_written(path: Path) -> Path:
    """The file, with the suffix in capitals where only that one exists: cameras and Windows write .PNG and .TXT."""
    capitals = path.with_suffix(path.suffix.upper())
    return capitals if capitals.exists() and not path.exists() else path


def read_rgb(path: Path) -> np.ndarray:
    """uint8 h w 3 in RGB order. Raises DataError for a missing or broken file."""
    image = _decode(path, cv2.IMREAD_COLOR)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def read_map(path: Path) -> np.ndarray:
    """A label image as stored: uint8 or uint16, h w (or h w 3 in RGB order). Raises DataError as `read_rgb` does."""
    image = _decode(path, cv2.IMREAD_UNCHANGED)
    return image if image.ndim == 2 else cv2.cvtColor(image[..., :3], cv2.COLOR_BGR2RGB)


def read_ids(path: Path) -> np.ndarray:
    """An image of ids as stored, as `read_map` reads it; of a PNG with a palette the indices, not the colors."""
    data = _bytes(path)
    if data[:8].tobytes() != PNG or data[25:26].tobytes() != PALETTE:
        return read_map(path)
    try:
        with Image.open(io.BytesIO(data.tobytes())) as image:
            return np.array(image)
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"broken image {path} ({error}); restore it or take it out of the split") from error


def _bytes(path: Path) -> np.ndarray:
    """uint8 n, the bytes of an image file that is not cut off."""
    try:
        data = np.fromfile(path, dtype=np.uint8)
    except FileNotFoundError as error:
        raise DataError(f"missing file {path}; restore it or take it out of the split") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    if not is_whole(data):
        raise DataError(f"{path} is cut off ({data.size} bytes without an end); restore it or take it out of the split")
    return data


def _decode(path: Path, flags: int) -> np.ndarray:
    data = _bytes(path)
    image = cv2.imdecode(data, flags | cv2.IMREAD_IGNORE_ORIENTATION) if data.size else None
    if image is None:
        raise DataError(
            f"broken image {path} ({data.size} bytes cannot be decoded); restore it or take it out of the split"
        )
    return image


def read_lines(path: Path) -> list[str]:
    """Lines of a text file without empty ones. Raises DataError where it is missing or not text."""
    try:
        return [line for line in path.read_text().splitlines() if line.strip()]
    except FileNotFoundError as error:
        raise DataError(f"missing file {path}; restore it or take it out of the split") from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is no UTF-8 text ({error.reason} at byte {error.start}); restore or convert it"
        ) from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}; check its owner and its disk") from error


def read_json(path: Path) -> Any:
    """What a JSON file holds. Raises DataError, with line and column, where it is broken."""
    try:
        return json.loads("\n".join(read_lines(path)))
    except json.JSONDecodeError as error:
        where = f"{error.msg} at line {error.lineno}, column {error.colno}"
        raise DataError(f"broken JSON in {path}: {where}; restore the file") from error
    except RecursionError as error:
        raise DataError(f"broken JSON in {path}: nested too deeply to be labels; restore the file") from error


def read_class_map(path: Path, classes: int, void: Sequence[int] = (), size: tuple[int, int] | None = None) -> ClassMap:
    """An image of class ids, gray or with a palette. The ids `void` become "unknown"; so does 255.

    Raises DataError for a broken file, an id that is neither void nor one of the 0..classes-1, or an image that
    is not of `size` (height, width).
    """
    ids = read_ids(path)
    if ids.ndim != 2 or ids.dtype != np.uint8:
        raise DataError(f"{path} holds {ids.dtype} {ids.shape}, expected one byte per pixel: class ids; convert it")
    check_size(path, ids, size)
    table = np.arange(256, dtype=np.uint8)
    table[list(void)] = UNKNOWN_ID
    ids = cv2.LUT(ids, table)
    foreign = np.unique(ids[(ids >= classes) & (ids != UNKNOWN_ID)])
    if len(foreign):
        raise DataError(
            f"{path} holds class ids {foreign.tolist()}, expected 0..{classes - 1}"
            f"{f', {list(void)}' if void else ''} or {UNKNOWN_ID}; correct the file or the data set's class list"
        )
    return ClassMap(ids)


def check_size(path: Path, values: np.ndarray, size: tuple[int, int] | None) -> None:
    """Raises DataError where a label map (h w ...) is not as large as its image."""
    if size is not None and values.shape[:2] != size:
        raise DataError(
            f"{path} is {values.shape[1]}x{values.shape[0]}, its image {size[1]}x{size[0]}; they must be of one size"
        )


def check_names(given: Iterable[str], known: Iterable[str], what: str) -> None:
    """Raises SpecError, with a suggestion, for an option that the data set does not have."""
    known = tuple(known)
    for name in given:
        if name not in known:
            raise SpecError(unknown(name, known, what))


def in_ranges(ranges: str, numbers: Sequence[int]) -> list[int]:
    """Which of `numbers` are in "0-59,65"; both ends belong to a range. Raises SpecError for other text."""
    chosen: set[int] = set()
    for part in ranges.replace(" ", "").split(","):
        first, _, last = part.partition("-")
        try:
            chosen.update(range(int(first), int(last or first) + 1))
        except ValueError as error:
            raise SpecError(f"got {ranges!r}, expected numbers and ranges such as '0-59,65'") from error
    return [number for number in numbers if number in chosen]
