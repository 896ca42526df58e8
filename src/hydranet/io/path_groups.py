"""What belongs together by its path: the frames of a clip, the images of a person, of a track."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.io.box_rows import quoted


def pattern_of(text: str) -> re.Pattern[str]:
    """A pattern of paths as a regular expression: {name} is what names the group, * is anything.

    "{clip}/*" groups by the first folder, "*p{person}_*" by what stands between p and _. Raises SpecError without {}.
    """
    parts = re.split(r"(\{[A-Za-z_]*\}|\*)", text)
    if not any(part.startswith("{") for part in parts):
        raise SpecError(
            f"got group={text!r}, expected a pattern with what names a group in braces, such as '{{clip}}/*'"
        )
    return re.compile("".join(".*" if p == "*" else "([^/]+?)" if p.startswith("{") else re.escape(p) for p in parts))


def path_groups(keys: Sequence[str], pattern: str) -> list[str]:
    """The name of the group of every path. Raises DataError for a path that does not match."""
    compiled, names = pattern_of(pattern), []
    for key in keys:
        match = compiled.fullmatch(key)
        if match is None:
            raise DataError(f"got image {quoted(key)}, expected a path like group={pattern!r}; correct the pattern")
        names.append("/".join(match.groups()))
    return names


def own_names(paths: Sequence[str]) -> list[str]:
    """What tells images apart: their paths without suffixes, and without the folders that all have at one place."""
    rows = [PurePosixPath(path).with_suffix("").parts for path in paths]
    deepest = max(map(len, rows), default=0)
    here = [{row[place] if place < len(row) else "" for row in rows} for place in range(deepest)]
    return ["/".join(part for place, part in enumerate(row) if len(here[place]) > 1) or row[-1] for row in rows]
