"""A table that names images, recognized."""

from collections.abc import Iterator

from hydranet.data.recognition.folder import Answers, Folder, Recognized
from hydranet.data.table_columns import columns_of, table_of


def recognized(folder: Folder, answers: Answers) -> Iterator[Recognized]:
    """A table that names images."""
    for path in folder.of(".csv", ".tsv", ".jsonl"):
        answers.used.update(f"--column {column}=" for column in columns_of(path))
        if recognized := table_of(path, folder, answers.columns):
            dataset, why = recognized
            yield Recognized(folder.name, dataset, why)
