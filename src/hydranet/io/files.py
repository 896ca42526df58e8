"""How files are read, so that the error for a bad one is a sentence that names it."""

import io
import json
import os
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from hydranet.core.dataset import Dataset
from hydranet.core.ledger import Ledger, Omission
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError, unknown
from hydranet.io.box_rows import OnError, quoted
from hydranet.io.missing_file import MissingFile

DATA_VARIABLE = "HYDRANET_DATA"
"""Environment variable that names the folder of data sets."""

WITHOUT_IMAGE = "a label file without an image"
"""Why a label file is not used."""


@dataclass(frozen=True)
class FileDataset(Dataset):
    """A data set in a folder.

    root:     the folder; where it does not exist as given, it is looked for under $HYDRANET_DATA.
    on_error: "refuse" raises for an image without its label file and for a label that means nothing; "skip" leaves
              them out and counts them in `ledger`. A box without width or height is left out and counted in any case.
    """

    root: str
    on_error: OnError = field(default="refuse", kw_only=True)

    def __post_init__(self) -> None:
        check_names([self.on_error], ("refuse", "skip"), f"on_error of {type(self).__name__}")

    @cached_property
    def folder(self) -> Path:
        """The folder that `root` means. Raises DataError where there is none."""
        return folder_of(self.root, type(self).__name__)


def folder_of(root: str, what: str) -> Path:
    """The folder that `root` means, as given or under $HYDRANET_DATA. Raises DataError where there is none."""
    given = Path(root).expanduser()
    places = [given] if given.is_absolute() else [given, Path(os.environ.get(DATA_VARIABLE) or ".") / given]
    for place in places:
        if place.is_dir():
            return place
    looked = " and ".join(str(place) for place in dict.fromkeys(places))
    raise DataError(
        f"no data folder {root!r} for {what}: looked for {looked}; "
        f"give the right root or set {DATA_VARIABLE} to the folder that holds it"
    )


def folder_inside(dataset: Dataset) -> Path | None:
    """The folder that the keys of a data set are relative to: its own, or that of the first one inside; None = none."""
    waiting = [dataset]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, FileDataset):
            return one.folder
        for value in vars(one).values():
            waiting += [part for part in (value if isinstance(value, tuple) else (value,)) if isinstance(part, Dataset)]
    return None


def with_labels(
    images: Sequence[Path], label_of: Callable[[Path], Path], folder: Path, on_error: OnError
) -> tuple[list[Path], Ledger]:
    """The images that a data set reads: all, or with "skip" those whose label file exists, and the others counted."""
    if on_error == "refuse":
        return list(images), Ledger()
    labeled = [path for path in images if label_of(path).is_file()]
    missing = [path.relative_to(folder).as_posix() for path in images if not label_of(path).is_file()]
    ledger = Ledger()
    if missing:
        ledger = ledger.noted(Omission.IMAGE_LEFT_OUT, str(folder), "without a label file", *missing)
    if not labeled:
        raise DataError(f"none of the {len(images)} images in {folder} has a label file; check the root")
    return labeled, ledger


def without_image(
    folder: Path,
    files: Iterable[Path],
    used: Collection[Path],
    holds_labels: Callable[[Path], bool] = lambda _: True,
) -> Ledger:
    """The label files that belong to no image, counted; other text beside them, such as names of classes, is none.

    used: the label files of all images, whether they exist or not.    holds_labels: of one of the others; default: yes.
    """
    spare = sorted(path.relative_to(folder).as_posix() for path in files if path not in used and holds_labels(path))
    return Ledger().noted(Omission.LABEL_IGNORED, str(folder), WITHOUT_IMAGE, *spare) if spare else Ledger()


def ledger_of(paths: Iterable[Path], read: Callable[[Path], Ledger]) -> Ledger:
    """What label files leave out, added up; a broken one adds nothing: reading its image names it."""
    ledger = Ledger()
    for path in paths:
        with suppress(DataError):
            ledger += read(path)
    return ledger


def read_text(path: Path) -> str:
    """A UTF-8 text file, with or without a byte order mark. Raises DataError where it is missing or not text."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise MissingFile(f"missing file {path}; restore it or leave it out") from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is no UTF-8 text ({error.reason} at byte {error.start}); restore or convert it"
        ) from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise DataError(f"cannot read {path}: {reason}; check its name, its owner and its disk") from error


def read_lines(path: Path) -> list[tuple[int, str]]:
    """Lines of a text file that are not empty, each with its number from 1 as editors show it: empty ones count.

    Raises DataError where it is missing or not text.
    """
    lines = enumerate(io.StringIO(read_text(path), newline=None), start=1)  # None: "\r" and "\r\n" end lines, too
    return [(number, line.removesuffix("\n")) for number, line in lines if line.strip()]


def read_json(path: Path) -> Any:
    """What a JSON file holds. Raises DataError, with line and column, where it is broken.

    Also for nesting that no label file has and for whole numbers of more digits than Python converts. NaN and Infinity,
    which some tools write, are read; whoever expects a number refuses them.
    """
    text = read_text(path)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = f"{error.msg} at line {error.lineno}, column {error.colno}"
        raise DataError(f"broken JSON in {path}: {where}; restore the file") from error
    except RecursionError as error:
        raise DataError(f"broken JSON in {path}: nested too deeply to be labels; restore the file") from error
    except ValueError as error:
        raise DataError(f"broken JSON in {path}: a whole number with too many digits; restore the file") from error


def check_names(given: Iterable[str], known: Iterable[str], what: str) -> None:
    """Raises SpecError, with a suggestion, for an option that the data set does not have."""
    known = tuple(known)
    for name in given:
        if name not in known:
            raise SpecError(unknown(name, known, what))


def in_ranges(ranges: str, numbers: Sequence[int]) -> list[int]:
    """Which of `numbers` are in "0-59,65"; both ends belong to a range. Raises SpecError for other text."""
    spans = []
    for part in ranges.replace(" ", "").split(","):
        first, _, last = part.partition("-")
        try:
            spans.append((int(first), int(last or first)))
        except ValueError as error:
            raise SpecError(f"got {quoted(ranges)}, expected numbers and ranges such as '0-59,65'") from error
    return [number for number in numbers if any(first <= number <= last for first, last in spans)]
