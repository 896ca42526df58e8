"""The plain sum, with cosines between task gradients in the log."""

import torch
from torch import Tensor

from hydranet.core.balancer import GramianWeighting


class PlainSum(GramianWeighting):
    """w = 1, as `Uniform`; it compares gradients, so that the log shows whether there is conflict at all."""

    scale = "sensitive"

    def solve(self, gramian: Tensor) -> Tensor:
        return torch.ones(len(gramian))
