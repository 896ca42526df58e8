"""The plain sum of the losses."""

from torch import Tensor, stack

from hydranet.core.balancer import LossBalancer, Losses


class Uniform(LossBalancer):
    """Every task weighs 1: sum_t L_t."""

    scale = "sensitive"

    def forward(self, losses: Losses) -> Tensor:
        return stack(list(losses.values())).sum()
