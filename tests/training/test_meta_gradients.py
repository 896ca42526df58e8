"""Weights learned from held-out images: the slopes are what the formula says, and nothing else moves."""

from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from hydranet.balancers.auto_lambda import AutoLambda
from hydranet.balancers.meta_weights import MetaWeights
from hydranet.balancers.uniform import Uniform
from hydranet.config.source import Source
from hydranet.core.batch import Batch, collate
from hydranet.core.distillation_target import DistillationTarget
from hydranet.core.spec import Part, SpecError
from hydranet.models.hydranet import HydraNet
from hydranet.training.gradients import step_gradients
from hydranet.training.losses import losses_of
from hydranet.training.meta_gradients import select_images, update
from hydranet.training.step import StepContext
from toys import Noise, toy_recipe

TASKS = ("bright", "glow")


def batch() -> Batch:
    """Five images of a source that trains, three of one that is held out."""
    train = [Noise()[i].but(source="train") for i in range(5)]
    return collate([*train, *(Noise(seed=4)[i].but(source="aside") for i in range(3))])


def vector(model: HydraNet, given: Batch, names: tuple[str, ...], parameters: list[Tensor]) -> Tensor:
    losses = losses_of(model, model(given.pixels), given)
    goal = torch.stack([losses[name].total / losses[name].count for name in names]).sum()
    grads = torch.autograd.grad(goal, parameters, allow_unused=True)
    return torch.cat(
        [torch.zeros(p.numel()) if g is None else g.flatten() for p, g in zip(parameters, grads, strict=True)]
    )


def sides(given: Batch) -> tuple[Batch, Batch]:
    return select_images(given, [0, 1, 2, 3, 4]), select_images(given, [5, 6, 7])


def test_slopes_of_meta_weights_are_the_agreement_with_the_held_out_gradient() -> None:
    model, balancer = toy_recipe(norm=False).build().train(), MetaWeights(TASKS, 1, ("aside",))
    update(model, [batch()], balancer, 0, lambda t: t)
    train, aside = sides(batch())
    trunk = list(model.trunk.parameters())
    goal = vector(model, aside, TASKS, trunk)
    slopes = torch.stack([-(goal @ vector(model, train, (name,), trunk)) / goal.square().sum() for name in TASKS])
    assert slopes[0] != slopes[1]
    jacobian = 2 * (torch.eye(2) * 0.5 - 0.25)
    found = torch.stack([balancer.z[name].grad for name in TASKS])
    torch.testing.assert_close(found, jacobian @ slopes, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("look_ahead", [0.0, 0.05])
def test_slopes_of_auto_lambda_are_the_formula_of_the_paper(look_ahead: float) -> None:
    model = toy_recipe(norm=False).build().train()
    balancer = AutoLambda(TASKS, 1, ("aside",), look_ahead=look_ahead)
    balancer.w["glow"].data.fill_(3.0)
    update(model, [batch()], balancer, 0, lambda t: t)
    train, aside = sides(batch())
    every = list(model.parameters())
    own = [vector(model, train, (name,), every) for name in TASKS]
    moved = toy_recipe(norm=False).build().train()
    torch.nn.utils.vector_to_parameters(
        torch.nn.utils.parameters_to_vector(every) - look_ahead * (own[0] + 3 * own[1]), moved.parameters()
    )
    goal = vector(moved, aside, TASKS, list(moved.parameters()))
    for name, gradient in zip(TASKS, own, strict=True):
        expected = -(goal @ gradient) / goal.square().sum()
        assert float(balancer.w[name].grad) == pytest.approx(float(expected), rel=2e-2, abs=2e-3)


@pytest.mark.parametrize("kind", [MetaWeights, AutoLambda])
def test_looking_moves_no_network(kind: type) -> None:
    model, balancer = toy_recipe(dropout=0.3).build().train(), kind(TASKS, 1)
    before = {name: t.clone() for name, t in model.state_dict().items()}
    assert update(model, [batch()], balancer, 0, lambda t: t)[0].key == batch().key
    assert any(p.grad is not None for p in balancer.parameters())
    assert all(p.grad is None for p in model.parameters())
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]), name


