"""Images by every end of their paths, as lists name them."""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath


def by_ends(keys: Sequence[str]) -> dict[str, list[int]]:
    """Positions by every end of a path, with and without suffix."""
    ends: dict[str, list[int]] = {}
    for i, key in enumerate(keys):
        for whole in dict.fromkeys((key, PurePosixPath(key).with_suffix("").as_posix())):
            parts = whole.split("/")
            for start in range(len(parts)):
                ends.setdefault("/".join(parts[start:]), []).append(i)
    return ends


def ends_of(name: str, ends: Mapping[str, Sequence[int]]) -> Sequence[int]:
    """The positions of images whose path ends like a name, with or without its suffix."""
    plain = name.replace("\\", "/").removeprefix("./").strip("/") or "/"
    return ends.get(plain) or ends.get(PurePosixPath(plain).with_suffix("").as_posix()) or []
