"""Weights learned such that training steps lower the loss on held-out images: bilevel, of first order."""

from collections.abc import Collection

import torch
from torch import Tensor, nn

from hydranet.core.balancer import MetaBalancer


class MetaWeights(MetaBalancer):
    """sum_t w_t L_t, w = T softmax(z); z descends the held-out loss after one step, every `every` steps.

    After theta' = theta - a sum_t w_t g_t the held-out loss V has dV(theta') / dw_t = -a <grad V(theta'), g_t>: tasks
    whose gradients agree with the held-out one gain weight. Here grad V is taken at theta (first order in a), the
    product over the trunk's parameters, in units of a |grad V|^2. z learns with the run's optimizer at
    `optim.factors["balancer"]` times its rate. A look costs a backward pass for each task present.

    every, held_out, primary: see `MetaBalancer`. Raises SpecError for every < 1 and for an unknown primary task.
    """

    scale = "sensitive"

    def __init__(
        self, tasks: tuple[str, ...], every: int = 10, held_out: tuple[str, ...] = (), primary: tuple[str, ...] = ()
    ) -> None:
        super().__init__(tasks, every, held_out, primary)
        self.z = nn.ParameterDict({name: nn.Parameter(torch.zeros(())) for name in tasks})

    def weights(self, live: Collection[str]) -> dict[str, Tensor]:
        z = torch.stack([self.z[name] if name in live else self.z[name].detach() for name in self.tasks])
        return dict(zip(self.tasks, len(self.tasks) * torch.softmax(z, 0), strict=True))
