"""Weights set by hand."""

from collections.abc import Mapping

from torch import Tensor, stack

from hydranet.core.balancer import LossBalancer, Losses
from hydranet.core.spec import SpecError, unknown


class Static(LossBalancer):
    """sum_t w_t L_t with w_t from `weights`, 1 where a task is not named. Raises SpecError for an unknown task."""

    scale = "sensitive"

    def __init__(self, tasks: tuple[str, ...], weights: Mapping[str, float] | None = None) -> None:
        super().__init__(tasks)
        self.weights = dict(weights or {})
        for name, weight in self.weights.items():
            if name not in tasks:
                raise SpecError(unknown(name, tasks, "task (in the balancer's weights)"))
            if weight < 0:
                raise SpecError(f"got weight {weight} for task {name!r}, expected a number >= 0")

    def forward(self, losses: Losses) -> Tensor:
        return stack([self.weights.get(name, 1.0) * loss for name, loss in losses.items()]).sum()
