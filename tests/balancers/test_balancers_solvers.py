"""The own solvers of MGDA, CAGrad, UPGrad and Nash-MTL: closed forms for two tasks, brute force for three, TorchJD."""

from itertools import product

import numpy as np
import pytest
import torch

from hydranet.balancers.cagrad import cagrad
from hydranet.balancers.mgda import mgda
from hydranet.balancers.nash_mtl import nash
from hydranet.balancers.upgrad import upgrad

SEEDS = range(6)


def gramian(seed: int, tasks: int = 3) -> np.ndarray:
    """Inner products of random gradients that conflict often, about one long."""
    rows = np.random.default_rng(seed).normal(size=(tasks, 4))
    found = rows @ rows.T
    return found / found.diagonal().mean()


def simplex(steps: int = 100) -> np.ndarray:
    """All weights of three tasks in hundredths that add up to 1."""
    grid = [(i, j, steps - i - j) for i in range(steps + 1) for j in range(steps + 1 - i)]
    return np.array(grid) / steps


@pytest.mark.parametrize("seed", SEEDS)
def test_mgda_is_the_shortest_of_all_combinations(seed: int) -> None:
    products, grid = gramian(seed), simplex()
    best = np.einsum("ni,ij,nj->n", grid, products, grid).min()
    found = mgda(products)
    assert found.sum() == pytest.approx(1)
    assert found.min() > -1e-6
    assert best - 2e-3 < found @ products @ found <= best + 1e-6


@pytest.mark.parametrize("seed", SEEDS)
def test_cagrad_has_the_best_dual_value_of_all_combinations(seed: int) -> None:
    products, grid, c = gramian(seed), simplex(), 0.5
    mean = np.full(3, 1 / 3)
    radius = c * np.sqrt(mean @ products @ mean)
    lengths = np.sqrt(np.einsum("ni,ij,nj->n", grid, products, grid))
    dual = (grid @ products @ mean + radius * lengths).min()
    # Strong duality: the least descent of the direction found equals the least value of the dual (their eq. 4).
    assert (products @ cagrad(products, c)).min() == pytest.approx(dual, abs=5e-3)


def projected(products: np.ndarray, task: int) -> np.ndarray:
    """argmin of v'Gv over v >= e_t, by trying every set of bounds that may be active."""
    unit, best = np.eye(3)[task], None
    for active in product([True, False], repeat=3):
        free = [i for i, bound in enumerate(active) if not bound]
        v = unit.copy()
        if free:
            held = [i for i in range(3) if i not in free]
            right = -products[np.ix_(free, held)] @ unit[held] if held else np.zeros(len(free))
            v[free] = np.linalg.solve(products[np.ix_(free, free)], right)
        if (v >= unit - 1e-9).all() and (best is None or v @ products @ v < best @ products @ best):
            best = v
    assert best is not None
    return best


@pytest.mark.parametrize("seed", SEEDS)
def test_upgrad_is_the_sum_of_projections_found_by_trying_every_bound(seed: int) -> None:
    products = gramian(seed)
    expected = np.sum([projected(products, task) for task in range(3)], axis=0)
    assert upgrad(products) == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("inner", [-0.8, -0.3, 0.0, 0.6])
def test_closed_forms_for_two_tasks(inner: float) -> None:
    a, b = 1.0, 2.25
    products = np.array([[a, inner], [inner, b]])
    clash = max(-inner, 0.0)
    assert upgrad(products) == pytest.approx([1 + clash / a, 1 + clash / b], abs=1e-4)
    cosine = inner / np.sqrt(a * b)
    assert nash(products) == pytest.approx([1 / np.sqrt(t * (1 + cosine)) for t in (a, b)], rel=1e-4)
    share = np.clip((b - inner) / (a + b - 2 * inner), 0, 1)
    assert mgda(products) == pytest.approx([share, 1 - share], abs=1e-5)


@pytest.mark.parametrize("name", ["UPGrad", "CAGrad"])
def test_values_of_torchjd_where_its_solvers_are_installed(name: str) -> None:
    try:
        from torchjd import aggregation

        theirs = getattr(aggregation, f"{name}Weighting")(*([0.5] if name == "CAGrad" else []))
    except ImportError as error:
        pytest.skip(f"TorchJD's {name} needs more: {error}")
    for seed in SEEDS:
        products = gramian(seed)
        mine = upgrad(products) / 3 if name == "UPGrad" else cagrad(products, 0.5)
        expected = theirs(torch.tensor(products, dtype=torch.float32)).double().numpy()
        assert mine @ products == pytest.approx(expected @ products, abs=2e-2)
