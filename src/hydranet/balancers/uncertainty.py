"""Weights learned as homoscedastic uncertainty (Kendall, Gal, Cipolla, CVPR 2018, arXiv 1705.07115)."""

import torch
from torch import Tensor, nn

from hydranet.core.balancer import LossBalancer, Losses
from hydranet.core.checks.ranges import check_range


class Uncertainty(LossBalancer):
    """sum_t exp(-s_t) L_t + s_t / 2 over the tasks present, with s_t = log sigma_t^2 learned (eq. 7 and 10).

    For L_t >= 0 the objective is bounded below in s_t, whose optimum is log(2 L_t). It may be negative: that is no
    error, and it is no measure of progress. s_t is kept within +-`bound`, an absent task's s_t does not move, and
    its parameters take no weight decay.
    """

    scale = "invariant"

    def __init__(self, tasks: tuple[str, ...], bound: float = 6.0) -> None:
        super().__init__(tasks)
        check_range("balancer.bound", bound, 0, 50, above=True)
        self.bound = bound
        self.log_variance = nn.ParameterDict({name: nn.Parameter(torch.zeros(())) for name in tasks})

    def forward(self, losses: Losses) -> Tensor:
        terms = []
        for name, loss in losses.items():
            # Clamped in value only: at the bound the gradient still leads back inside.
            learned = self.log_variance[name]
            s = learned + (learned.clamp(-self.bound, self.bound) - learned).detach()
            terms.append(torch.exp(-s) * loss + 0.5 * s)
        return torch.stack(terms).sum()
