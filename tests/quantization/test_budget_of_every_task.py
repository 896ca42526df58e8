"""Each metric of each task of the package has a direction that its own arithmetic confirms, and a default budget."""

from functools import cache

import numpy as np
import pytest

from hydranet.annotations import Annotation
from hydranet.core.task import merge
from hydranet.datasets.scenes.dataset import Scenes
from hydranet.quantization.budget import ALLOWED, DIRECTIONS, limits
from scene_tasks import scene_tasks

SIZE = (96, 160)
SETTINGS = {"ods_threshold"}
"""Numbers among the scores that are no score: no budget is accepted for them."""

FITTING = scene_tasks(SIZE)


@cache
def scores(name: str) -> tuple[dict[str, float], dict[str, float]]:
    """Of answers that are the labels themselves, and of answers that are those of the next image."""
    task, label = FITTING[name]
    scenes = Scenes(count=3, size=SIZE, seed=1, labels=(label,))
    labels: list[Annotation] = [scenes[i].labels[label] for i in range(3)]
    right = task.score(merge([task.measure(one, one) for one in labels]))
    wrong = task.score(merge([task.measure(a, b) for a, b in zip(labels, [*labels[1:], labels[0]], strict=True)]))
    return right, wrong


@pytest.mark.parametrize("name", FITTING)
def test_directions_are_those_of_the_arithmetic(name: str) -> None:
    right, wrong = scores(name)
    for metric in set(right) - SETTINGS:
        base = metric.partition("/")[0]
        assert base in DIRECTIONS, f"{name}.{metric}: add it to DIRECTIONS"
        if np.isfinite(right[metric]) and np.isfinite(wrong[metric]):
            gain = right[metric] - wrong[metric]
            assert gain >= 0 if DIRECTIONS[base] == "higher" else gain <= 0, metric


@pytest.mark.parametrize("name", FITTING)
def test_the_default_budget_is_small_and_of_the_headline(name: str) -> None:
    task, _ = FITTING[name]
    right, wrong = scores(name)
    headline, better = task.headline
    assert DIRECTIONS[headline] == better
    assert right[headline] != wrong[headline]
    budget = limits([task], {f"scenes {task.name} {metric}": value for metric, value in wrong.items()})
    assert budget
    for limit in budget:
        assert limit.metric in (headline, *ALLOWED)
        assert limit.better == DIRECTIONS[limit.metric]
        assert 0.005 <= limit.allowed <= (0.01 if limit.better == "higher" else 0.02)
