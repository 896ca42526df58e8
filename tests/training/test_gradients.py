"""The gradients of a step do not depend on how its images are spread over batches, sources and processes."""

import math
from contextlib import nullcontext

import pytest
import torch
from torch import Tensor

from hydranet.balancers.uncertainty import Uncertainty
from hydranet.balancers.uniform import Uniform
from hydranet.core.balancer import Balancer, GradientBalancer, Losses
from hydranet.core.batch import Batch, collate
from hydranet.models.hydranet import HydraNet
from hydranet.training.feature_gradients import detach_features
from hydranet.training.gradients import step_gradients
from hydranet.training.losses import NonFiniteLoss
from toys import Noise, toy_recipe

TASKS = ("bright", "glow")


class Halves(GradientBalancer):
    """Fixed weights, so that the cut can be compared with a weighted sum."""

    def forward(self, gramian: Tensor, losses: Losses) -> Tensor:
        self.seen = gramian
        return torch.tensor([0.5, 2.0])[: len(losses)]


def network(norm: bool = False) -> HydraNet:
    return toy_recipe(norm=norm).build().train()


def mixed() -> list[Batch]:
    """Three images with both labels, two with one and two with the other."""
    both, bright, glow = Noise(), Noise(seed=3, labels=("bright",)), Noise(seed=4, labels=("glow",))
    return [collate([both[0], both[1], both[2], bright[0], bright[1], glow[0], glow[1]])]


def gradients(model: HydraNet, batches: list[Batch], balancer=None, **options) -> dict[str, Tensor | None]:
    model.zero_grad(set_to_none=True)
    step_gradients(model, batches, balancer or Uniform(TASKS), autocast=nullcontext, **options)
    return {name: None if p.grad is None else p.grad.clone() for name, p in model.named_parameters()}


def assert_equal(a: dict[str, Tensor | None], b: dict[str, Tensor | None], tolerance: float = 1e-5) -> None:
    for name, gradient in a.items():
        other = b[name]
        assert (gradient is None) == (other is None), name
        if gradient is not None and other is not None:
            torch.testing.assert_close(gradient, other, rtol=tolerance, atol=tolerance, msg=name)


@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")  # torch.compile looks at it
@pytest.mark.parametrize("balancer", [Uniform(TASKS), Halves(TASKS)], ids=["sum", "cut"])
def test_a_compiled_network_has_the_same_gradients(balancer: Balancer) -> None:
    """Tasks that read one level must get one tensor from the compiled trunk, too: the cut adds up by identity."""
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
        alone = Batch(batch.image[rows], {task: batch.labels[task]}, {task: torch.arange(len(rows))}, (), ())
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
    step_gradients(model, mixed(), Uniform(TASKS), autocast=nullcontext, keep=False)
    once = model.trunk.encoder.norm.running_mean.clone()
    other = network(norm=True)
    step_gradients(other, mixed(), Uniform(TASKS), autocast=nullcontext, keep=True)
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
    result = step_gradients(model, [collate([blind[0], blind[1]])], Uniform(TASKS), autocast=nullcontext)
    assert set(result.losses) == {"bright"}
    assert model.heads["glow"].layer.weight.grad is None


@pytest.mark.parametrize("at", ["cut", "parameters"])
def test_balanced_gradient_is_the_weighted_sum_of_task_gradients(at: str) -> None:
    model, batches = network(), mixed()
    at_cut = gradients(model, batches, Halves(TASKS, at))
    plain = {task: gradients(model, batches, Only(TASKS, task)) for task in TASKS}
    for name, gradient in at_cut.items():
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


def test_gramian_holds_inner_products_of_mean_gradients() -> None:
    model, balancer = network(), Halves(TASKS)
    batch = mixed()[0]
    gradients(model, [batch], balancer)
    pyramid = model.trunk(batch.pixels, TASKS)
    seen, found = detach_features(pyramid)
    raw = model.answer(seen)
    vectors = []
    for task in TASKS:
        loss = model.tasks[task].loss(raw[task][batch.rows[task]], batch.labels[task])
        leaves = [leaf for _, leaf in sorted(found.leaves[task].items())]
        grads = torch.autograd.grad(loss.mean(), leaves, allow_unused=True)
        flat = [torch.zeros_like(x) if g is None else g for x, g in zip(leaves, grads, strict=True)]
        vectors.append(torch.cat([g.flatten() for g in flat]))
    stacked = torch.stack(vectors)
    torch.testing.assert_close(balancer.seen, stacked @ stacked.T, rtol=1e-4, atol=1e-8)


def test_gramian_at_the_parameters_is_that_of_parameter_gradients() -> None:
    model, batches, balancer = network(), [*mixed(), *mixed()], Halves(TASKS, "parameters")
    gradients(model, batches, balancer)
    plain = [gradients(model, batches, Only(TASKS, task)) for task in TASKS]
    names = [name for name, _ in model.named_parameters() if name.startswith("trunk")]
    rows = torch.stack([torch.cat([one[name].flatten() for name in names]) for one in plain])
    torch.testing.assert_close(balancer.seen, rows @ rows.T, rtol=1e-4, atol=1e-8)


def test_uncertainty_weight_is_the_inverse_variance_and_absent_tasks_rest() -> None:
    balancer = Uncertainty(TASKS)
    balancer.log_variance["glow"].data.fill_(math.log(4.0))
    result = step_gradients(network(), [collate([Noise(labels=("glow",))[0]])], balancer, autocast=nullcontext)
    assert result.weights["glow"] == pytest.approx(0.25)
    assert balancer.log_variance["bright"].grad is None
    expected = 0.5 - result.losses["glow"] / 4
    assert float(balancer.log_variance["glow"].grad) == pytest.approx(expected, rel=1e-4)


def test_non_finite_loss_names_task_and_images() -> None:
    model = network()
    model.heads["glow"].layer.weight.data.fill_(float("inf"))
    with pytest.raises(NonFiniteLoss, match=r"loss of glow is not finite \(glow on :0, :1\)"):
        step_gradients(model, [collate([Noise()[0], Noise()[1]])], Uniform(TASKS), autocast=nullcontext)


def test_a_head_whose_label_holds_nothing_known_rests_at_the_cut() -> None:
    model, blind = network(), Noise(holes=1e9)
    for at in ("cut", "parameters"):
        model.zero_grad(set_to_none=True)
        step_gradients(model, [collate([blind[0], blind[1]])], Halves(TASKS, at=at), autocast=nullcontext)
        assert model.heads["glow"].layer.weight.grad is None
        assert model.heads["bright"].layer.weight.grad is not None
