"""The gradients of one step: the only place where balancers meet autograd.

Whatever the number of processes, sources and micro-batches, a step has one mean loss per task,
L_t = (sum of totals) / (sum of counts), and the balancer sees exactly these. Its weights are w_t = d objective / d L_t.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from hydranet.balancers.uniform import Uniform
from hydranet.core.balancer import Balancer, GradientBalancer, LossBalancer, MetaBalancer
from hydranet.core.batch import Batch
from hydranet.core.features import Pyramid
from hydranet.core.task import Loss
from hydranet.models.hydranet import HydraNet
from hydranet.training.feature_gradients import DetachedFeatures, backward_features, detach_features, gramian
from hydranet.training.losses import Autocast, Means, Reduce, detached, forward, frozen_buffers, losses_of, means
from hydranet.training.meta_gradients import update


@dataclass(frozen=True, eq=False)
class StepResult:
    """What one step saw: mean losses, named parts of them, weights, and the Gramian where the balancer used it."""

    losses: dict[str, float]
    parts: dict[str, dict[str, float]]
    weights: dict[str, float]
    gramian: Tensor | None = None

    def cosines(self) -> dict[str, float]:
        """Cosine between the gradients of every two tasks, as {"a/b": cosine}; empty without a finite Gramian."""
        if self.gramian is None or not torch.isfinite(self.gramian).all():
            return {}
        norms = self.gramian.diagonal().sqrt().clamp(min=1e-30)
        matrix = (self.gramian / torch.outer(norms, norms)).tolist()
        names = list(self.losses)
        return {f"{a}/{b}": matrix[i][j] for i, a in enumerate(names) for j, b in enumerate(names) if i < j}


def loss_weights(balancer: LossBalancer, means: Means) -> dict[str, Tensor]:
    """w_t = d objective / d L_t; the balancer's own parameters get their gradient here, once a step."""
    leaves = {name: means.value(name).detach().requires_grad_() for name in means.total}
    if leaves:
        balancer(leaves).backward()
    return {name: torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for name, leaf in leaves.items()}


def backward(losses: dict[str, Loss], scale: dict[str, Tensor], factor: float = 1.0) -> None:
    """Backward of sum_t scale_t * total_t, in one pass."""
    terms = [factor * scale[n] * loss.total for n, loss in losses.items() if n in scale and loss.total.requires_grad]
    if terms:
        torch.stack(terms).sum().backward()


def step_gradients(
    model: HydraNet,
    batches: Sequence[Batch],
    balancer: Balancer,
    *,
    autocast: Autocast,
    seed: int = 0,
    keep: bool = True,
    reduce: Reduce = lambda t: t,
    factor: float = 1.0,
) -> StepResult:
    """Fills `.grad` of model and balancer with the gradients of one step over all `batches`.

    keep:   hold all graphs until the backward pass. False = accumulate: look twice, first without graphs for sums,
            counts and weights, then batch by batch with gradients; memory of one batch, and still exact.
    factor: gradients are multiplied by it (the loss scale of fp16).
    A task without a label on any process keeps grad None. Raises Diverged for a loss that is not finite.
    """
    if isinstance(balancer, GradientBalancer) and not any(p.requires_grad for p in model.trunk.parameters()):
        balancer = Uniform(balancer.tasks)  # a frozen trunk: heads get their own gradient, nothing is to be balanced
    if isinstance(balancer, MetaBalancer):
        batches = update(model, batches, balancer, seed, reduce)
    if isinstance(balancer, LossBalancer):
        result = _of_losses(model, batches, balancer, autocast, seed, keep, reduce, factor)
    elif balancer.at == "cut":
        result = _at_the_cut(model, batches, balancer, autocast, seed, keep, reduce, factor)
    else:
        result = _at_the_parameters(model, batches, balancer, autocast, seed, reduce, factor)
    for parameter in balancer.parameters():
        if parameter.grad is not None:
            parameter.grad *= factor
    return result


def _of_losses(
    model: HydraNet,
    batches: Sequence[Batch],
    balancer: LossBalancer,
    autocast: Autocast,
    seed: int,
    keep: bool,
    reduce: Reduce,
    factor: float,
) -> StepResult:
    tasks = list(model.tasks)
    if keep:
        found = [forward(model, batch, autocast, seed + i) for i, batch in enumerate(batches)]
    else:
        with torch.no_grad(), frozen_buffers(model):
            found = [forward(model, batch, autocast, seed + i) for i, batch in enumerate(batches)]
    total = means(tasks, found, batches, reduce)
    weights = loss_weights(balancer, total)
    scale = {name: weight / total.count[name] for name, weight in weights.items()}
    for i, batch in enumerate(batches):
        backward(found[i] if keep else forward(model, batch, autocast, seed + i), scale, factor)
    return _outcome(total, weights)


def _outcome(total: Means, weights: dict[str, Tensor], gramian: Tensor | None = None) -> StepResult:
    return StepResult(
        {name: float(total.value(name)) for name in total.total},
        {name: {part: float(value) for part, value in parts.items()} for name, parts in total.parts.items()},
        {name: float(weight) for name, weight in weights.items()},
        gramian,
    )


def _ask(balancer: GradientBalancer, products: Tensor, total: Means) -> dict[str, Tensor]:
    """The balancer's weights; 1 where fp16 overflowed, since that step is left out and must not move its state."""
    values = {name: total.value(name) for name in total.count}
    if not torch.isfinite(products).all():
        return {name: torch.ones_like(value) for name, value in values.items()}
    return dict(zip(values, balancer(products.float(), values), strict=True))


