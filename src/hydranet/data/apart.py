"""Sources that share images: what one of them scores, none of them trains on."""

from collections.abc import Sequence

from hydranet.core.dataset import Dataset
from hydranet.datasets.unlike import Unlike

Parts = tuple[Dataset, Dataset]
"""What trains and what is scored."""


def apart(sources: Sequence[Parts]) -> list[Parts]:
    """The sources without training images that another one scores, under whatever name; those that share none as they
    are.

    Splits are drawn source by source. Where folders hold different images of one drive, look-alikes fall into other
    groups there, and an image that trains one task would score another.    Raises DataError where none is left.
    """
    return [
        (_without(train, [other for j, (_, other) in enumerate(sources) if j != i]), held_out)
        for i, (train, held_out) in enumerate(sources)
    ]


def _without(train: Dataset, scored: Sequence[Dataset]) -> Dataset:
    for other in scored:
        rest = Unlike(train, other)
        if len(rest) < len(train):
            train = rest
    return train
