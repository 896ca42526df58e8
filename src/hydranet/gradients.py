"""The gradients of one step: the only place where balancers meet autograd.

Whatever the number of processes, sources and micro-batches, a step has one mean loss per task,
L_t = (sum of totals) / (sum of counts), and the balancer sees exactly these. Its weights are w_t = d objective / d L_t.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hydranet.core.balancer import Balancer, GradientBalancer, LossBalancer
from hydranet.core.batch import Batch
from hydranet.core.errors import UserError
from hydranet.core.features import Pyramid
from hydranet.core.task import Loss, pick
from hydranet.model import HydraNet

Autocast = Callable[[], AbstractContextManager[object]]
Reduce = Callable[[Tensor], Tensor]
"""Sum over all processes, in place; the identity for one process."""


class Diverged(UserError, RuntimeError):
    """A loss that is not finite: which task, on which images."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one step saw: mean losses, named parts of them, weights, and the Gramian where the balancer used it."""

    losses: dict[str, float]
    parts: dict[str, dict[str, float]]
    weights: dict[str, float]
    gramian: Tensor | None = None


def losses_of(model: HydraNet, raw: dict[str, object], batch: Batch) -> dict[str, Loss]:
    """The loss of every task that has labels in the batch and an output."""
    found = {}
    for name, label in batch.labels.items():
        if name in raw:
            with torch.autocast(batch.image.device.type, enabled=False):
                found[name] = model.tasks[name].loss(pick(raw[name], batch.rows[name]), label)
    return found


def forward(model: HydraNet, batch: Batch, autocast: Autocast, seed: int) -> dict[str, Loss]:
    """Losses of a batch with the graph attached; `seed` fixes dropout, so that a second look sees the same."""
    torch.manual_seed(seed)
    labelled = [name for name in model.tasks if name in batch.labels]
    with autocast():
        raw = model(batch.pixels, labelled)
    return losses_of(model, raw, batch)


@dataclass(frozen=True, eq=False)
class Means:
    """Totals and counts of a step, summed over everything, by task present anywhere."""

    total: dict[str, Tensor]
    count: dict[str, Tensor]
    parts: dict[str, dict[str, Tensor]]

    def value(self, name: str) -> Tensor:
        return self.total[name] / self.count[name]


def means(tasks: Sequence[str], found: Sequence[dict[str, Loss]], batches: Sequence[Batch], reduce: Reduce) -> Means:
    """Adds losses up over batches and processes. Raises Diverged, on every process, for one that is not finite."""
    device = batches[0].image.device if batches else torch.device("cpu")
    sums = torch.zeros(len(tasks), 2, dtype=torch.float64, device=device)
    for losses in found:
        for name, loss in losses.items():
            sums[tasks.index(name)] += torch.stack([loss.total.detach().double(), loss.count.detach().double()])
    sums = reduce(sums)
    bad = [name for name, row in zip(tasks, sums, strict=True) if not torch.isfinite(row).all()]
    if bad:
        raise Diverged(_blame(bad, found, batches))
    present = [name for name, row in zip(tasks, sums, strict=True) if row[1] > 0]
    parts: dict[str, dict[str, Tensor]] = {name: {} for name in present}
    for losses in found:
        for name in losses.keys() & set(present):
            for part, value in losses[name].parts.items():
                parts[name][part] = parts[name].get(part, torch.zeros((), device=device)) + value.detach()
    return Means(
        {name: sums[tasks.index(name), 0].float() for name in present},
        {name: sums[tasks.index(name), 1].float() for name in present},
        parts,
    )


def _blame(bad: list[str], found: Sequence[dict[str, Loss]], batches: Sequence[Batch]) -> str:
    where = []
    for losses, batch in zip(found, batches, strict=True):
        for name in bad:
            if name in losses and not torch.isfinite(losses[name].total):
                rows = batch.rows[name].tolist()
                keys = ", ".join(f"{batch.source[i]}:{batch.key[i]}" for i in rows[:8])
                where.append(f"{name} on {keys}{' ...' if len(rows) > 8 else ''}")
    return f"the loss of {', '.join(bad)} is not finite" + (
        f" ({'; '.join(where)})" if where else " on another process"
    )