def _at_the_cut(
    model: HydraNet,
    batches: Sequence[Batch],
    balancer: GradientBalancer,
    autocast: Autocast,
    seed: int,
    keep: bool,
    reduce: Reduce,
    factor: float,
) -> StepResult:
    found, cuts = [], []
    units: dict[str, Tensor] = {}
    for i, batch in enumerate(batches):
        with nullcontext() if keep else frozen_buffers(model.trunk):
            losses, one = _heads(model, batch, autocast, seed + i, factor, units, graph=keep)
        found.append(detached(losses))
        cuts.append(one)
    total = means(list(model.tasks), found, batches, reduce)
    _rest(model, total)
    if not total.count:
        return _outcome(total, {})
    shares = _finish_heads(model, total, units)
    products = reduce(gramian(cuts, shares)) / factor**2
    weights = _ask(balancer, products, total)
    for i, (batch, one) in enumerate(zip(batches, cuts, strict=True)):
        tensors = one.trunk if keep else _trunk(model, batch, autocast, seed + i)
        backward_features(one, tensors, {name: weight * shares[name] for name, weight in weights.items()})
    return _outcome(total, weights, products)


def _trunk(model: HydraNet, batch: Batch, autocast: Autocast, seed: int) -> list[Tensor]:
    torch.manual_seed(seed)
    with autocast():
        return detach_features(_pyramids(model, batch))[1].trunk


def _pyramids(model: HydraNet, batch: Batch) -> dict[str, Pyramid]:
    asked = [name for name in model.tasks if name in batch.asked]
    return model.trunk(batch.pixels, asked) if asked else {}


def _heads(
    model: HydraNet,
    batch: Batch,
    autocast: Autocast,
    seed: int,
    factor: float,
    units: dict[str, Tensor],
    graph: bool,
) -> tuple[dict[str, Loss], DetachedFeatures]:
    torch.manual_seed(seed)
    with autocast():
        with torch.set_grad_enabled(graph):
            pyramids = _pyramids(model, batch)
        seen, one = detach_features(pyramids)
        raw = model.answer(seen)
    losses = losses_of(model, raw, batch)
    # Every task has leaves of its own, so one backward pass gives all task gradients apart.
    backward(losses, _inverse(units, losses), factor)
    return losses, one


def _inverse(units: dict[str, Tensor], losses: dict[str, Loss]) -> dict[str, Tensor]:
    """1 / the task's count where it was first seen: gradients of about a mean loss, which fit into half precision."""
    return {name: 1 / units.setdefault(name, loss.count.detach().clamp(min=1)) for name, loss in losses.items()}


def _rest(model: HydraNet, total: Means) -> None:
    """Heads whose labels held nothing known keep no gradient: neither momentum nor weight decay may move them."""
    for name in model.tasks:
        if name not in total.count:
            model.heads[name].zero_grad(set_to_none=True)


def _finish_heads(model: HydraNet, total: Means, units: dict[str, Tensor]) -> dict[str, Tensor]:
    """Turns the heads' gradients, taken per unit, into those of the means; returns the factor for the trunk's."""
    shares = {name: units.get(name, count) / count for name, count in total.count.items()}
    for name, share in shares.items():
        for parameter in model.heads[name].parameters():
            if parameter.grad is not None:
                parameter.grad *= share
    return shares


def _at_the_parameters(
    model: HydraNet,
    batches: Sequence[Batch],
    balancer: GradientBalancer,
    autocast: Autocast,
    seed: int,
    reduce: Reduce,
    factor: float,
) -> StepResult:
    """As in the papers, a backward pass for each task; every batch is looked at once."""
    tasks, found = list(model.tasks), []
    trunk = [p for p in model.trunk.parameters() if p.requires_grad]
    sizes = [p.numel() for p in trunk]
    vectors = torch.zeros(len(tasks), sum(sizes), device=next(model.parameters()).device)
    units: dict[str, Tensor] = {}
    used = [False] * len(trunk)
    for i, batch in enumerate(batches):
        losses = forward(model, batch, autocast, seed + i)
        scale = _inverse(units, losses)
        for name, loss in losses.items():
            heads = [p for p in model.heads[name].parameters() if p.requires_grad]
            objective = factor * scale[name] * loss.total
            if not objective.requires_grad:
                continue
            last = name == next(reversed(losses))
            grads = torch.autograd.grad(objective, [*trunk, *heads], retain_graph=not last, allow_unused=True)
            used = [before or g is not None for before, g in zip(used, grads, strict=False)]
            flat = [torch.zeros_like(p) if g is None else g for p, g in zip(trunk, grads, strict=False)]
            vectors[tasks.index(name)] += torch.cat([g.flatten() for g in flat])
            for p, g in zip(heads, grads[len(trunk) :], strict=True):
                p.grad = g if p.grad is None or g is None else p.grad + g
        found.append(detached(losses))
    total = means(tasks, found, batches, reduce)
    _rest(model, total)
    if not total.count:
        return _outcome(total, {})
    shares = _finish_heads(model, total, units)
    vectors = torch.stack([share * vectors[tasks.index(name)] for name, share in shares.items()])
    joint = reduce(vectors.clone())
    products = (joint @ joint.T).double() / factor**2
    weights = _ask(balancer, products, total)
    for p, part, touched in zip(trunk, (torch.stack(list(weights.values())) @ vectors).split(sizes), used, strict=True):
        p.grad = part.view_as(p) if touched else None
    return _outcome(total, weights, products)
