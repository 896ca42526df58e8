"""The gradients of a step do not depend on how its images are spread over batches, sources and processes."""

import math
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import Tensor

from hydranet.balancers.uncertainty import Uncertainty
from hydranet.balancers.uniform import Uniform
from hydranet.core.balancer import Balancer, GradientBalancer, Losses
from hydranet.core.batch import Batch, collate
from hydranet.core.features import Features, Pyramid
from hydranet.core.spec import Part, SpecError
from hydranet.models.hydranet import HydraNet
from hydranet.models.sharing.hard import HardSharing
from hydranet.training.feature_gradients import parameter_users
from hydranet.training.gradients import step_gradients
from hydranet.training.losses import NonFiniteLoss
from hydranet.training.step import StepContext
from toys import Glow, Noise, ToyHead, toy_recipe

TASKS = ("bright", "glow")


class Halves(GradientBalancer):
    """Fixed weights, so that balanced gradients can be compared with a weighted sum."""

    scale = "sensitive"

    def __init__(
        self,
        tasks: tuple[str, ...],
        at: str = "auto",
        every: int | None = None,
        weights: tuple[float, float] = (0.5, 2.0),
    ) -> None:
        super().__init__(tasks, at, every)
        self.weights = weights

    def forward(self, gramian: Tensor, losses: Losses) -> Tensor:
        self.seen = gramian
        return torch.tensor(self.weights)[: len(losses)]


def network(norm: bool = False) -> HydraNet:
    return toy_recipe(norm=norm).build().train()


def mixed() -> list[Batch]:
    """Three images with both labels, two with one and two with the other."""
    both, bright, glow = Noise(), Noise(seed=3, labels=("bright",)), Noise(seed=4, labels=("glow",))
    return [collate([both[0], both[1], both[2], bright[0], bright[1], glow[0], glow[1]])]


def gradients(model: HydraNet, batches: list[Batch], balancer=None, **options) -> dict[str, Tensor | None]:
    model.zero_grad(set_to_none=True)
    step_gradients(StepContext(model, batches, balancer or Uniform(TASKS), autocast=nullcontext, **options))
    return {name: None if p.grad is None else p.grad.clone() for name, p in model.named_parameters()}


def assert_equal(a: dict[str, Tensor | None], b: dict[str, Tensor | None], tolerance: float = 1e-5) -> None:
    for name, gradient in a.items():
        other = b[name]
        assert (gradient is None) == (other is None), name
        if gradient is not None and other is not None:
            torch.testing.assert_close(gradient, other, rtol=tolerance, atol=tolerance, msg=name)


@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")  # torch.compile looks at it
@pytest.mark.parametrize("balancer", [Uniform(TASKS), Halves(TASKS)], ids=["sum", "gradients"])
def test_a_compiled_network_has_the_same_gradients(balancer: Balancer) -> None:
    """Tasks that read one level must get one tensor from the compiled trunk, too: copies are told apart by identity."""
    model = network()
    wanted = gradients(model, mixed(), balancer)
    for part in (model.trunk, *model.heads.values()):
        part.compile(backend="aot_eager")
    assert_equal(gradients(model, mixed(), balancer), wanted)


def test_mixed_batch_equals_batches_by_task() -> None:
    model, batch = network(), mixed()[0]
    together = gradients(model, [batch])
    apart: dict[str, Tensor] = {}
    for task in TASKS:
        rows = batch.rows[task]
        alone = Batch(
            batch.image[rows], {task: batch.labels[task]}, {task: torch.arange(len(rows))}, (), (), batch.camera[rows]
        )
        for name, gradient in gradients(model, [alone]).items():
            if gradient is not None:
                apart[name] = apart.get(name, torch.zeros_like(gradient)) + gradient
    assert_equal(together, apart)


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("balancer", [Uniform, Uncertainty, Halves])
def test_splitting_a_batch_changes_nothing(keep: bool, balancer: type) -> None:
    model, batch = network(), mixed()[0]
    samples = [Noise()[i] for i in range(5)] + [Noise(seed=4, labels=("glow",))[0]]
    whole, parts = [collate(samples)], [collate(samples[:2]), collate(samples[2:5]), collate(samples[5:])]
    assert batch.rows.keys() == set(TASKS)
    assert_equal(gradients(model, whole, balancer(TASKS)), gradients(model, parts, balancer(TASKS), keep=keep))