def price(balancer: LossBalancer, means: Means) -> dict[str, Tensor]:
    """w_t = d objective / d L_t; the balancer's own parameters get their gradient here, once a step."""
    leaves = {name: means.value(name).detach().requires_grad_() for name in means.total}
    if leaves:
        balancer(leaves).backward()
    return {name: torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for name, leaf in leaves.items()}


def backward(losses: dict[str, Loss], scale: dict[str, Tensor], factor: float = 1.0) -> None:
    """Backward of sum_t scale_t * total_t, in one pass."""
    terms = [factor * scale[name] * loss.total for name, loss in losses.items() if name in scale]
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
) -> Outcome:
    """Fills `.grad` of model and balancer with the gradients of one step over all `batches`.

    keep:   hold all graphs until the backward pass. False = accumulate: look twice, first without graphs for sums,
            counts and weights, then batch by batch with gradients; memory of one batch, and still exact.
    factor: gradients are multiplied by it (the loss scale of fp16).
    A task without a label on any process keeps grad None. Raises Diverged for a loss that is not finite.
    """
    if isinstance(balancer, GradientBalancer):
        return _at_the_cut(model, batches, balancer, autocast, seed, keep, reduce, factor)
    tasks = list(model.tasks)
    if keep:
        found = [forward(model, batch, autocast, seed + i) for i, batch in enumerate(batches)]
    else:
        with torch.no_grad(), Unmoved(model):
            found = [forward(model, batch, autocast, seed + i) for i, batch in enumerate(batches)]
    total = means(tasks, found, batches, reduce)
    weights = price(balancer, total)
    scale = {name: weight / total.count[name] for name, weight in weights.items()}
    for i, batch in enumerate(batches):
        backward(found[i] if keep else forward(model, batch, autocast, seed + i), scale, factor)
    return _outcome(total, weights)


def _outcome(total: Means, weights: dict[str, Tensor], gramian: Tensor | None = None) -> Outcome:
    return Outcome(
        {name: float(total.value(name)) for name in total.total},
        {n: {part: float(v / total.count[n]) for part, v in parts.items()} for n, parts in total.parts.items()},
        {name: float(weight) for name, weight in weights.items()},
        gramian,
    )


class Unmoved(AbstractContextManager[None]):
    """Within it a forward pass leaves buffers (BatchNorm's running statistics) as they were."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    def __enter__(self) -> None:
        self.buffers = {name: buffer.clone() for name, buffer in self.model.named_buffers()}

    def __exit__(self, *_: object) -> None:
        with torch.no_grad():
            for name, buffer in self.model.named_buffers():
                buffer.copy_(self.buffers[name])


@dataclass(frozen=True, eq=False)
class Cut:
    """Where heads were separated from the trunk: the trunk's tensors, and for each task its own copies of them."""

    trunk: list[Tensor]
    leaves: dict[str, dict[int, Tensor]]

    def gradient(self, task: str, index: int) -> Tensor | None:
        leaf = self.leaves[task].get(index)
        return None if leaf is None else leaf.grad


def cut(pyramids: dict[str, Pyramid]) -> tuple[dict[str, Pyramid], Cut]:
    """Detached copies of the pyramids, one set for each task, and the way back.

    Gradients asked for at *attached* levels would be wrong, since a finer level depends on a coarser one.
    """
    trunk: list[Tensor] = []
    index: dict[int, int] = {}
    leaves: dict[str, dict[int, Tensor]] = {}
    seen: dict[str, Pyramid] = {}
    for task, pyramid in pyramids.items():
        leaves[task] = {}
        seen[task] = []
        for level in pyramid:
            place = index.setdefault(id(level), len(trunk))
            if place == len(trunk):
                trunk.append(level)
            leaf = level.detach().requires_grad_()
            leaves[task][place] = leaf
            seen[task].append(leaf)
    return seen, Cut(trunk, leaves)


