"""Numbers that mean something: ranges of options, checked where a user's value enters."""

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from hydranet.core.errors import SpecError

LARGEST = 2**53
"""Whole numbers above this are no count of anything, and not exact in other programs that read JSON."""


def check_range(what: str, value: float, low: float, high: float = math.inf, *, above: bool = False) -> None:
    """Raises SpecError for a number that is not from `low` to `high` (above: greater than `low`), such as NaN."""
    if not (low < value if above else low <= value) or not value <= high or not math.isfinite(value):
        least = f"above {low:g}" if above else f"from {low:g}"
        raise SpecError(f"got {what}={value}, expected a number {least}{f' to {high:g}' if high < math.inf else ''}")


def check_numbers(value: Any, where: str = "") -> None:
    """Raises SpecError, with the key, for NaN, infinity and endless numbers anywhere in a dataclass or table.

    Walks dataclasses, tables and lists; other values are left alone.
    """
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, int | float):
        if not math.isfinite(value) or (isinstance(value, int) and abs(value) > LARGEST):
            raise SpecError(f"got {where or 'value'}={_short(value)}, expected a finite number of a usual size")
        return
    for key, inner in _entries(value):
        check_numbers(inner, f"{where}.{key}" if where else str(key))


def _entries(value: Any) -> list[tuple[object, Any]]:
    if is_dataclass(value) and not isinstance(value, type):
        return [(one.name, getattr(value, one.name)) for one in fields(value) if one.init]
    if isinstance(value, Mapping):
        return list(value.items())
    return list(enumerate(value)) if isinstance(value, list | tuple) else []


def _short(value: float) -> str:
    return f"a whole number of {value.bit_length()} bits" if isinstance(value, int) else str(value)
