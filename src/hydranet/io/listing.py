"""Which files a folder holds: nested, behind links, in natural order, and what was left out."""

import fnmatch
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hydranet.core.ledger import Ledger, Omission
from hydranet.core.sample import DataError
from hydranet.io.images import IMAGES

NO_IMAGES = {".txt", ".json", ".xml", ".csv", ".yaml", ".yml", ".md", ".bin", ".npz", ".npy", ".html", ".cache"}
"""Suffixes of files that stand beside images and are not meant to be any."""


def natural(path: Path) -> list[tuple[int, int, str]]:
    """A key that sorts as people count: frame_2 before frame_12."""
    words = re.findall(r"\d+|\D+", path.as_posix())
    return [(0, int(word[:4000]), word) if word.isascii() and word.isdecimal() else (1, 0, word) for word in words]


@dataclass(frozen=True)
class Listing:
    """Image files of a folder in natural order, and what else lies there."""

    images: tuple[Path, ...]
    ledger: Ledger = field(default_factory=Ledger)


def walk(folder: Path, unread: Callable[[OSError], object] | None = None) -> Iterator[Path]:
    """All files inside, also behind linked folders; hidden ones and __MACOSX left out. A circle of links ends.

    unread: gets an error for each folder that cannot be listed, such as lost+found on a disk of its own.
    """
    entered: set[str] = set()
    for place, folders, files in os.walk(folder, onerror=unread, followlinks=True):
        real = os.path.realpath(place)
        if real in entered:
            folders.clear()
            continue
        entered.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__MACOSX")
        yield from (Path(place, name) for name in files if not name.startswith("."))


def listing(folder: Path, pattern: str = "**/*", what: str = "images", labels: Sequence[str] = ()) -> Listing:
    """The image files of a folder whose path matches: names between slashes, or "**/NAME" for any depth.

    Suffixes may be in capitals. Files that match without an image's suffix, and images elsewhere in the folder, are
    counted; files with names like one of `labels` are neither. macOS leaves `._NAME.png` beside NAME.png on disks of
    other systems: such files are no images.
    Raises DataError where there is no image.
    """
    images: list[Path] = []
    others: list[Path] = []
    elsewhere: list[Path] = []
    locked: list[OSError] = []
    for path in walk(folder, locked.append):
        if any(fnmatch.fnmatchcase(path.name, one) for one in labels):
            continue
        matching = _matches(path.relative_to(folder).parts, pattern)
        if path.suffix.lower() in IMAGES and path.is_file():
            (images if matching else elsewhere).append(path)
        elif matching and path.suffix.lower() not in NO_IMAGES:
            others.append(path)
    if not images:
        raise DataError(f"no {what} in {folder} ({pattern} with {' '.join(IMAGES)}); check the root and the split")
    ledger = unused(folder, others, IMAGES)
    if elsewhere:
        names = [path.relative_to(folder).as_posix() for path in sorted(elsewhere, key=natural)]
        ledger = ledger.noted(Omission.IMAGE_LEFT_OUT, str(folder), f"not matching {pattern}", *names)
    if locked:
        places = [str(error.filename) for error in locked]
        ledger = ledger.noted(Omission.FOLDER_LEFT_OUT, str(folder), "which cannot be listed", *places)
    return Listing(tuple(sorted(images, key=natural)), ledger)


def unused(folder: Path, paths: Iterable[Path], suffixes: Collection[str]) -> Ledger:
    """Files of a folder that are not used, by reason, without those that are not meant to be images.

    suffixes: of files that would have been used.
    """
    reasons: dict[str, list[str]] = {}
    for path in sorted(paths, key=natural):
        suffix = path.suffix.lower()
        if suffix not in NO_IMAGES:
            name = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.as_posix()
            reason = "no file behind its name" if suffix in suffixes else "no image by its suffix"
            reasons.setdefault(reason, []).append(name)
    ledger = Ledger()
    for reason, names in reasons.items():
        ledger = ledger.noted(Omission.IMAGE_LEFT_OUT, str(folder), reason, *names)
    return ledger


def _matches(parts: Sequence[str], pattern: str) -> bool:
    *folders, name = pattern.split("/")
    if folders == ["**"]:
        return fnmatch.fnmatchcase(parts[-1], name)
    return len(parts) == len(folders) + 1 and all(map(fnmatch.fnmatchcase, parts, (*folders, name)))


def subfolders(folder: Path, what: str) -> list[Path]:
    """Folders inside in natural order, hidden ones left out. Raises DataError where there are none."""
    paths = [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
    paths = [path for path in paths if not path.name.startswith(".")]
    if not paths:
        raise DataError(f"no {what} in {folder}; check the root and the split")
    return sorted(paths, key=natural)


def check_stems(paths: Iterable[Path], folder: Path) -> None:
    """Raises DataError where two images of a folder would share a label file because only their suffixes differ."""
    earlier: dict[Path, Path] = {}
    for path in paths:
        other = earlier.setdefault(path.with_suffix(""), path)
        if other != path:
            raise DataError(
                f"{folder} has {other.relative_to(folder)} and {path.relative_to(folder)}, which would share one "
                "label; rename or remove one of them"
            )


def as_written(path: Path) -> Path:
    """The file, with the suffix in capitals where only that one exists: cameras and Windows write .PNG and .TXT."""
    capitals = path.with_suffix(path.suffix.upper())
    return capitals if os.path.exists(capitals) and not os.path.exists(path) else path
