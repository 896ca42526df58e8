"""Losses as shares of what they were at the start, in whatever unit each is."""

from collections.abc import Mapping

import torch
from torch import Tensor

from hydranet.core.balancer import LossBalancer
from hydranet.core.checks.ranges import check_range
from hydranet.core.spec import SpecError, unknown


class ScaledByStart(LossBalancer):
    """A balancer that sees v_t L_t / L_t(0), where L_t(0) is the mean of the task's loss over its first `first` steps.

    Until then it is the mean so far.
    first:   steps, of those in which the task is present.    weights: v_t by hand, 1 where a task is not named.
    Raises SpecError for an unknown task, a weight below 0, and for a task whose losses begin at 0 or below.
    """

    scale = "invariant"

    def __init__(self, tasks: tuple[str, ...], first: int = 20, weights: Mapping[str, float] | None = None) -> None:
        super().__init__(tasks)
        check_range("balancer.first", first, 1)
        self.first, self.by_hand = first, dict(weights or {})
        for name, weight in self.by_hand.items():
            if name not in tasks:
                raise SpecError(unknown(name, tasks, "task (in the balancer's weights)"))
            check_range(f"balancer.weights.{name}", weight, 0)
        self.register_buffer("total", torch.zeros(len(tasks)))
        self.register_buffer("steps", torch.zeros(len(tasks)))
        self.total: Tensor
        self.steps: Tensor

    def share(self, name: str, loss: Tensor) -> Tensor:
        """v_t L_t / L_t(0) of one task; its first losses become part of L_t(0)."""
        place = self.tasks.index(name)
        if self.steps[place] < self.first:
            self.total[place] += loss.detach()
            self.steps[place] += 1
        start = self.total[place] / self.steps[place]
        if start <= 0:
            raise SpecError(
                f"the loss of task {name!r} begins at {start.item():.3g}, expected a number above 0 to divide by; "
                "choose another balancer"
            )
        return self.by_hand.get(name, 1.0) * loss / start.clone()