def test_looking_twice_moves_batchnorm_once() -> None:
    model = network(norm=True)
    model.zero_grad()
    step_gradients(StepContext(model, mixed(), Uniform(TASKS), autocast=nullcontext, keep=False))
    once = model.trunk.encoder.norm.running_mean.clone()
    other = network(norm=True)
    step_gradients(StepContext(other, mixed(), Uniform(TASKS), autocast=nullcontext, keep=True))
    assert torch.equal(once, other.trunk.encoder.norm.running_mean)


def test_dropout_is_the_same_at_the_second_look() -> None:
    model = toy_recipe(norm=False, dropout=0.5).build().train()
    assert_equal(gradients(model, mixed(), keep=True), gradients(model, mixed(), keep=False))


def test_absent_task_keeps_no_gradient() -> None:
    model = network()
    found = gradients(model, [collate([Noise(labels=("glow",))[0]])])
    assert all(found[name] is None for name in found if name.startswith("heads.bright"))
    assert found["heads.glow.layer.weight"] is not None


def test_label_without_a_known_pixel_is_absent() -> None:
    model = network()
    blind = Noise(holes=1e9)
    result = step_gradients(StepContext(model, [collate([blind[0], blind[1]])], Uniform(TASKS), autocast=nullcontext))
    assert set(result.losses) == {"bright"}
    assert model.heads["glow"].layer.weight.grad is None


@pytest.mark.parametrize("at", ["auto", "decoder", "parameters"])
def test_balanced_gradient_is_the_weighted_sum_of_task_gradients(at: str) -> None:
    model, batches = network(), mixed()
    balanced = gradients(model, batches, Halves(TASKS, at))
    plain = {task: gradients(model, batches, Only(TASKS, task)) for task in TASKS}
    for name, gradient in balanced.items():
        weights = (1.0, 1.0) if name.startswith("heads") else (0.5, 2.0)
        parts = [w * g for w, t in zip(weights, TASKS, strict=True) if (g := plain[t][name]) is not None]
        torch.testing.assert_close(gradient, torch.stack(parts).sum(0), rtol=1e-5, atol=1e-6)


class Only(Uniform):
    """The loss of one task alone."""

    def __init__(self, tasks: tuple[str, ...], task: str) -> None:
        super().__init__(tasks)
        self.task = task

    def forward(self, losses: Losses) -> Tensor:
        return losses[self.task] * 1.0


def rows_of(model: HydraNet, batches: list[Batch], start: str) -> Tensor:
    """The gradient of each task's mean loss at the parameters whose names begin so, from a pass of its own."""
    plain = [gradients(model, batches, Only(TASKS, task)) for task in TASKS]
    names = [name for name, _ in model.named_parameters() if name.startswith(start)]
    return torch.stack([torch.cat([one[name].flatten() for name in names]) for one in plain])


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize(("at", "start"), [("auto", "trunk.decoder"), ("parameters", "trunk")])
def test_gramian_holds_inner_products_of_parameter_gradients(at: str, start: str, keep: bool) -> None:
    model, batches, balancer = network(), [*mixed(), *mixed()], Halves(TASKS, at)
    gradients(model, batches, balancer, keep=keep)
    rows = rows_of(model, batches, start)
    torch.testing.assert_close(balancer.seen, rows @ rows.T, rtol=1e-4, atol=1e-8)


@dataclass(frozen=True)
class Coarse(Glow):
    """A task whose head reads the coarser of two levels alone."""

    def head(self, features: Features) -> torch.nn.Module:
        return CoarseHead(features)


class CoarseHead(ToyHead):
    def __init__(self, features: Features) -> None:
        super().__init__(features[1:], pooled=False)

    def forward(self, pyramid: Pyramid) -> Tensor:
        return torch.nn.functional.interpolate(super().forward(pyramid[1:]), scale_factor=2.0)


def two_levels() -> HydraNet:
    """One head reads the fine level of the decoder, the other one the coarse level: they share every weight below."""
    recipe = toy_recipe(norm=False)
    fine, coarse = recipe.tasks
    return replace(recipe, tasks=(fine, Coarse(coarse.name))).build().train()


def test_heads_that_read_different_levels_are_seen_to_conflict() -> None:
    """Compared at pyramid levels, their gradients would be orthogonal, whatever they do to the weights below."""
    model, batches = two_levels(), mixed()
    balancer = Halves(TASKS, "parameters")
    result = step_gradients(StepContext(model, batches, balancer))
    rows = rows_of(model, batches, "trunk")
    cosine = float(torch.nn.functional.cosine_similarity(rows[0], rows[1], dim=0))
    assert abs(cosine) > 0.05
    assert result.cosines() == {"bright/glow": pytest.approx(cosine, abs=1e-4)}


