"""How far a difference of scores depends on which images were measured: the paired bootstrap over images.

Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 6: images are drawn with replacement, as many as
there are, and both networks are scored on the same draw.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from hydranet.core.task import Stats, Task, merge

DRAWS = 50
"""Draws; the spread that they give is known to a tenth (1 / sqrt(2 x 50)), which is enough to say "cannot tell"."""
WIDTH = 1.645
"""Standard deviations to each side that hold 90 % of a normal distribution."""


def paired(task: Task, first: Sequence[Stats], other: Sequence[Stats]) -> Mapping[str, list[tuple[float, float]]]:
    """Metric -> (score of the first, score of the other) in each draw of images; seeded.

    first, other: statistics of each image, in the same order (`Task.measure`).
    """
    draws = np.random.default_rng(0).integers(0, len(first), (DRAWS, len(first)))
    pairs: dict[str, list[tuple[float, float]]] = {}
    for draw in draws:
        mine, theirs = (task.score(merge(stats[i] for i in draw)) for stats in (first, other))
        for metric, value in mine.items():
            pairs.setdefault(metric, []).append((value, theirs[metric]))
    return pairs


def spread(values: Sequence[float]) -> float:
    """Half the width of the interval that holds 90 % of such values; 0 for fewer than two numbers."""
    finite = [value for value in values if np.isfinite(value)]
    return WIDTH * float(np.std(finite, ddof=1)) if len(finite) > 1 else 0.0
