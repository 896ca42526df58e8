"""The gradients of one step: the only place where balancers meet autograd.

Whatever the number of processes, sources and micro-batches, a step has one mean loss per task,
L_t = (sum of totals) / (sum of counts), and the balancer sees exactly these. Its weights are w_t = d objective / d L_t.
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import torch
from torch import Tensor, nn

from hydranet.balancers.uniform import Uniform
from hydranet.core.balancer import GradientBalancer, LossBalancer, MetaBalancer
from hydranet.core.seeding import seed_generators
from hydranet.core.task import Loss
from hydranet.models.hydranet import HydraNet
from hydranet.training.feature_gradients import DetachedFeatures, detach_features
from hydranet.training.losses import Means, detached, forward, frozen_buffers, losses_of
from hydranet.training.meta_gradients import update
from hydranet.training.shared_gradients import SharedGradients
from hydranet.training.step import StepContext, StepResult


def loss_weights(balancer: LossBalancer, means: Means) -> dict[str, Tensor]:
    """w_t = d objective / d L_t; the balancer's own parameters get their gradient here, once per step."""
    leaves = {name: means.value(name).detach().requires_grad_() for name in means.total}
    if leaves:
        balancer(leaves).backward()
    return {name: torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for name, leaf in leaves.items()}


def backward(losses: dict[str, Loss], scale: dict[str, Tensor], factor: float = 1.0) -> None:
    """Backward of sum_t scale_t * total_t, in one pass."""
    terms = [factor * scale[n] * loss.total for n, loss in losses.items() if n in scale and loss.total.requires_grad]
    if terms:
        torch.stack(terms).sum().backward()


def step_gradients(step: StepContext) -> StepResult:
    """Fills `.grad` of model and balancer with the gradients of one step over all its batches.

    A task without a label on any process keeps grad None. Raises NonFiniteLoss for a loss that is not finite.
    """
    balancer = step.balancer
    if isinstance(balancer, GradientBalancer):
        if any(p.requires_grad for p in step.model.trunk.parameters()):
            with _graphs_kept(step.model.trunk):
                result = _by_gradients(step, balancer)
        else:  # a frozen trunk: heads get their own gradient, nothing is to be balanced
            result = _by_losses(step, Uniform(balancer.tasks))
    else:
        if isinstance(balancer, MetaBalancer):
            step = replace(step, batches=update(step.model, step.batches, balancer, step.seed, step.reduce))
        result = _by_losses(step, balancer)
    for parameter in balancer.parameters():
        if parameter.grad is not None:
            parameter.grad *= step.factor
    return result


def _graphs_kept(trunk: nn.Module) -> AbstractContextManager[object]:
    """Within it torch.compile makes graphs that may be gone back through several times: once for each task."""
    if trunk._compiled_call_impl is None:
        return nullcontext()
    from torch._functorch import config

    patched: AbstractContextManager[object] = config.patch(donated_buffer=False)
    return patched


def _by_losses(step: StepContext, balancer: LossBalancer) -> StepResult:
    def look(i: int) -> dict[str, Loss]:
        return forward(step.model, step.batches[i], step.autocast, step.seed + i)

    if step.keep:
        losses = [look(i) for i in range(len(step.batches))]
    else:
        with torch.no_grad(), frozen_buffers(step.model):
            losses = [look(i) for i in range(len(step.batches))]
    total = step.means(losses)
    weights = loss_weights(balancer, total)
    scale = {name: weight / total.count[name] for name, weight in weights.items()}
    for i in range(len(step.batches)):
        backward(losses[i] if step.keep else look(i), scale, step.factor)
    return _result(total, weights)


def _result(total: Means, weights: dict[str, Tensor], gramian: Tensor | None = None) -> StepResult:
    return StepResult(
        {name: float(total.value(name)) for name in total.total},
        {name: {part: float(value) for part, value in parts.items()} for name, parts in total.parts.items()},
        {name: float(weight) for name, weight in weights.items()},
        gramian,
    )


def _by_gradients(step: StepContext, balancer: GradientBalancer) -> StepResult:
    """Heads get their own gradient; the trunk gets the weighted sum; what one task owns gets that task's own."""
    model, losses, heads = step.model, list[dict[str, Loss]](), list[DetachedFeatures]()
    units: dict[str, Tensor] = {}
    for i in range(len(step.batches)):
        with nullcontext() if step.keep else frozen_buffers(model.trunk):
            batch_losses, features = _heads(step, i, units)
        losses.append(detached(batch_losses))
        heads.append(features)
    total = step.means(losses)
    for name in model.tasks:
        if name not in total.count:  # nothing known in its labels: neither momentum nor weight decay may move its head
            model.heads[name].zero_grad(set_to_none=True)
    if not total.count:
        return _result(total, {})
    shares = _finish_heads(model, total, units)
    shared = SharedGradients(step, balancer, heads, shares)
    gramian, fresh = shared.gramian()
    weights = _ask(balancer, gramian, total)
    shared.backward(weights)
    return _result(total, weights, shared.with_unknown_pairs(gramian) if fresh else None)


def _ask(balancer: GradientBalancer, products: Tensor, total: Means) -> dict[str, Tensor]:
    """The balancer's weights; 1 where fp16 overflowed, since that step is left out and must not move its state."""
    values = {name: total.value(name) for name in total.count}
    if not torch.isfinite(products).all():
        return {name: torch.ones_like(value) for name, value in values.items()}
    return dict(zip(values, balancer(products.float(), values), strict=True))


def _heads(step: StepContext, i: int, units: dict[str, Tensor]) -> tuple[dict[str, Loss], DetachedFeatures]:
    seed_generators(step.seed + i)
    with step.autocast():
        with torch.set_grad_enabled(step.keep):
            pyramids = step.pyramids(i)
        copies, features = detach_features(pyramids)
        raw = step.model.answer(copies)
    losses = losses_of(step.model, raw, step.batches[i])
    # Gradients of about a mean loss, which fit into half precision: by the task's count where it was first seen.
    inverse = {name: 1 / units.setdefault(name, loss.count.detach().clamp(min=1)) for name, loss in losses.items()}
    # Every task has leaves of its own, so one backward pass gives all task gradients apart.
    backward(losses, inverse, step.factor)
    return losses, features


def _finish_heads(model: HydraNet, total: Means, units: dict[str, Tensor]) -> dict[str, Tensor]:
    """Turns the heads' gradients, taken per unit, into those of the means; returns the factor for the trunk's."""
    shares = {name: units.get(name, count) / count for name, count in total.count.items()}
    for name, share in shares.items():
        for parameter in model.heads[name].parameters():
            if parameter.grad is not None:
                parameter.grad *= share
    return shares
