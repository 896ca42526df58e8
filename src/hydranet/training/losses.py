"""The losses of one step: forward passes, and means over processes, sources and micro-batches."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hydranet.core.batch import Batch
from hydranet.core.errors import UserError
from hydranet.core.seeding import seed_generators
from hydranet.core.task import Loss, pick
from hydranet.models.hydranet import HydraNet

Autocast = Callable[[], AbstractContextManager[object]]
Reduce = Callable[[Tensor], Tensor]
"""Sum over all processes, in place; the identity for one process."""


class NonFiniteLoss(UserError, RuntimeError):
    """A loss that is not finite: which task, on which images."""


def losses_of(model: HydraNet, raw: dict[str, object], batch: Batch) -> dict[str, Loss]:
    """The loss of every task that has labels or lessons in the batch and an output."""
    losses: dict[str, Loss] = {}
    with torch.autocast(batch.image.device.type, enabled=False):
        for name, label in batch.labels.items():
            if name in raw:
                rows = batch.rows[name]
                losses[name] = model.tasks[name].with_camera(batch.camera[rows]).loss(pick(raw[name], rows), label)
        for distilled_target in batch.distillation:
            if distilled_target.task in raw:
                rows = distilled_target.rows
                task = model.tasks[distilled_target.task].with_camera(batch.camera[rows])
                names = (distilled_target.task, *distilled_target.also)
                outputs = {name: pick(raw[name], rows) for name in names}
                distilled_loss = task.distill(outputs if distilled_target.also else outputs[names[0]], distilled_target)
                losses[distilled_target.task] = combined(
                    losses.get(distilled_target.task), distilled_loss, distilled_target.weight
                )
    return losses


def combined(labeled: Loss | None, distilled_loss: Loss, weight: float) -> Loss:
    """One loss of a task: its mean is over labeled elements, and over a teacher's with `weight` each.

    (T + w T') / (N + w N') with totals T and counts N: both are sums over images, so it is exact over any split of a
    step, and a balancer sees one loss a task, as without teachers. The part "distilled" is w T'.
    """
    distilled = {"distilled": weight * distilled_loss.total}
    if labeled is None:
        return Loss(weight * distilled_loss.total, weight * distilled_loss.count, distilled)
    before = labeled.parts or {"labeled": labeled.total}
    total, count = labeled.total + weight * distilled_loss.total, labeled.count + weight * distilled_loss.count
    return Loss(total, count, {**before, "distilled": before.get("distilled", 0) + distilled["distilled"]})


def forward(model: HydraNet, batch: Batch, autocast: Autocast, seed: int) -> dict[str, Loss]:
    """Losses of a batch with the graph attached; `seed` fixes dropout, so that a second look sees the same."""
    seed_generators(seed)
    asked = [name for name in model.tasks if name in batch.asked]
    with autocast():
        raw = model(batch.pixels, asked) if asked else {}
    return losses_of(model, raw, batch)


class frozen_buffers(AbstractContextManager[None]):
    """Within it a forward pass leaves buffers (BatchNorm's running statistics) as they were."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    def __enter__(self) -> None:
        self.buffers = {name: buffer.clone() for name, buffer in self.model.named_buffers()}

    def __exit__(self, *_: object) -> None:
        with torch.no_grad():
            for name, buffer in self.model.named_buffers():
                buffer.copy_(self.buffers[name])


def detached(losses: dict[str, Loss]) -> dict[str, Loss]:
    """The same losses without their graph."""
    return {name: Loss(loss.total.detach(), loss.count.detach(), loss.parts) for name, loss in losses.items()}


@dataclass(frozen=True, eq=False)
class Means:
    """Totals and counts of a step, summed over everything, by task present anywhere."""

    total: dict[str, Tensor]
    count: dict[str, Tensor]
    parts: dict[str, dict[str, Tensor]]

    def value(self, name: str) -> Tensor:
        return self.total[name] / self.count[name]


def means(
    tasks: Sequence[str], per_batch: Sequence[dict[str, Loss]], batches: Sequence[Batch], reduce: Reduce
) -> Means:
    """Adds losses up over batches and processes. Raises NonFiniteLoss, on every process, for one that is not finite."""
    device = batches[0].image.device if batches else torch.device("cpu")
    sums = torch.zeros(len(tasks), 2, dtype=torch.float64, device=device)
    for losses in per_batch:
        for name, loss in losses.items():
            sums[tasks.index(name)] += torch.stack([loss.total.detach().double(), loss.count.detach().double()])
    own = {name: row[1].float() for name, row in zip(tasks, sums.clone(), strict=True)}
    sums = reduce(sums)
    bad = [name for name, row in zip(tasks, sums, strict=True) if not torch.isfinite(row).all()]
    if bad:
        raise NonFiniteLoss(_blame(bad, per_batch, batches))
    present = [name for name, row in zip(tasks, sums, strict=True) if row[1] > 0]
    parts: dict[str, dict[str, Tensor]] = {name: {} for name in present}
    for losses in per_batch:
        for name in losses.keys() & set(present):
            for part, value in losses[name].parts.items():
                share = value.detach() / own[name].clamp(min=1e-12)
                parts[name][part] = parts[name].get(part, torch.zeros((), device=device)) + share
    return Means(
        {name: sums[tasks.index(name), 0].float() for name in present},
        {name: sums[tasks.index(name), 1].float() for name in present},
        parts,
    )


def _blame(bad: list[str], per_batch: Sequence[dict[str, Loss]], batches: Sequence[Batch]) -> str:
    where = []
    for losses, batch in zip(per_batch, batches, strict=True):
        for name in bad:
            if name in losses and not torch.isfinite(losses[name].total):
                rows = (batch.rows[name] if name in batch.rows else torch.arange(len(batch.key))).tolist()
                keys = ", ".join(f"{batch.source[i]}:{batch.key[i]}" for i in rows[:8])
                where.append(f"{name} on {keys}{' ...' if len(rows) > 8 else ''}")
    return f"the loss of {', '.join(bad)} is not finite" + (
        f" ({'; '.join(where)})" if where else " on another process"
    )
