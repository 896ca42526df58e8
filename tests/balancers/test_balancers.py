"""Balancers against closed forms, against TorchJD, and the properties they promise."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchjd.aggregation import AlignedMTLWeighting, IMTLGWeighting, MGDAWeighting

from hydranet.balancers.achievement import Achievement
from hydranet.balancers.aligned_mtl import AlignedMTL
from hydranet.balancers.cagrad import CAGrad, cagrad
from hydranet.balancers.curriculum import Curriculum
from hydranet.balancers.dwa import DWA
from hydranet.balancers.fair_grad import FairGrad, fair
from hydranet.balancers.famo import FAMO
from hydranet.balancers.gls import GLS
from hydranet.balancers.go4align import GO4Align, grouped
from hydranet.balancers.gradnorm import GradNorm
from hydranet.balancers.imtl_g import IMTLG
from hydranet.balancers.ldc import LDC
from hydranet.balancers.mgda import MGDA, mgda
from hydranet.balancers.nash_mtl import NashMTL, nash
from hydranet.balancers.pcgrad import PCGrad
from hydranet.balancers.plain_sum import PlainSum
from hydranet.balancers.rlw import RLW
from hydranet.balancers.soft_uncertainty import SoftUncertainty
from hydranet.balancers.start_scale import StartScale
from hydranet.balancers.upgrad import UPGrad, upgrad
from hydranet.core.spec import SpecError
from hydranet.training.step import StepResult

CLASSES = {
    "sum": PlainSum,
    "pcgrad": PCGrad,
    "mgda": MGDA,
    "cagrad": CAGrad,
    "upgrad": UPGrad,
    "imtlg": IMTLG,
    "alignedmtl": AlignedMTL,
    "nashmtl": NashMTL,
    "fairgrad": FairGrad,
}
METHODS = tuple(CLASSES)
SYMMETRIC = tuple(m for m in METHODS if m != "pcgrad")
PAIR = ("a", "b")
seeds = st.integers(0, 10_000)


def gramian(seed: int, tasks: int = 3, size: int = 12, spread: float = 0.7) -> Tensor:
    """Inner products of random gradients of different lengths."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(tasks, size)) * np.exp(spread * rng.normal(size=(tasks, 1)))
    return torch.tensor(rows @ rows.T, dtype=torch.float32)


def ask(method: str, products: Tensor, **options: object) -> Tensor:
    names = tuple(map(str, range(len(products))))
    return CLASSES[method](names, **options)(products, dict.fromkeys(names, torch.ones(())))


def losses(**values: float) -> dict[str, Tensor]:
    return {name: torch.tensor(value, requires_grad=True) for name, value in values.items()}


def weights(balancer: torch.nn.Module, **values: float) -> dict[str, float]:
    leaves = losses(**values)
    balancer(leaves).backward()
    return {name: float(leaf.grad) for name, leaf in leaves.items()}