@pytest.mark.parametrize("kind", [MetaWeights, AutoLambda])
def test_named_sources_are_never_trained_on(kind: type) -> None:
    found = []
    for balancer, given in ((kind(TASKS, 3, ("aside",)), batch()), (Uniform(TASKS), sides(batch())[0])):
        model = toy_recipe(norm=False).build().train()
        step_gradients(StepContext(model, [given], balancer, autocast=nullcontext))
        found.append([p.grad for p in model.parameters()])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("kind", [MetaWeights, AutoLambda])
def test_it_looks_every_so_often(kind: type) -> None:
    balancer, model = kind(TASKS, 3), toy_recipe(norm=False).build().train()
    looked = []
    for _ in range(7):
        step_gradients(StepContext(model, [batch()], balancer, autocast=nullcontext))
        looked.append(any(p.grad is not None for p in balancer.parameters()))
        balancer.zero_grad()
    assert looked == [True, False, False] * 2 + [True]


@pytest.mark.parametrize("kind", [MetaWeights, AutoLambda])
def test_a_task_against_the_held_out_one_loses_weight(kind: type) -> None:
    """The held-out labels of the primary task are those of training; the other task pulls another way."""
    model = toy_recipe(norm=False).build().train()
    balancer = kind(TASKS, 1, ("aside",), ("bright",))
    optimizer = torch.optim.SGD(balancer.parameters(), lr=0.1)
    given = collate([Noise()[i].but(source=name) for name in ("train", "aside") for i in range(4)])
    train, aside = select_images(given, range(4)), select_images(given, range(4, 8))
    trunk = list(model.trunk.parameters())
    goal, other = vector(model, aside, ("bright",), trunk), vector(model, train, ("glow",), trunk)
    for _ in range(5):
        optimizer.zero_grad()
        update(model, [given], balancer, 0, lambda t: t)
        optimizer.step()
    weights = balancer.weights(())
    assert weights["bright"] > 1
    assert weights["glow"] < weights["bright"]
    if kind is AutoLambda:
        assert (weights["glow"] > 1) == bool(goal @ other > 0)


def test_images_take_the_labels_they_have() -> None:
    mixed = collate([Noise()[0], Noise(labels=("glow",))[1], Noise(labels=("bright",))[2], Noise()[3]])
    some = select_images(mixed, [1, 3])
    assert some.key == ("1", "3")
    assert some.rows["glow"].tolist() == [0, 1]
    assert some.rows["bright"].tolist() == [1]
    assert torch.equal(some.labels["bright"].value, mixed.labels["bright"].value[[2]])
    assert "bright" not in select_images(mixed, [1]).labels
    assert select_images(mixed, []).image.shape[0] == 0


def test_images_take_what_teachers_say_about_them() -> None:
    target = collate([Noise()[i] for i in (1, 3)]).labels["glow"]
    distilled_target = DistillationTarget(
        "glow", torch.tensor([1, 3]), target, raw={"maps": torch.tensor([[10.0], [30.0]])}
    )
    taught = replace(collate([Noise()[i] for i in range(4)]), distillation=(distilled_target,))
    (some,) = select_images(taught, [2, 3]).distillation
    assert some.rows.tolist() == [1]
    assert some.raw["maps"].tolist() == [[30.0]]
    assert torch.equal(some.target.values.nan_to_num(-1), target.values[[1]].nan_to_num(-1))
    assert select_images(taught, [0, 2]).distillation == ()


def test_what_is_refused() -> None:
    with pytest.raises(SpecError, match="got every=0, expected a number of steps >= 1"):
        MetaWeights(TASKS, 0)
    with pytest.raises(
        SpecError, match=r"no task \(in the balancer's primary\) is called 'brigt'; did you mean 'bright'"
    ):
        AutoLambda(TASKS, primary=("brigt",))
    with pytest.raises(SpecError, match=r"got start=-1, most=10\.0, look_ahead=0\.001, expected 0 <= start <= most"):
        AutoLambda(TASKS, start=-1)
    sources = (Source("many", Noise(), (32, 64)), Source("aside", Noise(), (32, 64)))
    with pytest.raises(
        SpecError, match=r"no source \(in the balancer's held_out\) is called 'asid'; did you mean 'aside'"
    ):
        replace(toy_recipe(sources), balancer=Part(MetaWeights, held_out=("asid",))).build_balancer()
    with pytest.raises(SpecError, match="every source is held out, none is left to train on"):
        replace(toy_recipe(sources), balancer=Part(MetaWeights, held_out=("aside", "many"))).build_balancer()
