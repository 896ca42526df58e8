"""Weights from the losses themselves, by a softmax of their inverses (Kirchdorfer et al., arXiv 2408.07985)."""

import torch
from torch import Tensor

from hydranet.core.balancer import LossBalancer, Losses
from hydranet.core.checks.ranges import check_range
from hydranet.core.spec import SpecError


class SoftUncertainty(LossBalancer):
    """UW-SO: sum_t w_t L_t, w = n softmax(1 / (L temperature)) over the n tasks present; nothing is learned.

    1 / L_t is, up to a constant, the optimum of `Uncertainty` for the present losses; the softmax bounds it. The paper
    tunes the temperature for each data set; the greater, the more equal the weights. Raises SpecError for a loss below
    0.
    """

    scale = "sensitive"

    def __init__(self, tasks: tuple[str, ...], temperature: float = 5.0) -> None:
        super().__init__(tasks)
        check_range("balancer.temperature", temperature, 0, above=True)
        self.temperature = temperature

    def forward(self, losses: Losses) -> Tensor:
        for name, loss in losses.items():
            if loss < 0:
                raise SpecError(
                    f"got a loss of {loss.item():.3g} for task {name!r}, expected >= 0; choose another balancer"
                )
        present = torch.stack(list(losses.values()))
        inverse = 1 / present.detach().clamp(min=1e-6)
        return (len(present) * torch.softmax(inverse / self.temperature, 0) * present).sum()
