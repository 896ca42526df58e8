"""The rows of a text with separators, each with the line where it begins."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from hydranet.core.sample import DataError

MOST_CELL = 10_000_000
"""Letters of a cell, at most: a quote that nobody closed makes one cell of the rest of a file."""


def csv_rows(text: str, path: Path, between: str, *, skip_spaces: bool = False) -> Iterator[tuple[int, list[str]]]:
    """The rows of a text without empty lines, each with the number of its first line, from 1; cells in quotes may hold
    ends of lines.

    path: of the file, for messages.    between: the separator.    skip_spaces: those after a separator do not count.
    Raises DataError for what is no table.
    """
    csv.field_size_limit(MOST_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=between, skipinitialspace=skip_spaces)
    first = 1
    try:
        for cells in reader:
            if len(cells) > 1 or any(cell.strip() for cell in cells):
                yield first, cells
            first = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{path}:{max(reader.line_num, 1)}: {error}; correct it") from error
