"""Which tasks belong together: the optimum against brute force, the published table, and small cases by hand."""

import math
from itertools import combinations, product

import numpy as np
import pytest
from standley import FULL, HALF, TASKS

from hydranet.core.spec import SpecError
from hydranet.sweep.grouping.choice import Candidate, Choice, best_set
from hydranet.sweep.grouping.table import candidates, estimated, pairs, rank_correlation, relative

NETWORKS = [
    *(Candidate(f"half {task}", {task: loss}, 0.5) for task, loss in zip(TASKS, HALF, strict=True)),
    *(Candidate(" + ".join(group), dict(zip(group, losses, strict=True)), 1.0) for group, losses in FULL.items()),
]


OPTIMUM = {1.0: 0.50278, 1.5: 0.46132, 2.0: 0.45224, 2.5: 0.44612, 3.0: 0.44235, 4.0: 0.43481, 5.0: 0.43407}
"""The smallest total loss by budget; a slow test finds them by brute force."""


def by_brute_force(budget: float) -> float:
    """The smallest total loss: every way to answer each task by one of the networks that have it."""
    having = [[(i, one) for i, one in enumerate(NETWORKS) if task in one.losses] for task in TASKS]
    masks = [np.array([1 << i for i, _ in options], dtype=np.int64) for options in having]
    losses = [np.array([one.losses[task] for _, one in options]) for task, options in zip(TASKS, having, strict=True)]
    used, total = masks[0], losses[0]
    for mask, loss in zip(masks[1:], losses[1:], strict=True):
        used, total = (used[:, None] | mask).ravel(), (total[:, None] + loss).ravel()
    cost = np.zeros(len(used))
    for i, one in enumerate(NETWORKS):
        cost += ((used >> i) & 1) * one.cost
    return float(total[cost <= budget + 1e-9].min())


@pytest.mark.parametrize(("budget", "loss"), OPTIMUM.items())
def test_the_choice_is_the_optimum_of_the_published_networks(budget: float, loss: float) -> None:
    choice = best_set(NETWORKS, TASKS, budget)
    assert choice.loss == pytest.approx(loss, abs=1e-9)
    assert choice.cost <= budget
    by_name = {one.name: one for one in NETWORKS}
    assert sum(by_name[choice.answers[task]].losses[task] for task in TASKS) == pytest.approx(choice.loss)
    assert sorted(task for group in choice.groups for task in group) == sorted(TASKS)


@pytest.mark.slow
def test_the_optimum_is_what_brute_force_finds() -> None:
    assert {budget: by_brute_force(budget) for budget in OPTIMUM} == pytest.approx(OPTIMUM, abs=1e-9)


def test_one_network_is_all_that_a_budget_of_one_allows() -> None:
    assert best_set(NETWORKS, TASKS, 1.0).groups == (TASKS,)
    assert best_set(NETWORKS, TASKS, 1.0).loss == pytest.approx(0.07603 + 0.186 + 0.09976 + 0.09704 + 0.04395)


def test_the_published_table_of_pairs() -> None:
    """Table 2 of the paper: depth with segmentation -5.41 %, segmentation with depth +4.17 %, and so on."""
    alone = dict(zip(TASKS, HALF, strict=True))
    gains = {
        group: {task: relative(loss, alone[task], "lower") for task, loss in zip(group, losses, strict=True)}
        for group, losses in FULL.items()
    }
    table = pairs(gains)
    assert round(table["semantic"]["depth"], 2) == -5.41
    assert round(table["depth"]["semantic"], 2) == 4.17
    assert round(table["normals"]["semantic"], 2) == 8.50
    assert round(table["semantic"]["normals"], 2) == -11.29
    assert round(table["edges"]["semantic"], 2) == 3.07
    assert table.keys() == set(TASKS)


