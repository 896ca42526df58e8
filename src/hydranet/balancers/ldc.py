"""Weighted losses that stay close to each other (Xiao, Dong, Zou, Ji, "LDC-MTL", arXiv 2502.08585)."""

from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn

from hydranet.core.balancer import Losses
from hydranet.core.checks.ranges import check_range
from hydranet.core.scaled_by_start import ScaledByStart


class LDC(ScaledByStart):
    """sum_t u_t + gap sum_t |u_t - u_(t+1)| with u_t = n z_t L_t / L_t(0), z = softmax(xi) over the n tasks present.

    Both the network and xi descend it: one step of each, which is what the paper's bilevel problem comes down to with
    its penalty (algorithm 1). Differences are between neighbors in the order of the tasks. xi learns with the run's
    optimizer at `optim.factors["balancer"]` times its rate. Here the scale at the start is the mean of the first
    losses, as in `StartScale`, instead of one loss.
    gap:   weight of the differences; 0 leaves xi to the losses that are easiest to lower.
    first, weights: as in `StartScale`.
    """

    def __init__(
        self, tasks: tuple[str, ...], gap: float = 0.05, first: int = 20, weights: Mapping[str, float] | None = None
    ) -> None:
        super().__init__(tasks, first, weights)
        check_range("balancer.gap", gap, 0)
        self.gap = gap
        self.xi = nn.ParameterDict({name: nn.Parameter(torch.zeros(())) for name in tasks})

    def forward(self, losses: Losses) -> Tensor:
        z = torch.softmax(torch.stack([self.xi[name] for name in losses]), 0)
        shares = torch.stack([self.share(name, loss) for name, loss in losses.items()])
        weighted = len(losses) * z * shares
        apart = [(one - other).abs() for one, other in pairwise(weighted)]
        return weighted.sum() + self.gap * sum(apart, start=weighted.new_zeros(()))