def test_the_place_is_chosen_by_what_all_tasks_pass() -> None:
    users = parameter_users(network().trunk)
    assert users.place("auto") == "decoder"
    assert all(name.startswith("decoder") for name in users.compared("decoder"))
    recipe = toy_recipe()
    mixed_reads = replace(recipe, tasks=(recipe.tasks[0], replace(recipe.tasks[1], reads="encoder")))
    users = parameter_users(mixed_reads.build().trunk)
    assert users.place("auto") == "parameters"
    assert not users.together("bright", "glow", "decoder")
    assert users.together("bright", "glow", "parameters")


def test_a_decoder_that_is_not_shared_is_no_place_to_compare() -> None:
    recipe = toy_recipe(norm=False)
    model = replace(recipe, tasks=(recipe.tasks[0], replace(recipe.tasks[1], reads="encoder"))).build().train()
    at_decoder = step_gradients(StepContext(model, mixed(), Halves(TASKS, "decoder"))).cosines()
    assert at_decoder == step_gradients(StepContext(model, mixed(), Halves(TASKS, "parameters"))).cosines()
    assert abs(at_decoder["bright/glow"]) > 1e-3


class Apart(HardSharing):
    """One encoder and decoder per task: nothing is shared."""

    def __init__(self, reads, encoder, decoder) -> None:
        super().__init__(reads, encoder, decoder)
        self.others = torch.nn.ModuleDict({task: HardSharing({task: reads[task]}, encoder, decoder) for task in reads})

    def shared(self, image: Tensor) -> Pyramid:
        return [image]

    def branch(self, features: Pyramid, tasks: Sequence[str]) -> dict[str, Pyramid]:
        return {task: self.others[task](features[0], [task])[task] for task in tasks}


def test_where_nothing_is_shared_no_cosine_is_given() -> None:
    model = replace(toy_recipe(norm=False), sharing=Part(Apart)).build().train()
    result = step_gradients(StepContext(model, mixed(), Halves(TASKS)))
    assert result.cosines() == {}
    assert result.weights == {"bright": 0.5, "glow": 2.0}


class Adapted(HardSharing):
    """Hard sharing with a 1x1 convolution in front of each head, which its task owns."""

    def __init__(self, reads, encoder, decoder) -> None:
        super().__init__(reads, encoder, decoder)
        self.adapters = torch.nn.ModuleDict(
            {task: torch.nn.Conv2d(f[0].channels, f[0].channels, 1) for task, f in self.features.items()}
        )

    def branch(self, features: Pyramid, tasks: Sequence[str]) -> dict[str, Pyramid]:
        pyramids = super().branch(features, tasks)
        return {task: [self.adapters[task](pyramids[task][0]), *pyramids[task][1:]] for task in tasks}


@pytest.mark.parametrize("weights", [(0.5, 2.0), (0.0, 2.0), (1e-9, 2.0)])
@pytest.mark.parametrize("at", ["auto", "parameters"])
def test_what_one_task_owns_gets_its_own_gradient(at: str, weights: tuple[float, float]) -> None:
    model = replace(toy_recipe(norm=False), sharing=Part(Adapted)).build().train()
    balanced = gradients(model, mixed(), Halves(TASKS, at, weights=weights))
    plain = {task: gradients(model, mixed(), Only(TASKS, task)) for task in TASKS}
    for task in TASKS:
        name = f"trunk.adapters.{task}.weight"
        torch.testing.assert_close(balanced[name], plain[task][name], rtol=1e-5, atol=1e-7)
    shared = "trunk.encoder.stem.weight"
    parts = [weight * plain[task][shared] for weight, task in zip(weights, TASKS, strict=True)]
    torch.testing.assert_close(balanced[shared], torch.stack(parts).sum(0), rtol=1e-5, atol=1e-7)


