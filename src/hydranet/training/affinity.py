"""How much one task's step helps another, looked at while a shared network trains; nothing about the run changes."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hydranet.core.batch import Batch
from hydranet.models.hydranet import HydraNet
from hydranet.training.losses import Autocast, forward, frozen_buffers

Table = dict[str, dict[str, float]]
"""table[i][j]: task i, task j, for the pairs of which a step has labels."""


@dataclass(frozen=True)
class Affinities:
    """What one look found.

    lookahead: Z_ij = 1 - L_j(theta - lr g_i) / L_j(theta), where g_i is the gradient of task i's loss at the shared
               parameters (TAG, Fifty et al., NeurIPS 2021, arXiv 2109.04617, equation 1).
    cosine:    between g_i and g_j.
    """

    lookahead: Table
    cosine: Table


def look(model: HydraNet, batches: Sequence[Batch], autocast: Autocast, lr: float, seed: int) -> Affinities:
    """What one step's batches say of each pair of tasks. Costs one backward pass and one forward pass per task.

    lr: of the step that is tried, as the run's own step has it. Weights, buffers, gradients and mode are as before
    afterwards. Tasks without labels in these batches are not looked at.
    """
    training, lookahead, cosine = model.training, Table(), Table()
    with frozen_buffers(model):
        model.train()
        before, gradients = _gradients(model, batches, autocast, seed)
        shared = [p for p in model.trunk.parameters() if p.requires_grad]
        norms = {task: _dot(g, g) ** 0.5 for task, g in gradients.items()}
        for first, step in gradients.items():
            after = _after(model, batches, autocast, seed, (shared, step, lr))
            others = {task: g for task, g in gradients.items() if task != first}
            lookahead[first] = {task: 1 - after[task] / max(before[task], 1e-30) for task in others}
            cosine[first] = {task: _dot(step, g) / max(norms[first] * norms[task], 1e-30) for task, g in others.items()}
    model.train(training)
    return Affinities(lookahead, cosine)


def _gradients(
    model: HydraNet, batches: Sequence[Batch], autocast: Autocast, seed: int
) -> tuple[dict[str, float], dict[str, list[Tensor]]]:
    """The mean loss of each task, and its gradient at the trunk's parameters."""
    shared = [p for p in model.trunk.parameters() if p.requires_grad]
    losses = _mean_losses(model, batches, autocast, seed)
    gradients = {}
    for task, loss in losses.items():
        given = torch.autograd.grad(loss, shared, retain_graph=True, allow_unused=True)
        gradients[task] = [torch.zeros_like(p) if g is None else g for p, g in zip(shared, given, strict=True)]
    return {task: float(loss.detach()) for task, loss in losses.items()}, gradients


@torch.no_grad()
def _after(
    model: HydraNet,
    batches: Sequence[Batch],
    autocast: Autocast,
    seed: int,
    step: tuple[Sequence[nn.Parameter], Sequence[Tensor], float],
) -> dict[str, float]:
    """The mean loss of each task after a step (parameters, gradient, rate), which is taken back."""
    parameters, gradient, lr = step
    kept = [parameter.clone() for parameter in parameters]
    for parameter, g in zip(parameters, gradient, strict=True):
        parameter.sub_(g, alpha=lr)
    losses = {task: float(loss) for task, loss in _mean_losses(model, batches, autocast, seed).items()}
    for parameter, value in zip(parameters, kept, strict=True):
        parameter.copy_(value)
    return losses


def _mean_losses(model: HydraNet, batches: Sequence[Batch], autocast: Autocast, seed: int) -> dict[str, Tensor]:
    totals: dict[str, Tensor] = {}
    counts: dict[str, Tensor] = {}
    for index, batch in enumerate(batches):
        for task, loss in forward(model, batch, autocast, seed + index).items():
            totals[task] = totals[task] + loss.total if task in totals else loss.total
            counts[task] = counts[task] + loss.count if task in counts else loss.count
    return {task: total / counts[task] for task, total in totals.items() if float(counts[task]) > 0}


def _dot(one: Sequence[Tensor], other: Sequence[Tensor]) -> float:
    return float(torch.stack([(a.double() * b.double()).sum() for a, b in zip(one, other, strict=True)]).sum())
