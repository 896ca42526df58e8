"""What training draws: the share of each source, which tasks it labels, and how often each class occurs."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hydranet.config.recipe import Recipe
from hydranet.data.first_look import spread
from hydranet.data.observed import class_counts
from hydranet.data.reader import Reader


@dataclass(frozen=True)
class SourceBalance:
    """One source, from some of its samples.

    share:   of the images that training draws, 0..1.    samples: how many it has.    looked_at: how many were read.
    labeled: by task, how many of those have a label.
    classes: by task with classes, pixels or objects of each class in the order of its classes, among those.
    """

    source: str
    share: float
    samples: int
    looked_at: int
    labeled: dict[str, int]
    classes: dict[str, tuple[int, ...]]


def balance(recipe: Recipe, limit: int) -> Iterator[SourceBalance]:
    """Reads up to `limit` samples of each training source, evenly spread. Raises DataError for a bad file."""
    weights = sum(source.weight for source in recipe.data)
    for source in recipe.data:
        reader = Reader(source, recipe.tasks)
        labeled = dict.fromkeys((task.name for task in recipe.tasks), 0)
        classes: dict[str, np.ndarray] = {}
        looked_at = 0
        for index in spread(len(reader), min(limit, len(reader))):
            sample, _ = reader.attempt(index)
            if sample is None:
                continue
            looked_at += 1
            for task in recipe.tasks:
                if task.name in sample.labels:
                    labeled[task.name] += 1
                    if task.classes:
                        counts = class_counts(sample.labels[task.name], len(task.classes))
                        classes[task.name] = classes.get(task.name, 0) + counts
        counted = {name: tuple(map(int, counts)) for name, counts in classes.items()}
        yield SourceBalance(source.name, source.weight / weights, len(reader), looked_at, labeled, counted)
