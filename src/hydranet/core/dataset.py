"""What a data set is, and how files are read so that a bad one is named in a sentence."""

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from hydranet.core.sample import DataError, Sample
from hydranet.core.spec import Component

DATA_VARIABLE = "HYDRANET_DATA"


@dataclass(frozen=True)
class Dataset(Component, ABC):
    """Files (or a generator) to samples, in the data set's own class ids. A frozen dataclass: its fields are options.

    Reading is lazy and has no state beyond cached file lists, so that any process may read any index.
    """

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        """For each label that has classes, their names in the order of ids."""
        return {}

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, index: int) -> Sample:
        """Raises DataError naming the file where one is missing or broken; IndexError past the end."""


@dataclass(frozen=True)
class FileDataset(Dataset):
    """A data set in a folder.

    root: the folder; where it does not exist as given, it is looked for under $HYDRANET_DATA.
    """

    root: str

    @cached_property
    def folder(self) -> Path:
        """The folder that `root` means. Raises DataError where there is none."""
        given = Path(self.root).expanduser()
        places = [given] if given.is_absolute() else [given, Path(os.environ.get(DATA_VARIABLE, ".")) / given]
        for place in places:
            if place.is_dir():
                return place
        looked = " and ".join(str(place) for place in dict.fromkeys(places))
        raise DataError(
            f"no data folder {self.root!r} for {type(self).__name__}: looked for {looked}; "
            f"give the right root or set {DATA_VARIABLE} to the folder that holds it"
        )


def listed(folder: Path, pattern: str, what: str) -> list[Path]:
    """Sorted files of a folder that match a glob. Raises DataError where there are none."""
    found = sorted(folder.glob(pattern)) if folder.is_dir() else []
    if not found:
        raise DataError(f"no {what} in {folder} (pattern {pattern}); check the root and the split")
    return found


def read_rgb(path: Path) -> np.ndarray:
    """uint8 h w 3 in RGB order. Raises DataError for a missing or broken file."""
    picture = _decode(path, cv2.IMREAD_COLOR)
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def read_map(path: Path) -> np.ndarray:
    """A label image as stored: uint8 or uint16, h w (or h w 3 in RGB order). Raises DataError as `read_rgb` does."""
    picture = _decode(path, cv2.IMREAD_UNCHANGED)
    return picture if picture.ndim == 2 else cv2.cvtColor(picture[..., :3], cv2.COLOR_BGR2RGB)


def _decode(path: Path, flags: int) -> np.ndarray:
    try:
        data = np.fromfile(path, dtype=np.uint8)
    except FileNotFoundError as error:
        raise DataError(f"missing file {path}; restore it or take it out of the split") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    picture = cv2.imdecode(data, flags | cv2.IMREAD_IGNORE_ORIENTATION) if data.size else None
    if picture is None:
        raise DataError(
            f"broken image {path} ({data.size} bytes cannot be decoded); restore it or take it out of the split"
        )
    return picture


def read_lines(path: Path) -> list[str]:
    """Lines of a text file without empty ones. Raises DataError where it is missing or not text."""
    try:
        return [line for line in path.read_text().splitlines() if line.strip()]
    except FileNotFoundError as error:
        raise DataError(f"missing file {path}; restore it or take it out of the split") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {path}: {error}") from error
