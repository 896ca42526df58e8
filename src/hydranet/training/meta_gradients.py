"""What a training step does for held-out images: the slopes that meta-learned task weights descend.

Nothing here moves the network: parameters come back bit by bit, buffers too, and no parameter gets a gradient. All of
it runs in float32, whatever the precision of the run, since the differences are small and no loss scale is needed.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from zlib import crc32

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from hydranet.core.balancer import MetaBalancer
from hydranet.core.batch import Batch
from hydranet.models.hydranet import HydraNet
from hydranet.training.losses import Means, Reduce, forward, frozen_buffers, means

REACH = 0.01
"""Length of the step of a finite difference, as in Auto-Lambda and DARTS (arXiv 1806.09055, section 2.3)."""


def update(
    model: HydraNet, batches: Sequence[Batch], balancer: MetaBalancer, seed: int, reduce: Reduce
) -> Sequence[Batch]:
    """Lets the balancer learn where its turn has come; returns what the step may train on.

    seed: of the step's dropout, the same as for its training.    Raises Diverged for a loss that is not finite.
    """
    if not balancer.held_out and int(balancer.step) % balancer.every:
        return batches
    aside, rest = _apart(batches, balancer)
    if int(balancer.step) % balancer.every == 0:
        with frozen_buffers(model):
            slopes = _slopes(model, aside, rest, balancer, seed, reduce)
        if slopes:
            balancer.update(slopes)
    return rest if balancer.held_out else batches


def _apart(batches: Sequence[Batch], balancer: MetaBalancer) -> tuple[list[Batch], list[Batch]]:
    """Held-out images and the others.

    Where no source is named, a hash of step and image decides: it is the same in every process and micro-batch.
    """
    aside, rest = [], []
    for batch in batches:
        if balancer.held_out:
            chosen = [source in balancer.held_out for source in batch.source]
        else:
            names = zip(batch.source, batch.key, strict=True)
            chosen = [crc32(f"{int(balancer.step)} {source}:{key}".encode()) % 2 == 1 for source, key in names]
        aside.append(select_images(batch, [i for i, yes in enumerate(chosen) if yes]))
        rest.append(select_images(batch, [i for i, yes in enumerate(chosen) if not yes]))
    return aside, rest


def select_images(batch: Batch, chosen: Sequence[int]) -> Batch:
    """Some images of a batch, by number, with the labels they have."""
    place = {image: i for i, image in enumerate(chosen)}
    labels, rows, distillation = {}, {}, []
    for name, index in batch.rows.items():
        held, moved = _held(index, place)
        if held:
            labels[name], rows[name] = pytree.tree_map(partial(_rows, held), batch.labels[name]), moved
    for distilled_target in batch.distillation:
        held, moved = _held(distilled_target.rows, place)
        if held:
            target, raw = pytree.tree_map(partial(_rows, held), (distilled_target.target, distilled_target.raw))
            distillation.append(replace(distilled_target, rows=moved, target=target, raw=raw))
    some = list(chosen)
    return replace(
        batch,
        image=batch.image[some],
        labels=labels,
        rows=rows,
        source=tuple(batch.source[i] for i in some),
        key=tuple(batch.key[i] for i in some),
        camera=batch.camera[some],
        distillation=tuple(distillation),
    )


def _held(index: Tensor, place: dict[int, int]) -> tuple[list[int], Tensor]:
    """Which rows are about chosen images, and the new numbers of these images."""
    held = [row for row, image in enumerate(index.tolist()) if image in place]
    return held, torch.tensor([place[int(index[row])] for row in held], device=index.device)


def _rows(held: list[int], value: object) -> object:
    return value[held] if isinstance(value, Tensor) else value


def _slopes(
    model: HydraNet, aside: list[Batch], rest: list[Batch], balancer: MetaBalancer, seed: int, reduce: Reduce
) -> dict[str, Tensor]:
    """d (held-out loss) / d w_t by task, over |its gradient|^2; empty where either side has no labels."""
    chosen = model.trunk if balancer.exact else model
    parameters = [p for p in chosen.parameters() if p.requires_grad]
    if not parameters:
        return {}
    before = _means(model, rest, seed, reduce)
    weights = {name: weight.detach() for name, weight in balancer.weights(()).items()}
    ahead = torch.zeros(())
    if balancer.look_ahead and before.count:
        ahead = -balancer.look_ahead * _gradient(model, parameters, rest, before, weights, seed, reduce)
    with Shifted(parameters, ahead):
        after = _means(model, aside, seed, reduce)
        goal = {name: torch.ones_like(count) for name, count in after.count.items() if name in balancer.primary}
        direction = _gradient(model, parameters, aside, after, goal, seed, reduce) if goal else torch.zeros(1)
    square = float(direction.square().sum())
    if not before.count or not 0 < square < float("inf"):
        return {}
    if balancer.exact:
        losses = {
            name: -(
                direction @ _gradient(model, parameters, rest, before, {name: torch.ones_like(count)}, seed, reduce)
            )
            for name, count in before.count.items()
        }
    else:
        reach = REACH / square**0.5
        with Shifted(parameters, reach * direction):
            above = _means(model, rest, seed, reduce)
        with Shifted(parameters, -reach * direction):
            below = _means(model, rest, seed, reduce)
        losses = {name: (below.value(name) - above.value(name)) / (2 * reach) for name in before.count}
    return {name: slope / square for name, slope in losses.items()}


class Shifted(nullcontext[None]):
    """Within it the parameters are moved by a vector; afterwards they are what they were, bit by bit."""

    def __init__(self, parameters: Sequence[nn.Parameter], by: Tensor) -> None:
        super().__init__(None)
        self.parameters, self.by = parameters, by

    def __enter__(self) -> None:
        self.old = [p.detach().clone() for p in self.parameters] if self.by.ndim else []
        if self.old:
            with torch.no_grad():
                for p, part in zip(self.parameters, self.by.split([p.numel() for p in self.parameters]), strict=True):
                    p.add_(part.view_as(p))

    def __exit__(self, *_: object) -> None:
        with torch.no_grad():
            for p, old in zip(self.parameters, self.old, strict=False):
                p.copy_(old)


@torch.no_grad()
def _means(model: HydraNet, batches: Sequence[Batch], seed: int, reduce: Reduce) -> Means:
    losses = [forward(model, batch, nullcontext, seed + i) for i, batch in enumerate(batches)]
    return means(list(model.tasks), losses, batches, reduce)


def _gradient(
    model: HydraNet,
    parameters: Sequence[nn.Parameter],
    batches: Sequence[Batch],
    total: Means,
    weights: dict[str, Tensor],
    seed: int,
    reduce: Reduce,
) -> Tensor:
    """The gradient of sum_t w_t L_t as one vector; batch by batch, summed over processes."""
    vector = torch.zeros(sum(p.numel() for p in parameters), device=parameters[0].device)
    for i, batch in enumerate(batches):
        losses = forward(model, batch, nullcontext, seed + i)
        terms = [weights[name] / total.count[name] * loss.total for name, loss in losses.items() if name in weights]
        terms = [term for term in terms if term.requires_grad]
        if terms:
            grads = torch.autograd.grad(torch.stack(terms).sum(), list(parameters), allow_unused=True)
            flat = [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, grads, strict=True)]
            vector += torch.cat([g.flatten() for g in flat])
    return reduce(vector)
