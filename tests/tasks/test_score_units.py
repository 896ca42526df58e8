"""Which scores have a unit, and that they are scores of their task."""

import pytest

from export_toys import every_task
from hydranet.core.task import Task
from hydranet.quantization.budget import DIRECTIONS
from hydranet.tasks.depth.task import Depth
from hydranet.tasks.normals.task import Normals
from hydranet.tasks.regression.task import Regression


@pytest.mark.parametrize("task", every_task(), ids=lambda task: task.name)
def test_only_scores_have_units(task: Task) -> None:
    assert set(task.score_units) <= set(DIRECTIONS)


def test_meters_degrees_and_the_unit_of_a_number() -> None:
    assert Depth("depth").score_units == {"sq_rel": "m", "rmse": "m"}
    assert Normals("normals").score_units == {"mean_deg": "°", "median_deg": "°"}
    assert Regression("age", unit="years").score_units == {"mae": "years", "mse": "years²"}
    assert Regression("age").score_units == {}
