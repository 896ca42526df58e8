"""Weights that follow the held-out loss (Liu, James, Davison, Johns, "Auto-Lambda", TMLR 2022, arXiv 2202.03091)."""

from collections.abc import Collection

import torch
from torch import Tensor, nn

from hydranet.core.balancer import MetaBalancer
from hydranet.core.spec import SpecError


class AutoLambda(MetaBalancer):
    """sum_t w_t L_t with free weights w_t in 0..`most`, `start` at first, learned by a look ahead.

    The held-out loss V of the `primary` tasks is taken at theta' = theta - `look_ahead` sum_t w_t g_t, over all
    parameters, and w_t descends dV / dw_t = -<grad V(theta'), g_t>, in units of |grad V|^2. As in the paper the
    product is a central difference: (L_t(theta - e v) - L_t(theta + e v)) / (2 e) along v = grad V(theta') of length
    0.01, so two forward passes serve all tasks; in float32. Differences: the paper looks in every step, at another
    batch; here every `every` steps, at half of the step's images or at the `held_out` sources. w learns with the run's
    optimizer at `optim.factors["balancer"]` times its rate (the paper: Adam with 1e-4 and start 0.1).

    every, held_out, primary: see `MetaBalancer`. Raises SpecError for every < 1, start outside 0..most, and an
    unknown primary task.
    """

    scale = "sensitive"

    exact = False

    def __init__(
        self,
        tasks: tuple[str, ...],
        every: int = 10,
        held_out: tuple[str, ...] = (),
        primary: tuple[str, ...] = (),
        start: float = 1.0,
        most: float = 10.0,
        look_ahead: float = 1e-3,
    ) -> None:
        super().__init__(tasks, every, held_out, primary)
        if not 0 <= start <= most or look_ahead < 0:
            raise SpecError(
                f"got start={start}, most={most}, look_ahead={look_ahead}, expected 0 <= start <= most, look_ahead >= 0"
            )
        self.most, self.look_ahead = most, look_ahead
        self.w = nn.ParameterDict({name: nn.Parameter(torch.tensor(float(start))) for name in tasks})

    def weights(self, live: Collection[str]) -> dict[str, Tensor]:
        given = {name: self.w[name] if name in live else self.w[name].detach() for name in self.tasks}
        # Clamped in value only: at the bound the gradient still leads back inside.
        return {name: w + (w.clamp(0, self.most) - w).detach() for name, w in given.items()}
