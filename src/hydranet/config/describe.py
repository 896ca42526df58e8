"""Every field of a recipe, with its value, its default and what it means: read from signatures and docstrings."""

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from typing import Any

from hydranet.core.spec import Part, StandIn

_ENTRY = re.compile(r"(?:^|(?<=\s{4}))([a-z_]\w*(?:, [a-z_]\w*)*):\s+")
NEEDED = "needed"


@dataclass(frozen=True)
class Described:
    """One field. key: as overrides name it.    default: "needed" where there is none.    changed: other than it."""

    key: str
    value: str
    default: str
    meaning: str
    changed: bool


def describe(value: Any, key: str = "") -> Iterator[Described]:
    """The fields of a recipe or of a part of one, from the outside in."""
    if isinstance(value, Part):
        yield from _options(value.cls, value.options, key)
    elif is_dataclass(value) and not isinstance(value, type | StandIn):
        stated = {field.name: getattr(value, field.name) for field in fields(value) if field.init}
        yield from _options(type(value), stated, key)


def _options(cls: type, stated: Mapping[str, Any], key: str) -> Iterator[Described]:
    meanings, defaults = meanings_of(cls), _defaults(cls)
    for name, default in defaults.items():
        value = stated.get(name, default)
        path = f"{key}.{name}" if key else name
        shown, usual = _shown(value), NEEDED if default is inspect.Parameter.empty else _shown(default)
        yield Described(path, shown, usual, meanings.get(name, ""), usual not in (shown, NEEDED))
        several = isinstance(value, list | tuple)
        for i, item in enumerate(value if several else [value]):
            yield from describe(item, f"{path}.{getattr(item, 'name', i)}" if several else path)


def meanings_of(cls: type) -> dict[str, str]:
    """What a class says about its fields: lines "name: meaning" of its docstring and those of its bases."""
    meanings: dict[str, str] = {}
    for one in reversed(cls.__mro__):
        for text in (vars(one).get("__doc__"), getattr(vars(one).get("__init__"), "__doc__", None)):
            meanings |= _entries(inspect.cleandoc(text)) if text and one is not object else {}
    return meanings


def _entries(text: str) -> dict[str, str]:
    meanings: dict[str, str] = {}
    names: list[str] = []
    for line in text.splitlines():
        starts = list(_ENTRY.finditer(line))
        if not line.strip() or (not starts and not line.startswith(" ")):
            names = []
            continue
        for name in names:
            meanings[name] = f"{meanings[name]} {(line[: starts[0].start()] if starts else line).strip()}".strip()
        ends = [one.start() for one in starts[1:]] + [len(line)] * bool(starts)
        for start, end in zip(starts, ends, strict=True):
            names = start[1].split(", ")
            meanings |= dict.fromkeys(names, line[start.end() : end].strip())
    return meanings


def _defaults(cls: type) -> dict[str, Any]:
    """Options of a class and their defaults; `Parameter.empty` where one is needed."""
    if is_dataclass(cls):
        return {field.name: _default(field) for field in fields(cls) if field.init}
    parameters = inspect.signature(cls).parameters.values()
    named = [one for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
    return {one.name: one.default for one in named if one.default is not one.empty}  # others are handed over in code


def _default(field: "Field[Any]") -> Any:
    if field.default is not MISSING:
        return field.default
    return inspect.Parameter.empty if field.default_factory is MISSING else field.default_factory()


def _shown(value: Any) -> str:
    """A value in one line; parts and dataclasses, whose fields follow, by their class alone."""
    if isinstance(value, StandIn):
        return f"{value.tree.get('class', '?')} (not available here)"
    if isinstance(value, Part):
        return value.cls.__name__
    if isinstance(value, type):
        return value.__name__
    if is_dataclass(value):
        return type(value).__name__
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_shown, value))}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_shown(one)}" for name, one in value.items()) + "}"
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
