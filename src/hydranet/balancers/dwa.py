"""Weights from the speed at which losses fall (Liu, Johns, Davison, CVPR 2019, arXiv 1803.10704)."""

import torch
from torch import Tensor

from hydranet.core.balancer import LossBalancer, Losses
from hydranet.core.checks.ranges import check_range


class DWA(LossBalancer):
    """Dynamic weight average: sum_t w_t L_t, w = T softmax(r / temperature), r_t = L_t(k-1) / L_t(k-2) (eq. 7).

    L_t(k) is the mean of the task's loss over its k-th window of `window` steps (the paper: an epoch); a window
    counts only the steps the task is present in. r_t = 1 until a task has two windows. A slow task weighs more.
    """

    scale = "sensitive"

    def __init__(self, tasks: tuple[str, ...], window: int = 100, temperature: float = 2.0) -> None:
        super().__init__(tasks)
        check_range("balancer.window", window, 1)
        check_range("balancer.temperature", temperature, 0, above=True)
        self.window, self.temperature = window, temperature
        self.register_buffer("total", torch.zeros(len(tasks)))
        self.register_buffer("steps", torch.zeros(len(tasks)))
        self.register_buffer("means", torch.full((2, len(tasks)), torch.nan))
        self.total: Tensor
        self.steps: Tensor
        self.means: Tensor

    def weights(self) -> Tensor:
        """The present weights of all tasks; they add up to their number."""
        older, newer = self.means.clamp(min=1e-8)
        ratio = torch.where(torch.isfinite(older), newer / older, 1.0)
        return len(self.tasks) * torch.softmax(ratio / self.temperature, 0)

    def forward(self, losses: Losses) -> Tensor:
        weights = self.weights()
        objective = torch.stack([weights[self.tasks.index(name)] * loss for name, loss in losses.items()]).sum()
        for name, loss in losses.items():
            self._remember(self.tasks.index(name), loss.detach())
        return objective

    def _remember(self, place: int, loss: Tensor) -> None:
        self.total[place] += loss
        self.steps[place] += 1
        if self.steps[place] == self.window:
            self.means[:, place] = torch.stack([self.means[1, place], self.total[place] / self.window])
            self.total[place] = self.steps[place] = 0
