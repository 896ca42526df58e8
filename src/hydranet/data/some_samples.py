"""Some samples of a data set that nobody described: enough that each of its labels is among them."""

from hydranet.core.dataset import Dataset
from hydranet.core.sample import DataError, Sample
from hydranet.data.first_look import MANY, spread
from hydranet.data.reader import read
from hydranet.datasets.table import Table
from hydranet.datasets.together import Together

LOOKED_AT = 24
"""Images that are opened for sizes, classes and ranges; up to MANY where none of these has one of the labels."""


def offered(dataset: Dataset) -> set[str]:
    """Names of the labels that a data set says it has; not every image has each."""
    if isinstance(dataset, Together):
        return {name for part in dataset.parts for name in offered(part)}
    return {*dataset.classes, *(dataset.labels if isinstance(dataset, Table) else ())}


def some_samples(dataset: Dataset, name: str) -> list[Sample]:
    """Some samples, evenly spread, and more of them while a label is in none; broken ones passed over.

    Raises DataError where none can be read.
    """
    if isinstance(dataset, Together):  # a part may label few of the images
        return [sample for part in dataset.parts for sample in some_samples(part, name)]
    samples, errors, lacking = list[Sample](), list[DataError](), offered(dataset)
    first = spread(len(dataset), LOOKED_AT)
    for count, index in enumerate(dict.fromkeys((*first, *spread(len(dataset), MANY)))):
        if count >= len(first) and not lacking:
            break
        try:
            samples.append(read(dataset, index, name))
            lacking -= samples[-1].labels.keys()
        except DataError as error:
            errors.append(error)
    if not samples:
        raise errors[0] if errors else DataError(f"source {name!r} has no images; check its folder")
    return samples
