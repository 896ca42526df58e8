"""The split that a table beside a data set states: which images train, and which are for validation."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from hydranet.core.errors import UserError
from hydranet.core.sample import DataError
from hydranet.data.part_words import TRAIN, held_out, unused
from hydranet.data.recognition.folder import Recognized
from hydranet.data.table_columns import image_column, parts_in, split_column
from hydranet.datasets.table_part import TablePart
from hydranet.io.table_file import read_table


def split_by_table(
    part: Recognized, tables: Iterable[Path], images: Sequence[Path], root: Path, stated: Mapping[str, str]
) -> Recognized:
    """The data set with the split that a table beside it states for most of its images, or as it was.

    stated: {column: kind} of the user; a column that is called a tag, or is to be skipped, is no split.
    """
    for path in tables if part.validation is None else ():
        with suppress(DataError):
            rows = read_table(path)
            column, image = split_column(rows), image_column(rows, images)
            if column is not None and image is not None and column not in stated:
                return _split(part, path.relative_to(root).as_posix(), image, column, parts_in(rows, column))
    return part


def _split(part: Recognized, table: str, image: str, column: str, words: set[str]) -> Recognized:
    one, other = (
        TablePart(part.dataset, table, image, column, some)
        for some in (tuple(word for word in TRAIN if word in words), held_out(words))
    )
    with suppress(UserError):  # a table of other images
        if (len(one) + len(other)) * 2 > len(part.dataset):
            rest = f", {'/'.join(other.parts)} {len(other)}"
            rest += unused(words, len(part.dataset) - len(one) - len(other))
            why = f"{part.why}; {table} splits them by column {column!r}: {'/'.join(one.parts)} {len(one)}{rest}"
            return replace(part, dataset=one, validation=other, why=why)
    return part
