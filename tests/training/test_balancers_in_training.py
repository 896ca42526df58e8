"""Every balancer there is, with everything a run can be: missing tasks, sources, precision, accumulation, processes."""

import copy
import importlib
import pkgutil
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from functools import cache, partial
from itertools import islice
from pathlib import Path

import pytest
import torch
from torch import Tensor

from balancer_runs import part, recipe
from hydranet import balancers
from hydranet.checkpoint import checkpoint
from hydranet.core.balancer import GradientBalancer, LossBalancer
from hydranet.core.batch import Batch, collate
from hydranet.training.gradients import step_gradients
from hydranet.training.step import StepContext
from hydranet.training.train import train
from toys import Noise, toy_recipe
from warm_processes import HERE, in_two_processes

TASKS = ("bright", "glow")


def classes() -> Iterator[type]:
    """Every balancer in the package, those of tomorrow included."""
    for module in pkgutil.iter_modules(balancers.__path__, balancers.__name__ + "."):
        for found in vars(importlib.import_module(module.name)).values():
            ours = isinstance(found, type) and found.__module__ == module.name
            if ours and issubclass(found, LossBalancer | GradientBalancer):
                yield found


def names() -> Iterator[str]:
    """Specs "module.Class[@parameters]" that `balancer_runs.part` understands."""
    for found in classes():
        path = f"{found.__module__}.{found.__qualname__}"
        places = ["", "@parameters"] if issubclass(found, GradientBalancer) else [""]
        yield from (path + place for place in places)


SPECS = list(names())
GRADIENTS = [s for s in SPECS if f"{s.partition('@')[0]}@parameters" in SPECS]
EVERY = pytest.mark.parametrize("spec", SPECS, ids=lambda s: s.rpartition(".")[2])


def batches(which: str = "both glow") -> list[Batch]:
    """Several sources in a step: images with both labels, and images with one."""
    kinds = {"both": Noise(), "glow": Noise(seed=4, labels=("glow",)), "bright": Noise(seed=3, labels=("bright",))}
    return [collate([kinds[kind][i] for i in range(3)]) for kind in which.split()]


def grown(spec: str) -> torch.nn.Module:
    """A balancer with history: three steps of other losses than the first."""
    return copy.deepcopy(_grown(spec))


@cache
def _grown(spec: str) -> torch.nn.Module:
    made = part(spec)(TASKS)
    model = toy_recipe(norm=False).build().train()
    for turn in ("both", "glow both", "both bright"):
        step_gradients(StepContext(model, batches(turn), made, autocast=nullcontext))
        model.heads["glow"].layer.weight.data *= 1.3
        model.zero_grad(set_to_none=True)
        nudge(made)
    return made


def nudge(balancer: torch.nn.Module) -> None:
    """A step of gradient descent on what the balancer learns."""
    for parameter in balancer.parameters():
        if parameter.grad is not None:
            parameter.data -= 0.1 * parameter.grad
            parameter.grad = None


def found(spec: str, given: list[Batch], **options: object) -> dict[str, Tensor]:
    """Gradients of network and balancer, and the balancer's state after the step."""
    balancer, model = grown(spec), toy_recipe(norm=False).build().train()
    step_gradients(StepContext(model, given, balancer, **{"autocast": nullcontext, **options}))
    gradients = {f"model.{n}": p.grad for n, p in model.named_parameters() if p.grad is not None}
    learned = {f"balancer.{n}": p.grad for n, p in balancer.named_parameters() if p.grad is not None}
    return {**gradients, **learned, **balancer.state_dict()}


def assert_close(a: dict[str, Tensor], b: dict[str, Tensor], tolerance: float = 1e-4) -> None:
    assert a.keys() == b.keys()
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=tolerance, atol=tolerance * 0.1, equal_nan=True, msg=name)


@EVERY
def test_every_balancer_says_whether_it_cares_for_scale(spec: str) -> None:
    assert part(spec).cls.scale in ("invariant", "sensitive")


@EVERY
def test_sources_and_accumulation_change_nothing(spec: str) -> None:
    samples = [Noise()[i] for i in range(4)] + [Noise(seed=4, labels=("glow",))[i] for i in range(2)]
    whole, parts = [collate(samples)], [collate(samples[:1]), collate(samples[1:5]), collate(samples[5:])]
    once = found(spec, whole)
    assert all(torch.isfinite(t).all() for name, t in once.items() if name.startswith("model."))
    assert_close(once, found(spec, parts))
    assert_close(once, found(spec, parts, keep=False))


