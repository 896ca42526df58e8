"""Whether a value out of a file or a command line is of the type that a field states."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import fields
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from hydranet.core.checks.names import shown
from hydranet.core.errors import SpecError


class OfClass:
    """What stands for a class that is made later (`core.spec.Part`)."""

    cls: type


def check_fields(value: Any) -> None:
    """Raises SpecError for a field of a dataclass whose value is clearly of another type; for values out of files."""
    for one in fields(value):
        given = getattr(value, one.name)
        if not fits(given, one.type):
            raise SpecError(f"got {one.name}={shown(given)} for {type(value).__name__}, expected {describe(one.type)}")


def fits(value: Any, wanted: Any) -> bool:
    """Whether a value may stand where a type is wanted: numbers, text, choices, classes, parts of a class, and tuples,
    mappings and unions of them. Where a type is not known, the answer is yes.
    """
    origin, inner = get_origin(wanted), get_args(wanted)
    if wanted is Any:
        return True
    if wanted in (int, float):
        return isinstance(value, int if wanted is int else int | float) and not isinstance(value, bool)
    if origin is Literal:
        return any(type(value) is type(one) and value == one for one in inner)
    if origin in (Union, UnionType):
        return any(fits(value, one) for one in inner)
    if origin is tuple:
        return isinstance(value, tuple | list) and _each_fits(value, inner)
    if isinstance(origin, type) and issubclass(origin, OfClass):
        return isinstance(value, OfClass) and _is_kind_of(value.cls, inner[0])
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return isinstance(value, Mapping) and all(fits(k, inner[0]) and fits(v, inner[1]) for k, v in value.items())
    plain = isinstance(wanted, type) and origin is None and wanted is not inspect.Parameter.empty
    return not plain or isinstance(value, wanted)


def _each_fits(values: Sequence[Any], wanted: tuple[Any, ...]) -> bool:
    every = wanted[:1] * len(values) if wanted and wanted[-1] is ... else wanted
    return len(every) == len(values) and all(map(fits, values, every))


def _is_kind_of(cls: type, wanted: Any) -> bool:
    kinds = get_args(wanted) or (wanted,)
    return any(not isinstance(kind, type) or issubclass(cls, kind) for kind in kinds)


def describe(wanted: Any) -> str:
    """A type in words, for a message."""
    origin, inner = get_origin(wanted), get_args(wanted)
    if isinstance(origin, type) and issubclass(origin, OfClass):
        return f"a part that is a kind of {describe(inner[0])}"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"a table of {describe(inner[0])} to {describe(inner[1])}"
    if origin is tuple:
        return str(wanted) if not any(isinstance(one, type) for one in inner) else _describe_tuple(inner)
    if not inner:
        return wanted.__name__ if isinstance(wanted, type) else str(wanted)
    words = [str(one) if origin is Literal else describe(one) for one in inner]
    return " or ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]


def _describe_tuple(inner: tuple[Any, ...]) -> str:
    names = [describe(one) for one in inner if one is not ...]
    return f"a list of {names[0]}" if ... in inner else f"[{', '.join(names)}]"
