"""A file that is not there, and who named it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hydranet.core.sample import DataError


class MissingFile(DataError):
    """A file of images or labels that is not there."""


@contextmanager
def named_by(table: Path) -> Iterator[None]:
    """Within it, an error about a file that is not there says which table or list names its image."""
    try:
        yield
    except MissingFile as error:
        sentence, _, cure = str(error).partition("; ")
        raise DataError(f"{sentence}, for an image that {table} names; {cure}, or correct that file") from error
