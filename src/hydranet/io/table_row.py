"""One row of a table: what stands in its cells, as a word, a number or a list of numbers."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hydranet.core.sample import DataError
from hydranet.io.box_rows import is_number, quoted

EMPTY = ("", "none", "null", "nan", "na", "n/a")
"""Words that stand in a cell where nobody knows."""

LARGEST = 1e9
"""A number beyond is no label."""


@dataclass(frozen=True)
class Row:
    """One row of a table. where: file and line, for messages."""

    where: str
    cells: Mapping[str, Any]

    def cell(self, column: str) -> Any:
        """What stands in a column; None for an empty cell. Raises DataError where the row has no such column."""
        if column not in self.cells:
            raise DataError(
                f"{self.where}: no column {quoted(column)}, only {', '.join(map(quoted, list(self.cells)[:8]))}; "
                "correct it"
            )
        value = self.cells[column]
        return None if value is None or (isinstance(value, str) and value.strip().lower() in EMPTY) else value

    def number(self, column: str) -> float | None:
        """A finite number, or None for an empty cell. Raises DataError for anything else."""
        value = self.cell(column)
        if value is None:
            return None
        number = _number(value)
        if number is None:
            raise DataError(f"{self.where}: {quoted(column)} is {quoted(value)}, expected a number; correct it")
        return number

    def numbers(self, column: str) -> list[float] | None:
        """A list of numbers: JSON, or numbers with spaces, commas or semicolons between. None for an empty cell."""
        value = self.cell(column)
        if value is None:
            return None
        flat = _flat(value)
        if flat is None:
            raise DataError(
                f"{self.where}: {quoted(column)} is {quoted(value)}, expected a list of numbers; correct it"
            )
        return flat


def _number(value: Any) -> float | None:
    if isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            return None
    else:
        number = float(value) if is_number(value) else math.nan
    return number if abs(number) <= LARGEST else None


def _flat(value: Any) -> list[float] | None:
    """Numbers of a list, one level of lists inside included."""
    if isinstance(value, str):
        if value.strip().startswith("["):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                return None
        else:
            value = [word for word in re.split(r"[\s,;]+", value.strip()) if word]
    if not isinstance(value, list):
        return None
    cells = [inner for one in value for inner in (one if isinstance(one, list) else [one])]
    numbers = [_number(cell) for cell in cells]
    return [number for number in numbers if number is not None] if None not in numbers else None
