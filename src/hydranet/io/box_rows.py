"""Boxes as label files state them, checked one by one, so that a bad one is named by file and line."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np

from hydranet.annotations import Boxes
from hydranet.core.ledger import Ledger, Omission
from hydranet.core.sample import DataError

OnError = Literal["refuse", "skip"]
"""What to do with a label that means nothing: a DataError, or leave it out and count it."""

GREATEST = float(np.finfo(np.float32).max)
"""Beyond it a number of a file is none in the arrays that it goes into."""

EMPTY_BOX = "a box without width or height"

T = TypeVar("T")


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


def read_rows(
    items: Iterable[T], parse: Callable[[T], BoxRow], file: str, on_error: OnError
) -> tuple[list[BoxRow], Ledger]:
    """The rows of a label file that can be used, and what was left out.

    A box without width or height is left out and counted: annotators' tools write them, and they hold no object. Sides
    are compared as float32, as they are kept: a box that is thinner than its step has no width, either.
    Raises DataError for a row that cannot be parsed or whose box means nothing; with "skip" it is counted, too.
    """
    rows, ledger = [], Ledger()
    for item in items:
        try:
            row = parse(item)
            if _is_empty(row):
                ledger = ledger.noted(Omission.LABEL_IGNORED, file, EMPTY_BOX, row.where)
                continue
            check_row(row)
        except DataError as error:
            if on_error == "refuse":
                raise
            ledger = ledger.noted(Omission.LABEL_IGNORED, file, "a row that means nothing", str(error)[:160])
            continue
        rows.append(row)
    return rows, ledger


def _rounded(row: BoxRow) -> tuple[float, float, float, float]:
    """The sides as they are kept, in float32."""
    with np.errstate(over="ignore"):
        left, top, right, bottom = np.array(row.xyxy, np.float32).tolist()
    return left, top, right, bottom


def _is_empty(row: BoxRow) -> bool:
    left, top, right, bottom = sides = _rounded(row)
    return all(map(math.isfinite, sides)) and right >= left and bottom >= top and (right == left or bottom == top)


def check_row(row: BoxRow, size: tuple[int, int] | None = None) -> None:
    """Raises DataError for a number that is not finite, a box without area, one outside an image of (height, width)."""
    left, top, right, bottom = sides = _rounded(row)
    if not all(map(math.isfinite, sides)):
        raise DataError(f"{row.where}: box {_text(row)} has a number that is not finite; correct or remove it")
    if right <= left or bottom <= top:
        raise DataError(f"{row.where}: box {_text(row)} has no area, expected left < right, top < bottom; correct it")
    if size is not None and (right <= 0 or bottom <= 0 or left >= size[1] or top >= size[0]):
        raise DataError(f"{row.where}: box {_text(row)} is outside its image of {size[1]}x{size[0]}; remove it")


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


def boxes_inside(rows: Sequence[BoxRow], size: tuple[int, int], file: str, on_error: OnError) -> tuple[Boxes, Ledger]:
    """`boxes_of` for the rows inside an image of `size` (height, width), and what was left out of `file`.

    Raises DataError naming the first row outside; with "skip" it is counted.
    """
    kept, ledger = visible(rows, size, file, on_error)
    return boxes_of(kept, size), ledger


def visible(rows: Sequence[BoxRow], size: tuple[int, int], file: str, on_error: OnError) -> tuple[list[BoxRow], Ledger]:
    """The rows inside an image of `size` (height, width), and what was left out of `file`.

    Rows that became empty in pixels are left out, as `read_rows` does. With "refuse" rows outside are among the others,
    so that `boxes_of` names one.
    """
    kept, ledger = [], Ledger()
    for row in rows:
        if _is_empty(row):
            ledger = ledger.noted(Omission.LABEL_IGNORED, file, EMPTY_BOX, row.where)
        elif on_error == "skip" and _is_outside(row, size):
            ledger = ledger.noted(Omission.LABEL_IGNORED, file, "a box outside its image", row.where)
        else:
            kept.append(row)
    return kept, ledger


def _is_outside(row: BoxRow, size: tuple[int, int]) -> bool:
    try:
        check_row(row, size)
    except DataError:
        return True
    return False


def _inside(row: BoxRow, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """The sides clipped to the image: in float32, where what is not outside keeps an area."""
    check_row(row, size)
    left, top, right, bottom = _rounded(row)
    height, width = size
    return max(left, 0.0), max(top, 0.0), min(right, float(width)), min(bottom, float(height))


def objects(values: Any, fields: Mapping[str, Any], where: str) -> list[dict[str, Any]]:
    """A list of JSON objects that have these fields. Raises DataError, naming the first that is something else."""
    if not isinstance(values, list):
        raise DataError(f"{where} is a {type(values).__name__}, expected a list of objects; restore the file")
    for i, value in enumerate(values, start=1):
        if not isinstance(value, dict) or not all(isinstance(value.get(name), kind) for name, kind in fields.items()):
            wanted = " with " + ", ".join(fields) if fields else ""
            raise DataError(f"{where}, number {i}: got {quoted(value)}, expected an object{wanted}; correct it")
    return values


def quoted(value: Any) -> str:
    """A value of a label file, for a message: one line, at most 60 letters, whatever it is."""
    try:
        text = repr(value)
    except (RecursionError, ValueError):
        text = f"a deep {type(value).__name__}"
    text = text.encode("ascii", "backslashreplace").decode()
    return text if len(text) <= 60 else text[:57] + "..."


def _text(row: BoxRow) -> str:
    return f"({', '.join(f'{value:g}' for value in row.xyxy)})"


def numbers(words: Sequence[str], where: str) -> list[float]:
    """Words as numbers. Raises DataError naming the place and the word, also one that is beyond 32 bits."""
    values = []
    for word in words:
        try:
            value = number_of(word)
        except ValueError as error:
            raise DataError(f"{where}: got {quoted(word)}; expected a number; correct it") from error
        if GREATEST < abs(value) < math.inf:
            raise DataError(f"{where}: got {quoted(word)}; expected a number that fits into 32 bits; correct it")
        values.append(value)
    return values


def number_of(word: str) -> float:
    """A word as a number, NaN and infinity included. Raises ValueError.

    Also for 1_000 and for digits that are not 0 to 9, which Python would read: a label file means something else.
    """
    if "_" in word or not word.isascii():
        raise ValueError(f"got {quoted(word)}, expected a number in digits 0 to 9")
    return float(word)


def json_numbers(values: Any, count: int, where: str) -> list[float]:
    """A list of `count` finite JSON numbers. Raises DataError naming the place and what is there instead."""
    if not isinstance(values, list) or len(values) != count or not all(map(is_number, values)):
        raise DataError(f"{where} {quoted(values)}, expected {count} finite numbers; correct it")
    return [float(value) for value in values]


def is_number(value: Any) -> bool:
    """Whether a JSON value is a finite number that stays one in 32 bits; True and False are none."""
    return not isinstance(value, bool) and isinstance(value, int | float) and -GREATEST <= value <= GREATEST


def is_whole_number(word: str) -> bool:
    """Whether a word is a whole number of at most 18 digits: it fits into 64 bits."""
    digits = word.removeprefix("-")
    return digits.isascii() and digits.isdecimal() and len(digits) <= 18


def once(values: Sequence[Any], what: str, where: str) -> None:
    """Raises DataError where a value that must be unique occurs twice."""
    earlier: set[Any] = set()
    for value in values:
        if value in earlier:
            raise DataError(f"{where}: {what} {quoted(value)} occurs more than once, expected each once; remove one")
        earlier.add(value)
