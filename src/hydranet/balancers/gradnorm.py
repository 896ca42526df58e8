"""Weights learned so that task gradients have comparable lengths (Chen et al., ICML 2018, arXiv 1711.02257)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hydranet.core.balancer import At, GradientBalancer, Losses


class GradNorm(GradientBalancer):
    """w = T softmax(z); z descends sum_t |G_t - mean(G) r_t^alpha| with G_t = w_t |g_t| (eq. 2).

    r_t is the task's L_t / L_t(first step it was seen in) over its mean: slow tasks get longer gradients. The target
    is a constant (no gradient), and the weights of all tasks always add up to T, which the paper reaches by dividing
    after each update. z learns with the run's optimizer at `optim.factors["balancer"]` times its rate, without
    weight decay, and an absent task's z does not move. The paper takes lengths at the last shared
    layer, here they are taken where gradients are compared.
    """

    scale = "invariant"

    def __init__(self, tasks: tuple[str, ...], alpha: float = 1.5, at: At = "auto", every: int | None = None) -> None:
        super().__init__(tasks, at, every)
        self.alpha = alpha
        self.z = nn.ParameterDict({name: nn.Parameter(torch.zeros(())) for name in tasks})
        self.register_buffer("first", torch.full((len(tasks),), torch.nan))
        self.first: Tensor

    @torch.enable_grad()
    def forward(self, gramian: Float[Tensor, "t t"], losses: Losses) -> Float[Tensor, " t"]:
        places = [self.tasks.index(name) for name in losses]
        now = torch.stack(list(losses.values())).detach()
        self.first[places] = torch.where(torch.isnan(self.first[places]), now, self.first[places])
        z = torch.stack([self.z[name] if name in losses else self.z[name].detach() for name in self.tasks])
        weights = (len(self.tasks) * torch.softmax(z, 0))[places]
        lengths = weights * gramian.diagonal().detach().clamp(min=0).sqrt()
        ratio = now / self.first[places].clamp(min=1e-8)
        target = lengths.mean() * (ratio / ratio.mean().clamp(min=1e-8)) ** self.alpha
        (lengths - target.detach()).abs().sum().backward()
        return weights.detach()