@EVERY
def test_absent_task_is_left_alone(spec: str) -> None:
    balancer, model = grown(spec), toy_recipe(norm=False).build().train()
    before = {name: t.clone() for name, t in balancer.state_dict().items()}
    result = step_gradients(StepContext(model, batches("glow"), balancer, autocast=nullcontext))
    assert set(result.weights) == {"glow"}
    assert result.weights["glow"] > 0
    assert all(p.grad is None for p in model.heads["bright"].parameters())
    learned = {n: p for n, p in balancer.named_parameters() if n.endswith(".bright")}
    assert all(p.grad is None for p in learned.values())
    for name, tensor in balancer.state_dict().items():
        if tensor.ndim and tensor.shape[-1] == len(TASKS):
            assert torch.equal(tensor[..., 0].nan_to_num(-1), before[name][..., 0].nan_to_num(-1)), name


@EVERY
@pytest.mark.parametrize("keep", [True, False])
def test_a_batch_without_labels_is_harmless(spec: str, keep: bool) -> None:
    blind = collate([Noise(labels=())[i] for i in range(2)])
    assert_close(found(spec, batches()), found(spec, [*batches(), blind], keep=keep))
    state = grown(spec).state_dict()
    assert_close({n: t for n, t in found(spec, [blind], keep=keep).items() if n in state}, state)


@EVERY
def test_loss_scale_multiplies_every_gradient(spec: str) -> None:
    plain, scaled = found(spec, batches()), found(spec, batches(), factor=256.0)
    back = {n: t / 256 if n.startswith(("model.", "balancer.")) else t for n, t in scaled.items()}
    assert_close(plain, back)


@EVERY
@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_half_precision_is_close(spec: str, kind: torch.dtype) -> None:
    autocast = partial(torch.autocast, "cpu", kind)
    full = found(spec, batches())
    half = found(spec, batches(), autocast=autocast, factor=2.0**12 if kind == torch.float16 else 1.0)
    name = "model.trunk.encoder.stem.weight"
    assert torch.cosine_similarity(full[name].flatten(), half[name].flatten(), dim=0) > 0.98


@pytest.mark.parametrize("spec", GRADIENTS, ids=lambda s: s.rpartition(".")[2])
def test_overflow_moves_no_state(spec: str) -> None:
    balancer, model = grown(spec), toy_recipe(norm=False).build().train()
    before = {name: t.clone() for name, t in balancer.state_dict().items()}
    step_gradients(StepContext(model, batches(), balancer, autocast=nullcontext, factor=1e38))
    assert_close(before, dict(balancer.state_dict()))
    assert all(p.grad is None for p in balancer.parameters())


@EVERY
@pytest.mark.parametrize("accumulate", [1, 2])
def test_resume_is_bit_exact(spec: str, accumulate: int, tmp_path: Path) -> None:
    given = replace(recipe(spec), accumulate=accumulate, ema=0.9, save_every=1)
    list(train(given, tmp_path / "whole"))
    list(islice(train(given, tmp_path / "broken"), 2))
    list(train(given, tmp_path / "broken", resume=True))
    one, other = (checkpoint.read(tmp_path / n / checkpoint.STATE)[0] for n in ("whole", "broken"))
    assert one.keys() == other.keys()
    for name in one:
        assert torch.equal(one[name].nan_to_num(-1), other[name].nan_to_num(-1)), name


@pytest.mark.slow  # two runs of every balancer
def test_two_processes_learn_what_one_learns(tmp_path: Path) -> None:
    """All balancers in one pair of processes; the ranks must agree on every weight, or the next step would differ."""
    in_two_processes(HERE / "balancer_runs.py", tmp_path, *SPECS)
    for i, spec in enumerate(SPECS):
        list(train(recipe(spec), tmp_path / "one" / str(i)))
        mine = checkpoint.read(tmp_path / "one" / str(i) / checkpoint.STATE)[0]
        theirs = checkpoint.read(tmp_path / str(i) / checkpoint.STATE)[0]
        assert mine.keys() == theirs.keys()
        for name in mine:
            torch.testing.assert_close(
                mine[name], theirs[name], rtol=1e-3, atol=1e-4, equal_nan=True, msg=f"{spec} {name}"
            )