@pytest.mark.parametrize("seed", range(12))
def test_any_networks(seed: int) -> None:
    """Against all subsets of networks."""
    rng = np.random.default_rng(seed)
    tasks = ("a", "b", "c", "d")[: int(rng.integers(2, 5))]
    groups = [group for size in range(1, len(tasks) + 1) for group in combinations(tasks, size)]
    networks = [
        Candidate(f"{i}", {task: float(rng.normal()) for task in groups[int(rng.integers(len(groups)))]}, cost)
        for i, cost in enumerate(rng.choice([0.25, 0.5, 1.0, 1.5], 9).tolist())
    ]
    budget = float(rng.choice([0.5, 1.0, 2.0, 3.0]))
    best = math.inf
    for taken in product((False, True), repeat=len(networks)):
        chosen = [one for one, is_taken in zip(networks, taken, strict=True) if is_taken]
        if sum(one.cost for one in chosen) <= budget:
            losses = [min((one.losses.get(task, math.inf) for one in chosen), default=math.inf) for task in tasks]
            best = min(best, sum(losses))
    if math.isinf(best):
        with pytest.raises(SpecError, match="expected more"):
            best_set(networks, tasks, budget)
    else:
        assert best_set(networks, tasks, budget).loss == pytest.approx(best)


def test_networks_that_answer_nothing_are_not_paid_for() -> None:
    networks = [
        Candidate("a", {"a": 1.0}, 1.0),
        Candidate("b", {"b": 1.0}, 1.0),
        Candidate("ab", {"a": 0.5, "b": 0.5}, 2),
    ]
    assert best_set(networks, ("a", "b"), 4.0) == Choice((networks[2],), {"a": "ab", "b": "ab"}, 1.0, 2)


def test_a_budget_that_is_too_small_says_what_is_needed() -> None:
    with pytest.raises(SpecError, match=r"got budget 0.4 for the tasks .*: the cheapest set .* costs 1$"):
        best_set(NETWORKS, TASKS, 0.4)
    with pytest.raises(SpecError, match="a task is in no network"):
        best_set(NETWORKS, (*TASKS, "lanes"), 9)
    with pytest.raises(SpecError, match="expected a finite number per task"):
        Candidate("broken", {"a": math.nan}, 1.0)
    with pytest.raises(SpecError, match="expected a finite number above 0"):
        Candidate("free", {"a": 1.0}, 0.0)


def test_a_group_gains_what_its_pairs_gain_on_average() -> None:
    affinity = {"a": {"b": 2.0, "c": -1.0}, "b": {"a": 4.0, "c": 3.0}, "c": {"a": 0.0, "b": 6.0}}
    gains = estimated(("a", "b", "c"), affinity)
    assert gains[("a",)] == {"a": 0.0}
    assert gains["a", "b"] == {"a": 4.0, "b": 2.0}
    assert gains["a", "b", "c"] == {"a": 2.0, "b": 4.0, "c": 1.0}
    networks = candidates(gains, dict.fromkeys(gains, 1.0))
    assert best_set(networks, ("a", "b", "c"), 1).loss == -7.0
    apart = best_set(networks, ("a", "b", "c"), 2)
    assert (apart.groups, apart.loss) == ((("a",), ("b", "c")), -13.0)  # a from "a + b", b and c from "b + c"


@pytest.mark.parametrize(
    ("value", "alone", "better", "gain"),
    [(0.9, 1.0, "lower", 10.0), (1.1, 1.0, "lower", -10.0), (0.6, 0.5, "higher", 20.0), (-2.0, -1.0, "higher", 100.0)],
)
def test_gains(value: float, alone: float, better: str, gain: float) -> None:
    assert relative(value, alone, better) == pytest.approx(gain)


def test_no_gain_over_nothing() -> None:
    assert math.isnan(relative(0.3, 0.0, "higher"))


def test_rank_correlation() -> None:
    first = {"a": {"b": 1.0, "c": 2.0}, "b": {"a": 3.0, "c": 4.0}}
    assert rank_correlation(first, {"a": {"b": 10.0, "c": 20.0}, "b": {"a": 30.0, "c": 99.0}}) == pytest.approx(1)
    assert rank_correlation(first, {"a": {"b": 4.0, "c": 3.0}, "b": {"a": 2.0, "c": 1.0}}) == pytest.approx(-1)
    assert rank_correlation(first, {"a": {"b": 4.0, "c": 4.0}, "b": {"a": 2.0}}) == pytest.approx(-math.sqrt(3) / 2)
    assert math.isnan(rank_correlation(first, {"a": {"b": 1.0}}))
    assert math.isnan(rank_correlation(first, {"a": {"b": 1.0, "c": 1.0}, "b": {"a": 1.0}}))