def test_gradients_are_compared_every_few_steps() -> None:
    model, balancer = network(), Halves(TASKS, every=3)
    taken = [step_gradients(StepContext(model, mixed(), balancer)).gramian is not None for _ in range(7)]
    assert taken == [True, False, False, True, False, False, True]
    torch.testing.assert_close(balancer.seen, balancer.last_gramian)
    alone = [collate([Noise(labels=("glow",))[0]])]
    assert step_gradients(StepContext(model, alone, balancer)).gramian is None
    fresh = Halves(TASKS, every=3)
    step_gradients(StepContext(model, alone, fresh))
    assert step_gradients(StepContext(model, mixed(), fresh)).gramian is not None  # a task that was not seen before


def test_tasks_that_take_turns_are_each_compared_again() -> None:
    """A comparison of some tasks must not keep the last one of others alive, nor be put together with it."""
    balancer = Halves(("a", "b", "c"), every=2)
    for step in range(4):
        assert balancer.recall(("a", "b"), 2) is None, step
        balancer.remember(("a", "b"), torch.eye(2))
        assert balancer.recall(("b", "c"), 2) is None, step
        balancer.remember(("b", "c"), torch.eye(2))
    balancer.remember(("a", "c"), torch.eye(2))
    assert not torch.isnan(balancer.last_gramian).any()
    assert balancer.recall(("a", "b", "c"), 100) is None  # known in pairs, of three different steps
    assert balancer.recall(("a", "c"), 100) is not None


def test_between_comparisons_a_moving_average_of_gramians_counts() -> None:
    rng = np.random.default_rng(0)
    first, second, third = (torch.tensor(rows @ rows.T, dtype=torch.float32) for rows in rng.normal(size=(3, 3, 9)))
    balancer = Halves(("a", "b", "c"), every=2)
    balancer.remember(("a", "b", "c"), first)
    torch.testing.assert_close(balancer.recall(("a", "b", "c"), 2), first)
    balancer.remember(("a", "b", "c"), second)
    mean = 0.7 * first + 0.3 * second
    torch.testing.assert_close(balancer.recall(("c", "a"), 2), mean[[2, 0]][:, [2, 0]])
    balancer.remember(("a", "b"), third[:2, :2])  # that of all three would be of different sums: it begins anew
    torch.testing.assert_close(balancer.recall(("a", "b"), 2), 0.7 * mean[:2, :2] + 0.3 * third[:2, :2])
    balancer.remember(("a", "b", "c"), third)
    torch.testing.assert_close(balancer.recall(("a", "b", "c"), 2), third)
    again = Halves(("a", "b", "c"), every=2)
    again.load_state_dict(balancer.state_dict())
    balancer.remember(("a", "b", "c"), first)
    again.remember(("a", "b", "c"), first)
    torch.testing.assert_close(again.recall(("a", "b", "c"), 2), 0.7 * third + 0.3 * first)


def test_where_gradients_are_compared_is_one_of_a_few_words() -> None:
    with pytest.raises(SpecError, match="got at='cut', expected one of auto, decoder, parameters"):
        Halves(TASKS, "cut")
    with pytest.raises(SpecError, match="got every=0, expected a number of steps >= 1"):
        Halves(TASKS, every=0)


def test_uncertainty_weight_is_the_inverse_variance_and_absent_tasks_rest() -> None:
    balancer = Uncertainty(TASKS)
    balancer.log_variance["glow"].data.fill_(math.log(4.0))
    result = step_gradients(
        StepContext(network(), [collate([Noise(labels=("glow",))[0]])], balancer, autocast=nullcontext)
    )
    assert result.weights["glow"] == pytest.approx(0.25)
    assert balancer.log_variance["bright"].grad is None
    expected = 0.5 - result.losses["glow"] / 4
    assert float(balancer.log_variance["glow"].grad) == pytest.approx(expected, rel=1e-4)


def test_non_finite_loss_names_task_and_images() -> None:
    model = network()
    model.heads["glow"].layer.weight.data.fill_(float("inf"))
    with pytest.raises(NonFiniteLoss, match=r"loss of glow is not finite \(glow on :0, :1\)"):
        step_gradients(StepContext(model, [collate([Noise()[0], Noise()[1]])], Uniform(TASKS), autocast=nullcontext))


def test_a_head_whose_label_holds_nothing_known_rests_at_the_cut() -> None:
    model, blind = network(), Noise(holes=1e9)
    for at in ("auto", "parameters"):
        model.zero_grad(set_to_none=True)
        step_gradients(StepContext(model, [collate([blind[0], blind[1]])], Halves(TASKS, at=at), autocast=nullcontext))
        assert model.heads["glow"].layer.weight.grad is None
        assert model.heads["bright"].layer.weight.grad is not None
