"""Weights by groups of tasks that learn at one pace (Shen et al., "GO4Align", NeurIPS 2024, arXiv 2404.06486)."""

from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from hydranet.core.balancer import LossBalancer, Losses
from hydranet.core.checks.ranges import check_range
from hydranet.core.spec import SpecError


class GO4Align(LossBalancer):
    """sum_t w_t L_t, where w_t is the mean of p_s (sum L) / L_s over the tasks s of t's group.

    p (the risk so far) begins at 1 / T and goes on as p exp(-rate L) / sum; groups are the best ones of k-means on the
    numbers p_t (sum L) / L_t (section 3.2). A task that is absent keeps its p.
    groups: how many; 1 = one weight for all.    rate: how fast p forgets that all began equal.
    Raises SpecError for a loss of 0 or below.
    """

    scale = "sensitive"

    def __init__(self, tasks: tuple[str, ...], groups: int = 2, rate: float = 1e-4) -> None:
        super().__init__(tasks)
        check_range("balancer.groups", groups, 1)
        check_range("balancer.rate", rate, 0)
        self.groups, self.rate = groups, rate
        self.register_buffer("p", torch.full((len(tasks),), 1 / len(tasks), dtype=torch.float64))
        self.p: Tensor

    def forward(self, losses: Losses) -> Tensor:
        places = [self.tasks.index(name) for name in losses]
        present = torch.stack(list(losses.values()))
        now = present.detach().double()
        if (now <= 0).any():
            low = {name: loss.item() for name, loss in losses.items() if loss <= 0}
            raise SpecError(f"got losses {low}, expected numbers above 0 to divide by; choose another balancer")
        share = self.p[places].sum()
        risk = self.p[places] * torch.exp(-self.rate * (now - now.min()))
        self.p[places] = share * risk / risk.sum()
        single = self.p[places] / share * now.sum() / now
        weights = torch.from_numpy(grouped(single.cpu().numpy(), self.groups)).to(present)
        return (weights * present).sum()


def grouped(values: np.ndarray, groups: int) -> np.ndarray:
    """Each value replaced by the mean of its group: the best k-means on a line, whose groups are neighbors there.

    values: float t, few of them, since all ways to cut the sorted line are looked at.
    """
    order = np.argsort(values, kind="stable")
    line = values[order]
    best, means = np.inf, line
    for cuts in combinations(range(1, len(line)), min(groups, len(line)) - 1):
        parts = np.split(line, cuts)
        error = sum(float(((part - part.mean()) ** 2).sum()) for part in parts)
        if error < best:
            best, means = error, np.concatenate([np.full(len(part), part.mean()) for part in parts])
    result = np.empty_like(values)
    result[order] = means
    return result
