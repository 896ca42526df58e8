"""Names of tasks, sources, recipes, heads and stages: words that are safe in code, in paths and in markup.

They become attributes of modules (torch.fx writes those into the source text that it runs), folders, files, columns
and keys. So they are plain words wherever they enter: in a recipe, a checkpoint's header, a manifest, a network.
"""

import re
from collections.abc import Iterable

from hydranet.core.errors import SpecError

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*", re.ASCII)
LONGEST = 100
SHOWN = 60


def is_name(value: object) -> bool:
    """Whether a value is a plain word: a letter, then letters, digits, - and _, at most 100 characters in all."""
    return isinstance(value, str) and len(value) <= LONGEST and NAME.fullmatch(value) is not None


def check_name(value: object, what: str) -> None:
    """Raises SpecError where a value is no plain word. what: whose name it is, such as "task"."""
    if not is_name(value):
        raise SpecError(
            f"got {what} named {shown(value)}, expected a letter, then letters, digits, - and _ "
            f"({LONGEST} at most); rename it"
        )


def check_names(values: Iterable[object], what: str) -> None:
    """`check_name` for each of several values."""
    for value in values:
        check_name(value, what)


def listed_names(text: str, what: str) -> tuple[str, ...]:
    """The names in a text such as "lanes, cars"; none in an empty one.

    what: where it was given, such as "--heads". Raises SpecError for a text that holds commas or spaces alone, which
    would otherwise mean all.
    """
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if text and not names:
        raise SpecError(f"got {what} {shown(text)}, expected names such as lanes,cars; leave it out for the usual ones")
    return names


def check_classes(names: Iterable[object], whose: str) -> None:
    """Raises SpecError where names of classes are no text of one line, or not all different.

    They may be any words; what writes them into markup or a table escapes them there.
    """
    known: set[object] = set()
    for name in names:
        if not isinstance(name, str) or not name.strip() or not name.isprintable() or len(name) > LONGEST:
            raise SpecError(
                f"{whose} got a class named {shown(name)}, expected text of one line, {LONGEST} characters at most; "
                "rename it"
            )
        if name in known:
            raise SpecError(f"{whose} got two classes named {name!r}, expected every name once; rename one")
        known.add(name)


def shown(value: object) -> str:
    """A foreign value for a message: escaped, on one line, at most 60 characters."""
    text = ascii(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."
