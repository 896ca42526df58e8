"""File names that others wrote: joined to a folder, never out of it."""

import os
import re
from pathlib import Path

from hydranet.core.checks.names import shown
from hydranet.core.errors import UserError

LONGEST_PART, LONGEST = 255, 1024
"""Bytes of one part of a name and of a whole one; more, no usual file system takes."""


class OutsideFolder(UserError, ValueError):
    """A file name that leads out of its folder, or that is none."""


def inside(folder: Path | str, name: str, *, follow_links: bool = False) -> Path:
    """The path of `name` below `folder`, for names from files of others: annotations, manifests, caches, checkpoints.

    name:         relative, with "/" between its parts, such as "train/0001.png".
    follow_links: whether a link inside the folder may lead elsewhere. Right for reading a folder that the user chose,
                  where data sets are often linked together; wrong for writing.
    Raises OutsideFolder for a name that is empty, absolute, too long, has "..", a backslash, a drive or a character
    that cannot be printed, and for a link out of the folder.
    """
    reason = _wrong(name)
    path = Path(folder) / name if reason is None else Path(folder)
    if reason is None and not follow_links and not _below(path, Path(folder)):
        reason = "is a link that leads out of it"
    if reason is not None:
        raise OutsideFolder(
            f"got file name {shown(name)} {reason}, expected a relative path inside {folder}; correct the file it is "
            "from, or leave it out"
        )
    return path


def _wrong(name: object) -> str | None:
    """Why a name is none, from its letters alone."""
    if not isinstance(name, str) or not name.strip():
        return "that is empty or no text"
    if not name.isprintable():
        return "with characters that cannot be printed"
    if "\\" in name or re.match(r"[A-Za-z]:", name):
        return "with a backslash or a drive"
    parts = name.split("/")
    if name.startswith(("/", "~")):
        return "that is absolute"
    if ".." in parts:
        return "with '..' in it"
    if name.endswith("/") or all(part in ("", ".") for part in parts):
        return "that names a folder"
    long = len(os.fsencode(name)) > LONGEST or any(len(os.fsencode(part)) > LONGEST_PART for part in parts)
    return "that is too long" if long else None


def _below(path: Path, folder: Path) -> bool:
    """Whether a path is in a folder once all links are followed, for files that do not exist yet, too."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
