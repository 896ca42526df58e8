"""All losses fall at one rate (Liu, Feng, Stone, Liu, "FAMO: Fast Adaptive Multitask Optimization", NeurIPS 2023)."""

import torch
from torch import Tensor, nn

from hydranet.core.balancer import LossBalancer, Losses


class FAMO(LossBalancer):
    """c sum_t z_t log L_t over the tasks present, z = softmax(xi), c = 1 / sum_t (z_t / L_t) (arXiv 2306.03792, eq. 8).

    The weights w_t = c z_t / L_t add up to 1. xi learns to slow down whichever loss fell most: its gradient is
    J^T d + `decay` xi with J the Jacobian of z and d_t = log L_t(before) - log L_t(now) (eq. 7). The paper looks at
    the same images twice, before and after the step; here "before" is the last step the task was present in, on
    other images: it costs nothing, and the noise of batches averages out. xi learns with the run's optimizer at
    `optim.factors["balancer"]` times its rate (the paper: 0.025), without weight decay. Losses are >= `floor`.
    """

    scale = "invariant"

    def __init__(self, tasks: tuple[str, ...], decay: float = 1e-3, floor: float = 1e-8) -> None:
        super().__init__(tasks)
        self.decay, self.floor = decay, floor
        self.xi = nn.ParameterDict({name: nn.Parameter(torch.zeros(())) for name in tasks})
        self.register_buffer("before", torch.full((len(tasks),), torch.nan))
        self.before: Tensor

    def forward(self, losses: Losses) -> Tensor:
        places = [self.tasks.index(name) for name in losses]
        xi = torch.stack([self.xi[name] for name in losses])
        log = torch.log(torch.stack(list(losses.values())).clamp(min=self.floor))
        z = torch.softmax(xi, 0)
        share = z.detach()
        c = 1 / (share * torch.exp(-log.detach())).sum()
        fell = (self.before[places] - log.detach()).nan_to_num(0.0)
        self.before[places] = log.detach()
        learning = (z * fell).sum() + self.decay / 2 * (xi**2).sum()
        # Adds the gradient of xi, and nothing to the value.
        return c * (share * log).sum() + learning - learning.detach()
