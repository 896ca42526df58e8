"""A table that names images, recognized."""

from collections.abc import Iterator

from hydranet.data.recognition.folder import Answers, Folder, Recognized
from hydranet.data.table_columns import table_of


def recognized(folder: Folder, answers: Answers) -> Iterator[Recognized]:
    """A table that names images."""
    for path in folder.of(".csv", ".tsv", ".jsonl"):
        if recognized := table_of(path, folder, answers.columns):
            dataset, why = recognized
            yield Recognized(folder.name, dataset, why)
