"""The geometric mean of the losses (Chennupati, Sistu, Yogamani, Rawashdeh, CVPR workshops 2019, arXiv 1904.08492)."""

import torch
from torch import Tensor

from hydranet.core.balancer import LossBalancer, Losses
from hydranet.core.log_losses import log_losses


class GLS(LossBalancer):
    """Geometric loss strategy: (prod_t L_t)^(1/n) over the n tasks present, so w_t = objective / (n L_t).

    The unit of a loss does not matter: scaling one of them scales the objective, not its direction. Losses below
    `floor` count as it and get no weight. Raises SpecError for a negative loss, which has no geometric mean.
    """

    scale = "invariant"

    def __init__(self, tasks: tuple[str, ...], floor: float = 1e-8) -> None:
        super().__init__(tasks)
        self.floor = floor

    def forward(self, losses: Losses) -> Tensor:
        return torch.exp(log_losses(losses, self.floor).mean())