def gramian(cuts: Sequence[Cut], counts: dict[str, Tensor]) -> Tensor:
    """t t inner products of the gradients of the mean losses at the cut; those of several batches add up."""
    tasks = list(counts)
    device = next(iter(counts.values())).device
    matrix = torch.zeros(len(tasks), len(tasks), dtype=torch.float64, device=device)
    for one in cuts:
        for i, a in enumerate(tasks):
            for j, b in enumerate(tasks[: i + 1]):
                product = _inner(one, a, b) / (counts[a].double() * counts[b].double())
                matrix[i, j] += product
                if i != j:
                    matrix[j, i] += product
    return matrix


def _inner(one: Cut, a: str, b: str) -> Tensor:
    total = torch.zeros((), dtype=torch.float64, device=one.trunk[0].device)
    if a in one.leaves and b in one.leaves:
        for index in one.leaves[a].keys() & one.leaves[b].keys():
            left, right = one.gradient(a, index), one.gradient(b, index)
            if left is not None and right is not None:
                total += torch.dot(left.flatten().float(), right.flatten().float()).double()
    return total


def _at_the_cut(
    model: HydraNet,
    batches: Sequence[Batch],
    balancer: GradientBalancer,
    autocast: Autocast,
    seed: int,
    keep: bool,
    reduce: Reduce,
    factor: float,
) -> Outcome:
    found, cuts = [], []
    for i, batch in enumerate(batches):
        if keep:
            losses, one = _heads(model, batch, autocast, seed + i, factor)
        else:
            with Unmoved(model.trunk):
                losses, one = _heads(model, batch, autocast, seed + i, factor, graph=False)
        found.append(
            {name: Loss(loss.total.detach(), loss.count.detach(), loss.parts) for name, loss in losses.items()}
        )
        cuts.append(one)
    total = means(list(model.tasks), found, batches, reduce)
    for name in total.count:
        for parameter in model.heads[name].parameters():
            if parameter.grad is not None:
                parameter.grad /= total.count[name]
    products = reduce(gramian(cuts, total.count)) / factor**2
    values = {name: total.value(name) for name in total.count}
    weights = dict(zip(values, balancer(products.float(), values), strict=True))
    for i, (batch, one) in enumerate(zip(batches, cuts, strict=True)):
        tensors = one.trunk if keep else _trunk(model, batch, autocast, seed + i)
        _pull(one, tensors, {name: weights[name] / total.count[name] for name in weights})
    return _outcome(total, weights, products)


def _trunk(model: HydraNet, batch: Batch, autocast: Autocast, seed: int) -> list[Tensor]:
    torch.manual_seed(seed)
    with autocast():
        pyramids = model.trunk(batch.pixels, [name for name in model.tasks if name in batch.labels])
    return cut(pyramids)[1].trunk


def _heads(
    model: HydraNet, batch: Batch, autocast: Autocast, seed: int, factor: float, graph: bool = True
) -> tuple[dict[str, Loss], Cut]:
    torch.manual_seed(seed)
    labelled = [name for name in model.tasks if name in batch.labels]
    with autocast():
        with torch.set_grad_enabled(graph):
            pyramids = model.trunk(batch.pixels, labelled)
        seen, one = cut(pyramids)
        raw = model.answer(seen)
    losses = losses_of(model, raw, batch)
    # Every task has leaves of its own, so one backward pass gives all task gradients apart.
    if losses:
        (torch.stack([loss.total for loss in losses.values()]).sum() * factor).backward()
    return losses, one


def _pull(one: Cut, trunk: list[Tensor], weights: dict[str, Tensor]) -> None:
    """One backward pass through the trunk with the weighted sum of the task gradients."""
    tensors, gradients = [], []
    for index, level in enumerate(trunk):
        parts = [(weights[t], one.gradient(t, index)) for t in one.leaves if t in weights]
        weighted = [weight.to(g.dtype) * g for weight, g in parts if g is not None]
        if weighted and level.requires_grad:
            tensors.append(level)
            gradients.append(torch.stack(weighted).sum(0) if len(weighted) > 1 else weighted[0])
    if tensors:
        torch.autograd.backward(tensors, gradients)
