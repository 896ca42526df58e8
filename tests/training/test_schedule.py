"""Learning rates are functions of the step alone, and those that torch's schedulers would give."""

import pytest
import torch

from hydranet.config.schedule import Constant, Cosine, OneCycle
from hydranet.core.spec import SpecError


def by_torch(make, steps: int) -> list[float]:
    """The rates of one of torch's schedulers, step by step."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = make(optimizer)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(rates) < steps:
            schedule.step()
    return rates


@pytest.mark.parametrize("steps", [7, 100, 1001])
@pytest.mark.parametrize("options", [{}, {"warmup": 0.3, "div": 10.0, "final_div": 100.0}, {"warmup": 0.02}])
def test_one_cycle_is_that_of_torch(steps, options):
    schedule = OneCycle(**options)
    expected = by_torch(
        lambda optimizer: torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            max_lr=1.0,
            total_steps=steps,
            pct_start=schedule.warmup,
            anneal_strategy="cos",
            cycle_momentum=False,
            div_factor=schedule.div,
            final_div_factor=schedule.final_div,
        ),
        steps,
    )
    assert [schedule.factor(i, steps) for i in range(steps)] == pytest.approx(expected, abs=1e-9)


def test_cosine_is_that_of_torch():
    expected = by_torch(lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=49, eta_min=0.1), 50)
    assert [Cosine(end=0.1).factor(i, 50) for i in range(50)] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("schedule", [OneCycle(), OneCycle(warmup=0.5), Cosine(), Constant()])
@pytest.mark.parametrize("steps", [1, 2, 10])
def test_factors_lie_in_range(schedule, steps):
    assert all(0 <= schedule.factor(i, steps) <= 1 for i in range(steps))


@pytest.mark.parametrize("warmup", [0.0, 1.0, -1.0])
def test_a_senseless_warmup_is_refused(warmup):
    with pytest.raises(SpecError, match="expected a share of the run between 0 and 1"):
        OneCycle(warmup=warmup)
