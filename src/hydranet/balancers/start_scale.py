"""Each loss as a share of what it was at the start: the plain sum, with every task in the same unit."""

import torch
from torch import Tensor

from hydranet.core.balancer import Losses
from hydranet.core.scaled_by_start import ScaledByStart


class StartScale(ScaledByStart):
    """sum_t v_t L_t / L_t(0), where L_t(0) is the mean of the task's loss over its first `first` steps.

    Well chosen constant weights do as well as methods that change them (Kurin et al., NeurIPS 2022, arXiv 2201.04122;
    Xin et al., NeurIPS 2022, arXiv 2209.11379); these need no search. Options and errors are those of `ScaledByStart`.
    """

    def forward(self, losses: Losses) -> Tensor:
        return torch.stack([self.share(name, loss) for name, loss in losses.items()]).sum()
