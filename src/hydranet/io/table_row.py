"""One row of a table: what stands in its cells, as a word, a number or a list of numbers."""

import json
import math
import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydranet.core.sample import DataError
from hydranet.io.box_rows import is_number, number_of, quoted

EMPTY = ("", "none", "null", "nan", "na", "n/a")
"""Words that stand in a cell where nobody knows, unless they name something there."""

DECIMAL_COMMA = re.compile(r"[-+]?\d*,\d+([eE][-+]?\d+)?", re.ASCII)
"""12,5 as half of Europe writes 12.5."""

LARGEST = 1e9
"""A number beyond is no label."""


@dataclass(frozen=True)
class Row:
    """One row of a table.

    where:  file and line, for messages.
    commas: whether 12,5 is a number: spreadsheets that write it so put semicolons between cells. Lists of numbers have
            commas between.
    """

    where: str
    cells: Mapping[str, Any]
    commas: bool = False

    def cell(self, column: str, names: Container[str] = ()) -> Any:
        """What stands in a column; None for an empty cell. Raises DataError where the row has no such column.

        names: what a word may name there; a class called "none" is a class.
        """
        if column not in self.cells:
            raise DataError(
                f"{self.where}: no column {quoted(column)}, only {', '.join(map(quoted, list(self.cells)[:8]))}; "
                "correct it"
            )
        value = self.cells[column]
        return None if isinstance(value, str) and is_empty(value) and value.strip() not in names else value

    def number(self, column: str) -> float | None:
        """A finite number, or None for an empty cell. Raises DataError for anything else."""
        value = self.cell(column)
        if value is None:
            return None
        number = _number(self.with_point(value))
        if number is None:
            raise DataError(f"{self.where}: {quoted(column)} is {quoted(value)}, expected a number; correct it")
        return number

    def with_point(self, value: Any) -> Any:
        """A cell, 12,5 as 12.5 where it is a number."""
        if self.commas and isinstance(value, str) and DECIMAL_COMMA.fullmatch(value.strip()):
            return value.replace(",", ".")
        return value

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


def is_empty(word: str) -> bool:
    """Whether a word stands for nothing."""
    return word.strip().lower() in EMPTY


def class_in(row: Row, column: str, names: Sequence[str], what: str) -> int | None:
    """The id of the class in a cell: a name, or where no name is a number, an id. None for an empty cell.

    Raises DataError for anything else.    what: who has the names, for messages.
    """
    value = row.cell(column, names)
    if value is None:
        return None
    word = word_of(value)
    if word in names:
        return names.index(word)
    numeral = any(map(_is_numeral, names))
    if not numeral and word.isascii() and word.isdecimal() and len(word) < 10 and int(word) < len(names):
        return int(word)
    why = " (ids do not count where a name is a number)" if numeral else ""
    raise DataError(
        f"{row.where}: {quoted(column)} is {quoted(value)}, expected one of {', '.join(names)[:150]}{why}; correct it "
        f"or the names of {what}"
    )


def word_of(value: Any) -> str:
    """A cell as a word: 3 and 3.0 are "3". Empty for what is none."""
    if isinstance(value, str):
        return value.strip()
    if not is_number(value):
        return ""
    return str(int(value)) if value == int(value) else str(value)


def _is_numeral(word: str) -> bool:
    try:
        return math.isfinite(number_of(word.strip()))
    except ValueError:
        return False


def _number(value: Any) -> float | None:
    if isinstance(value, str):
        try:
            number = number_of(value.strip())
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
