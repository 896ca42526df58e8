"""Boxes as label files state them, checked one by one, so that a bad one is named by file and line."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hydranet.annotations import Boxes
from hydranet.core.sample import DataError


@dataclass(frozen=True)
class BoxRow:
    """One box of a label file.

    where:  file and line, or file and number of the object; for messages.
    xyxy:   left top right bottom in pixels, measured from the image's corner.
    label:  class index; -1 for an ignored region that may hold any class.
    ignore: neither object nor background.
    """

    where: str
    xyxy: tuple[float, float, float, float]
    label: int
    ignore: bool = False


def boxes_of(rows: Sequence[BoxRow], size: tuple[int, int]) -> Boxes:
    """The rows, in their order, as float32 n 4, int64 n, bool n; clipped to an image of `size` (height, width).

    Raises DataError, naming the row, for a number that is not finite, a box without area and a box outside the
    image.
    """
    return Boxes(
        xyxy=np.array([_inside(row, size) for row in rows], dtype=np.float32).reshape(-1, 4),
        label=np.array([row.label for row in rows], dtype=np.int64),
        ignore=np.array([row.ignore for row in rows], dtype=bool),
    )


def _inside(row: BoxRow, size: tuple[int, int]) -> tuple[float, float, float, float]:
    left, top, right, bottom = row.xyxy
    height, width = size
    if not all(map(math.isfinite, row.xyxy)):
        raise DataError(f"{row.where}: box {_text(row)} has a number that is not finite; correct or remove it")
    if right <= left or bottom <= top:
        raise DataError(f"{row.where}: box {_text(row)} has no area, expected left < right, top < bottom; correct it")
    if right <= 0 or bottom <= 0 or left >= width or top >= height:
        raise DataError(f"{row.where}: box {_text(row)} is outside its image of {width}x{height}; remove it")
    return max(left, 0.0), max(top, 0.0), min(right, float(width)), min(bottom, float(height))


def objects(values: Any, fields: Mapping[str, Any], where: str) -> list[dict[str, Any]]:
    """A list of JSON objects that have these fields. Raises DataError, naming the first that is something else."""
    if not isinstance(values, list):
        raise DataError(f"{where} is a {type(values).__name__}, expected a list of objects; restore the file")
    for i, value in enumerate(values, start=1):
        if not isinstance(value, dict) or not all(isinstance(value.get(name), kind) for name, kind in fields.items()):
            wanted = " with " + ", ".join(fields) if fields else ""
            raise DataError(f"{where}, number {i}: got {str(value)[:60]!r}, expected an object{wanted}; correct it")
    return values


def _text(row: BoxRow) -> str:
    return f"({', '.join(f'{value:g}' for value in row.xyxy)})"


def numbers(words: Sequence[str], where: str) -> list[float]:
    """Words as numbers. Raises DataError naming the place and the word."""
    try:
        return [float(word) for word in words]
    except ValueError as error:
        raise DataError(f"{where}: {error}; expected a number") from error


def once(values: Sequence[Any], what: str, where: str) -> None:
    """Raises DataError where a value that must be unique occurs twice."""
    earlier: set[Any] = set()
    for value in values:
        if value in earlier:
            raise DataError(f"{where}: {what} {value!r} occurs more than once, expected each once; remove one")
        earlier.add(value)
