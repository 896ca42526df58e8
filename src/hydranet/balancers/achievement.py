"""Weights by what each task still lacks of a network of its own (Yun, Cho, "Achievement-based Training Progress
Balancing for Multi-Task Learning", ICCV 2023)."""

from collections.abc import Mapping

import torch
from torch import Tensor

from hydranet.core.balancer import LossBalancer, Losses
from hydranet.core.checks.ranges import check_range
from hydranet.core.log_losses import log_losses
from hydranet.core.spec import SpecError, unknown

FLOOR = 1e-8
"""Losses below count as it: a geometric mean with a zero in it is zero."""


class Achievement(LossBalancer):
    """(prod_t L_t^w_t)^(1 / sum w): a geometric mean, in which a task weighs more the less it has achieved.

    w_t = (1 - a_t / margin)^focus, where a_t, at most 1, is what has been achieved of a single-task network. The paper
    measures a as a ratio of accuracies after each epoch; here it is one of losses, which every step has:
    a_t = reached_t / (mean of L_t over about `window` steps). So L_t has the unit of `reached`, whatever that is.

    reached: by task, the loss at which its single-task network ended (the logs of `hydranet retention` have it); a task
             that is not named has achieved nothing yet, so that without any all weights are 1 (`GLS`).
    margin:  above 1: a task that is as good as alone keeps (1 - 1 / margin)^focus.    focus: 0 = equal weights.
    Raises SpecError for an unknown task, a loss of 0 or below in `reached`, and a negative loss.
    """

    scale = "sensitive"

    def __init__(
        self,
        tasks: tuple[str, ...],
        reached: Mapping[str, float] | None = None,
        margin: float = 1.1,
        focus: float = 1.0,
        window: int = 50,
    ) -> None:
        super().__init__(tasks)
        for name, loss in (reached or {}).items():
            if name not in tasks:
                raise SpecError(unknown(name, tasks, "task (in the balancer's reached)"))
            check_range(f"balancer.reached.{name}", loss, 0, above=True)
        check_range("balancer.margin", margin, 1, above=True)
        check_range("balancer.focus", focus, 0)
        check_range("balancer.window", window, 1)
        self.margin, self.focus, self.window = margin, focus, window
        self.goals = [float((reached or {}).get(name, 0)) for name in tasks]
        self.register_buffer("mean", torch.zeros(len(tasks)))
        self.register_buffer("steps", torch.zeros(len(tasks)))
        self.mean: Tensor
        self.steps: Tensor

    def forward(self, losses: Losses) -> Tensor:
        logs = log_losses(losses, FLOOR)
        achieved = [self._achieved(self.tasks.index(name), loss.detach()) for name, loss in losses.items()]
        shares = (1 - torch.stack(achieved) / self.margin) ** self.focus
        return torch.exp((logs * shares).sum() / shares.sum())

    def _achieved(self, place: int, loss: Tensor) -> Tensor:
        """What one task has achieved, 0 to 1, after its loss became part of the mean."""
        self.steps[place] += 1
        self.mean[place] += (loss - self.mean[place]) / self.steps[place].clamp(max=self.window)
        return (self.goals[place] / self.mean[place].clamp(min=FLOOR)).clamp(max=1)
