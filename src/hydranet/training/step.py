"""One training step as a value: what it works on, and what it saw."""

import math
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor

from hydranet.core.balancer import Balancer
from hydranet.core.batch import Batch
from hydranet.core.features import Pyramid
from hydranet.core.task import Loss
from hydranet.models.hydranet import HydraNet
from hydranet.training.feature_gradients import ParameterUsers
from hydranet.training.losses import Autocast, Means, Reduce, means


def _alone(tensor: Tensor) -> Tensor:
    return tensor


@dataclass(frozen=True, eq=False)
class StepContext:
    """What one step works on, and how.

    seed:   of dropout; a second look at batch i uses seed + i again.
    keep:   hold all graphs until the backward pass. False = accumulate: look twice, first without graphs for sums,
            counts and weights, then batch by batch with gradients; memory of one batch, and still exact.
    reduce: sum over all processes, in place.    factor: gradients are multiplied by it (the loss scale of fp16).
    users:  which tasks use which of the trunk's parameters; found out when a balancer of gradients asks for it.
    """

    model: HydraNet
    batches: Sequence[Batch]
    balancer: Balancer
    autocast: Autocast = nullcontext
    seed: int = 0
    keep: bool = True
    reduce: Reduce = _alone
    factor: float = 1.0
    users: ParameterUsers | None = None

    @property
    def tasks(self) -> list[str]:
        """Names of all tasks of the network, in their order."""
        return list(self.model.tasks)

    def pyramids(self, i: int) -> dict[str, Pyramid]:
        """What the heads of the tasks that learn from batch i read."""
        batch = self.batches[i]
        asked = [name for name in self.tasks if name in batch.asked]
        return self.model.trunk(batch.pixels, asked) if asked else {}

    def means(self, losses: Sequence[dict[str, Loss]]) -> Means:
        """Losses added up over batches and processes."""
        return means(self.tasks, losses, self.batches, self.reduce)


@dataclass(frozen=True, eq=False)
class StepResult:
    """What one step saw: mean losses, named parts of them, weights, and the Gramian where it was taken in this step.

    gramian: float64 t t; NaN between tasks that share no parameter where gradients are compared.
    """

    losses: dict[str, float]
    parts: dict[str, dict[str, float]] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)
    gramian: Tensor | None = None

    def norms(self) -> dict[str, float]:
        """Length of each task's gradient at the shared parameters; empty as for `cosines`."""
        if self.gramian is None:
            return {}
        norms = zip(self.losses, self.gramian.diagonal().sqrt().tolist(), strict=True)
        return {name: norm for name, norm in norms if math.isfinite(norm)}

    def cosines(self) -> dict[str, float]:
        """Cosine between the gradients of every two tasks that share a parameter, as {"a/b": cosine}.

        Empty in a step that did not compare gradients, or where half precision overflowed.
        """
        if self.gramian is None:
            return {}
        norms = self.gramian.diagonal().sqrt().clamp(min=1e-30)
        matrix = self.gramian / torch.outer(norms, norms)
        names = list(self.losses)
        pairs = [(i, j) for i in range(len(names)) for j in range(i + 1, len(names)) if torch.isfinite(matrix[i, j])]
        return {f"{names[i]}/{names[j]}": float(matrix[i, j]) for i, j in pairs}
