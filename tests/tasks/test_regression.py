"""Regression: losses and scores against arithmetic by hand."""

import math

import numpy as np
import pytest
import torch

from hydranet.annotations import Quantity
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.core.task import merge
from hydranet.tasks.regression.task import Regression

AGE = Regression("age", unit="years", offset=30.0, scale=20.0)
RAW = torch.tensor([[0.5], [-1.0], [2.0]])  # 40, 10 and 70 years
LABEL = Quantity(torch.tensor([50.0, torch.nan, 20.0]), unit="years")  # normalized 1.0, unknown, -0.5


@pytest.mark.parametrize(("objective", "total"), [("l1", 0.5 + 2.5), ("mse", 0.25 + 6.25), ("smooth_l1", 0.125 + 2.0)])
def test_the_loss_is_that_of_normalized_numbers(objective: str, total: float) -> None:
    loss = Regression("age", unit="years", offset=30.0, scale=20.0, objective=objective).loss(RAW, LABEL)
    assert float(loss.total) == pytest.approx(total)
    assert float(loss.count) == 2


def test_answers_are_in_the_unit() -> None:
    answer = AGE.decode(RAW)
    assert answer.value.tolist() == [40.0, 10.0, 70.0]
    assert answer.unit == "years"


def test_scores_by_hand() -> None:
    def stats(prediction: float, label: float) -> dict[str, object]:
        return AGE.measure(Quantity(np.float32(prediction)), Quantity(np.float32(label)))

    scores = AGE.score(merge([stats(40, 45), stats(40, 30), stats(10, math.nan), stats(70, 69)]))
    assert scores["mae"] == pytest.approx(16 / 3)
    assert scores["mse"] == pytest.approx((25 + 100 + 1) / 3)
    assert scores["within_tolerance"] == pytest.approx(2 / 3), "an error of 5 is within 5"
    assert AGE.score(stats(math.nan, 3.0))["mae"] == math.inf, "no number is no lucky answer"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": 0.0}, "expected a number and a number > 0"),
        ({"offset": math.nan}, "expected a number and a number > 0"),
        ({"objective": "l3"}, "expected 'l1', 'smooth_l1' or 'mse'"),
        ({"tolerance": -1.0}, "expected a number >= 0"),
        ({"classes": ("a", "b")}, "it answers a number"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        Regression("age", **options)


def test_another_unit_is_refused() -> None:
    with pytest.raises(DataError, match="got a number in 'months', expected 'years'"):
        AGE.check(Quantity(np.float32(3), unit="months"))
    AGE.check(Quantity(np.float32(3)))