@pytest.mark.parametrize("method", SYMMETRIC)
@given(seed=seeds)
@settings(max_examples=10, deadline=None)
def test_the_order_of_tasks_does_not_matter(method: str, seed: int) -> None:
    products, order = gramian(seed), torch.tensor([2, 0, 1])
    found, expected = ask(method, products[order][:, order]), ask(method, products)[order]
    torch.testing.assert_close(found, expected, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("method", METHODS)
@given(seed=seeds, scale=st.sampled_from([1e-12, 1e-6, 1e6]))
@settings(max_examples=6, deadline=None)
def test_the_unit_of_all_losses_does_not_matter(method: str, seed: int, scale: float) -> None:
    products = gramian(seed)
    torch.testing.assert_close(ask(method, products * scale), ask(method, products), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("method", ["imtlg", "nashmtl"])
@given(seed=seeds)
@settings(max_examples=10, deadline=None)
def test_the_unit_of_one_loss_does_not_turn_the_direction(method: str, seed: int) -> None:
    products, unit = gramian(seed), torch.tensor([1.0, 5.0, 1.0])
    one, other = ask(method, products), unit * ask(method, products * torch.outer(unit, unit))
    assert abs(torch.cosine_similarity(one, other, dim=0)) > 1 - 1e-4


@pytest.mark.parametrize("method", METHODS)
def test_agreeing_gradients_are_added(method: str) -> None:
    together = ask(method, torch.ones(3, 3)).sum() / 3
    # Nash-MTL gives 1 / sqrt(3) and FairGrad 3^(-2 / 3): they bargain about directions, and there is one only.
    along_one = {"nashmtl": 1 / math.sqrt(3), "fairgrad": 3 ** (-2 / 3)}
    assert float(together) == pytest.approx(along_one.get(method, 1.0), rel=2e-3)
    torch.testing.assert_close(ask(method, torch.eye(3) * 4.0), torch.ones(3), rtol=2e-3, atol=2e-3)
    assert ask(method, torch.tensor([[7.0]])).item() == pytest.approx(1.0, rel=1e-4)


@pytest.mark.parametrize("method", ["mgda", "upgrad", "nashmtl", "fairgrad"])
@given(seed=seeds, tasks=st.integers(2, 6))
@settings(max_examples=15, deadline=None)
def test_no_task_gets_worse(method: str, seed: int, tasks: int) -> None:
    products = gramian(seed, tasks)
    along = products @ ask(method, products)
    assert (along / products.diagonal().sqrt()).min() > -2e-3 * products.diagonal().mean().sqrt()


def test_two_opposed_tasks_do_not_conflict_after_pcgrad() -> None:
    products = torch.tensor([[1.0, -0.5], [-0.5, 2.0]])
    torch.testing.assert_close(ask("pcgrad", products), torch.tensor([1 + 0.5, 1 + 0.25]))
    assert (products @ ask("pcgrad", products)).min() > 0


@pytest.mark.parametrize("method", METHODS)
def test_exact_opposites_and_silent_tasks_are_no_error(method: str) -> None:
    assert torch.isfinite(ask(method, torch.tensor([[1.0, -1.0], [-1.0, 1.0]]))).all()
    silent = ask(method, torch.tensor([[1.0, 0.0, 0.3], [0.0, 0.0, 0.0], [0.3, 0.0, 2.0]]))
    assert silent[1] == 1
    torch.testing.assert_close(silent[[0, 2]], ask(method, torch.tensor([[1.0, 0.3], [0.3, 2.0]])))
    assert ask(method, torch.zeros(2, 2)).tolist() == [1.0, 1.0]


@given(seed=seeds)
@settings(max_examples=10, deadline=None)
def test_values_of_torchjd(seed: int) -> None:
    products = gramian(seed)
    products /= products.diagonal().mean()
    torch.testing.assert_close(ask("imtlg", products), 3 * IMTLGWeighting()(products), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(ask("alignedmtl", products), 3 * AlignedMTLWeighting()(products), rtol=1e-3, atol=1e-3)
    mine, theirs = torch.tensor(mgda(products.double().numpy())).float(), MGDAWeighting(max_iters=500)(products)
    assert mine @ products @ mine <= theirs @ products @ theirs + 1e-5


def test_closed_form_of_mgda_for_two_tasks() -> None:
    a, b, inner = 1.0, 4.0, 0.5
    share = (b - inner) / (a + b - 2 * inner)
    found = mgda(np.array([[a, inner], [inner, b]]))
    assert found == pytest.approx([share, 1 - share], abs=1e-5)


@given(seed=seeds)
@settings(max_examples=10, deadline=None)
def test_upgrad_nash_and_cagrad_meet_their_conditions(seed: int) -> None:
    products = gramian(seed).double().numpy()
    products /= products.diagonal().mean()
    alpha = nash(products)
    assert products @ alpha * alpha == pytest.approx(np.ones(3), abs=1e-3)
    assert (products @ upgrad(products)).min() > -1e-3
    # The maximum of the least descent within the ball: no random direction in the ball does better.
    root = np.linalg.cholesky(products + 1e-12 * np.eye(3))
    mean = root.T @ np.full(3, 1 / 3)
    best = (root @ (root.T @ cagrad(products, 0.5))).min()
    steps = np.random.default_rng(seed).normal(size=(500, 3))
    tried = mean + 0.5 * np.linalg.norm(mean) * steps / np.linalg.norm(steps, axis=1, keepdims=True)
    assert (tried @ root.T).min(1).max() <= best + 1e-3


def test_pcgrad_draws_by_step_and_leaves_the_random_state_alone() -> None:
    one, other = (PCGrad(tuple("abcd")) for _ in range(2))
    products = gramian(3, 4, size=4)
    drawn = torch.ones(4)
    state = torch.get_rng_state()
    first = [one(products, dict.fromkeys("abcd", drawn)) for _ in range(3)]
    torch.manual_seed(99)
    other.step.fill_(1)
    assert torch.equal(first[1], other(products, dict.fromkeys("abcd", drawn)))
    torch.set_rng_state(state)
    one(products, dict.fromkeys("abcd", drawn))
    assert torch.equal(state, torch.get_rng_state())


def test_a_share_of_the_ball_is_a_number_below_1() -> None:
    with pytest.raises(SpecError, match=r"got c=1\.5, expected a number from 0 up to 1"):
        CAGrad(PAIR, c=1.5)


@pytest.mark.parametrize("method", SYMMETRIC)
def test_scale_is_declared_as_it_is(method: str) -> None:
    """Losses multiplied by constants: the direction sum_t w_t g_t stays where it was, or it does not."""
    turned = []
    for seed in range(5):
        products, factors = gramian(seed).double(), torch.tensor([0.2, 1.0, 7.0]).double()
        plain = ask(method, products.float()).double()
        scaled = ask(method, (products * torch.outer(factors, factors)).float()).double() * factors
        cosine = plain @ products @ scaled / (plain @ products @ plain).sqrt() / (scaled @ products @ scaled).sqrt()
        turned.append(float(cosine))
    invariant = min(turned) > 0.999
    assert invariant == (CLASSES[method].scale == "invariant"), turned


def test_dwa_follows_equation_7() -> None:
    balancer = DWA(PAIR, window=2, temperature=2.0)
    for a, b in ((4.0, 1.0), (2.0, 1.0), (1.0, 1.0), (2.0, 1.0)):
        assert weights(balancer, a=a, b=b) == {"a": 1.0, "b": 1.0}
    e = np.exp(np.array([1.5 / 3.0, 1.0]) / 2)
    assert list(weights(balancer, a=9.0, b=9.0).values()) == pytest.approx(2 * e / e.sum())
    assert weights(balancer, a=5.0)["a"] == pytest.approx(2 * e[0] / e.sum())


def test_start_scale_divides_by_the_mean_of_the_first_steps() -> None:
    balancer = StartScale(PAIR, first=2, weights={"b": 3.0})
    assert weights(balancer, a=4.0, b=0.5) == pytest.approx({"a": 1 / 4, "b": 3 / 0.5})
    assert weights(balancer, a=2.0) == pytest.approx({"a": 1 / 3})
    assert weights(balancer, a=100.0, b=1.5) == pytest.approx({"a": 1 / 3, "b": 3 / 1.0})
    assert weights(balancer, b=7.0) == pytest.approx({"b": 3 / 1.0})
    again = StartScale(PAIR, first=2, weights={"b": 3.0})
    again.load_state_dict(balancer.state_dict())
    assert weights(again, a=9.0, b=9.0) == pytest.approx({"a": 1 / 3, "b": 3.0})
    with pytest.raises(SpecError, match="begins at 0, expected a number above 0"):
        weights(StartScale(PAIR), a=0.0, b=1.0)
    with pytest.raises(SpecError, match="'c'"):
        StartScale(PAIR, weights={"c": 1.0})


def test_soft_uncertainty_by_hand() -> None:
    e = np.exp(np.array([1 / 4.0, 1 / 0.5]) / 2)
    assert list(weights(SoftUncertainty(PAIR, temperature=2.0), a=4.0, b=0.5).values()) == pytest.approx(
        2 * e / e.sum()
    )
    assert weights(SoftUncertainty(PAIR), a=4.0) == {"a": 1.0}
    assert all(math.isfinite(value) for value in weights(SoftUncertainty(PAIR), a=0.0, b=1e9).values())
    with pytest.raises(SpecError, match="got a loss of -1 for task 'a', expected >= 0"):
        weights(SoftUncertainty(PAIR), a=-1.0, b=1.0)


def test_rlw_depends_on_seed_step_and_name_only() -> None:
    first, again, other = RLW(PAIR), RLW(PAIR[::-1]), RLW(PAIR, seed=1)
    drawn = weights(first, a=1.0, b=2.0)
    assert sum(drawn.values()) == pytest.approx(2.0)
    assert drawn == pytest.approx(weights(again, b=2.0, a=1.0))
    assert drawn != pytest.approx(weights(other, a=1.0, b=2.0))
    assert drawn != pytest.approx(weights(first, a=1.0, b=2.0))


def test_gls_weighs_by_the_inverse_loss_and_refuses_negative_ones() -> None:
    assert weights(GLS(PAIR), a=4.0, b=1.0) == pytest.approx({"a": 0.25, "b": 1.0})
    assert weights(GLS(PAIR), a=0.0, b=1.0)["a"] == 0.0
    with pytest.raises(SpecError, match="got a loss of -1 for task 'a', expected >= 0 for a geometric mean"):
        weights(GLS(PAIR), a=-1.0, b=1.0)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 1.5, 2.0, 10.0])
@given(seed=seeds, tasks=st.integers(1, 6))
@settings(max_examples=20, deadline=None)
def test_fair_grad_solves_its_equation(alpha: float, seed: int, tasks: int) -> None:
    products = gramian(seed, tasks).double().numpy()
    products /= products.diagonal().mean()
    w = fair(products, alpha)
    assert (w > 0).all()
    np.testing.assert_allclose(products @ w, w ** (-1 / alpha), rtol=1e-3, atol=1e-4)
    if alpha == 1:
        np.testing.assert_allclose(w, nash(products), rtol=1e-6)


def test_fair_grad_for_two_tasks_and_odd_gramians() -> None:
    # Orthogonal gradients of lengths 2 and 1: w = length^(-2 alpha / (1 + alpha)).
    w = fair(np.diag([4.0, 1.0]), 2.0)
    assert w == pytest.approx([4.0 ** (-2 / 3), 1.0], rel=1e-4)
    assert np.isfinite(fair(np.array([[1.0, -1.0], [-1.0, 1.0]]), 2.0)).all()
    assert np.isfinite(fair(np.array([[1e8, 0.1], [0.1, 1e-8]]), 0.1)).all()
    with pytest.raises(SpecError, match=r"balancer\.alpha"):
        FairGrad(PAIR, alpha=0.0)


def test_groups_on_a_line() -> None:
    values = np.array([1.0, 9.0, 1.2, 8.8, 5.0])
    assert grouped(values, 3).tolist() == pytest.approx([1.1, 8.9, 1.1, 8.9, 5.0])
    assert grouped(values, 1).tolist() == pytest.approx([5.0] * 5)
    assert grouped(values, 9).tolist() == values.tolist()
    assert grouped(np.array([3.0]), 2).tolist() == [3.0]


def test_go4align_by_hand() -> None:
    names = ("a", "b", "c")
    balancer = GO4Align(names, groups=2, rate=0.0)
    # (sum L) / (3 L) = 2, 2.1, .. : a and b are one group, c the other.
    single = {name: 10.0 / 3 / loss for name, loss in {"a": 1.0, "b": 1.25, "c": 7.75}.items()}
    expected = {"a": (single["a"] + single["b"]) / 2, "b": (single["a"] + single["b"]) / 2, "c": single["c"]}
    assert weights(balancer, a=1.0, b=1.25, c=7.75) == pytest.approx(expected)
    learning = GO4Align(names, groups=3, rate=0.1)
    weights(learning, a=1.0, c=3.0)
    left = np.array([1.0, math.exp(-0.2)])
    assert learning.p.tolist() == pytest.approx(
        [*(2 / 3 * left / left.sum())[:1], 1 / 3, (2 / 3 * left / left.sum())[1]]
    )
    assert weights(learning, b=2.0) == pytest.approx({"b": 1.0})
    assert all(math.isfinite(value) for value in weights(GO4Align(names, rate=1e6), a=1e6, b=1e-6, c=1.0).values())
    with pytest.raises(SpecError, match=r"got losses \{'a': 0.0\}, expected numbers above 0"):
        weights(GO4Align(names), a=0.0, b=1.0)


def test_ldc_objective_and_the_gradient_of_xi() -> None:
    balancer = LDC(PAIR, gap=0.5, first=1)
    assert weights(balancer, a=4.0, b=0.5) == pytest.approx({"a": 1 / 4, "b": 2.0})
    for parameter in balancer.parameters():
        parameter.grad = None
    # Losses at 1/2 and 1 of the start: objective u_a + u_b + (u_b - u_a) / 2 with u = 2 z share.
    assert weights(balancer, a=2.0, b=0.5) == pytest.approx({"a": 0.5 / 4, "b": 1.5 / 0.5})
    slope = 2 * (np.diag([0.5, 0.5]) - 0.25) @ np.array([0.5 * 0.5, 1.5 * 1.0])
    assert [float(p.grad) for p in balancer.xi.values()] == pytest.approx(slope)
    assert weights(balancer, b=0.25) == pytest.approx({"b": 2.0})


def test_famo_weights_and_the_gradient_of_xi() -> None:
    balancer = FAMO(PAIR, decay=0.0)
    assert weights(balancer, a=4.0, b=1.0) == pytest.approx({"a": 0.2, "b": 0.8})
    assert [float(p.grad) for p in balancer.xi.values()] == [0.0, 0.0]
    weights(balancer, a=1.0, b=1.0)
    fell = np.array([math.log(4.0), 0.0])
    jacobian = np.diag([0.5, 0.5]) - 0.25
    assert [float(p.grad) for p in balancer.xi.values()] == pytest.approx(jacobian @ fell)


def test_gradnorm_gradient_is_that_of_the_paper_through_the_softmax() -> None:
    balancer, products = GradNorm(PAIR, alpha=1.0), torch.tensor([[4.0, 0.0], [0.0, 1.0]])
    first = balancer(products, losses(a=1.0, b=1.0))
    assert first.tolist() == [1.0, 1.0]
    # Lengths 2 and 1, target 1.5 each: d/dw = (2, -1), and dw/dz = 2 (diag(s) - s s').
    slope = 2 * (np.diag([0.5, 0.5]) - 0.25) @ np.array([2.0, -1.0])
    assert [float(p.grad) for p in balancer.z.values()] == pytest.approx(slope)
    for parameter in balancer.parameters():
        parameter.grad = None
    # Task a has not learned, b has: a deserves 2 * 0.8 * 1.5 = 3 * 0.8 > 2, so its weight must grow.
    balancer(products, losses(a=1.0, b=0.25))
    assert float(balancer.z["a"].grad) < 0


def test_cosines_name_every_pair_once() -> None:
    products = torch.tensor([[4.0, -1.0, 0.0], [-1.0, 1.0, 0.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
    result = StepResult({"a": 1.0, "b": 1.0, "c": 0.0}, {}, {}, products)
    assert result.cosines() == {"a/b": -0.5, "a/c": 0.0, "b/c": 0.0}
    assert StepResult({"a": 1.0}, {}, {}).cosines() == {}


def test_a_curriculum_lets_a_task_in_along_a_line() -> None:
    balancer = Curriculum(("a", "b", "c"), plan={"a": [(2, 0), (4, 1)], "b": [(0, 3)]})
    seen = [weights(balancer, a=1.0, b=1.0, c=1.0) for _ in range(6)]
    assert [w["a"] for w in seen] == [0, 0, 0, 0.5, 1, 1]
    assert [w["b"] for w in seen] == [3.0] * 6
    assert [w["c"] for w in seen] == [1.0] * 6
    resumed = Curriculum(("a", "b", "c"), plan={"a": [(2, 0), (4, 1)]})
    resumed.load_state_dict(balancer.state_dict())
    assert resumed.weight("a", int(resumed.step)) == 1.0


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ({"x": [(0, 1)]}, "plan"),
        ({"a": [(5, 1), (5, 2)]}, "growing numbers from 0"),
        ({"a": [(0, -1)]}, "expected a number from 0"),
        ({"a": []}, "expected pairs"),
        ({"a": [(0, 1, 2)]}, "expected pairs"),
        ({"a": "01"}, "expected pairs"),
    ],
)
def test_a_curriculum_refuses_plans_that_mean_nothing(plan: dict, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        Curriculum(("a", "b"), plan=plan)


def test_achievement_is_a_geometric_mean_weighted_by_what_is_lacking() -> None:
    made = Achievement(PAIR, reached={"a": 0.5, "b": 1.0}, margin=1.25, focus=2.0, window=1)
    values = {"a": 1.0, "b": 0.8}  # a has achieved a half, b more than all
    shares = {"a": (1 - 0.5 / 1.25) ** 2, "b": (1 - 1 / 1.25) ** 2}
    total = sum(shares.values())
    objective = math.prod(values[t] ** (shares[t] / total) for t in PAIR)
    assert made(losses(**values)).item() == pytest.approx(objective, rel=1e-6)
    found = weights(Achievement(PAIR, reached={"a": 0.5, "b": 1.0}, margin=1.25, focus=2.0, window=1), **values)
    for task in PAIR:
        assert found[task] == pytest.approx(objective * shares[task] / total / values[task], rel=1e-5)
    assert weights(Achievement(PAIR), **values) == pytest.approx(weights(GLS(PAIR), **values), rel=1e-5)


def test_achievement_looks_at_the_mean_of_the_last_losses() -> None:
    made = Achievement(PAIR, reached={"a": 1.0}, window=2)
    for value in (8.0, 4.0, 2.0, 1.0):
        made(losses(a=value, b=1.0))
    assert made.mean[0].item() == pytest.approx((((8 + 4) / 2 + 2) / 2 + 1) / 2)
    assert made.steps.tolist() == [4, 4]
    before = made.mean.clone()
    made(losses(b=3.0))
    assert made.mean[0] == before[0]


def test_achievement_refuses_what_it_cannot_use() -> None:
    with pytest.raises(SpecError, match=r"no task .in the balancer's reached. is called 'c'"):
        Achievement(PAIR, reached={"c": 1.0})
    with pytest.raises(SpecError, match=r"got balancer.reached.a=0, expected a number above 0"):
        Achievement(PAIR, reached={"a": 0})
    with pytest.raises(SpecError, match=r"got balancer.margin=1.0, expected a number above 1"):
        Achievement(PAIR, margin=1.0)
    with pytest.raises(SpecError, match=r"got a loss of -1 for task 'a', expected >= 0"):
        Achievement(PAIR)(losses(a=-1.0))
