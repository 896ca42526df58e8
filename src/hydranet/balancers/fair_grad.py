"""Every task gains a fair share, by how fair is meant (Ban, Ji, ICML 2024, arXiv 2402.15638)."""

import numpy as np
import torch
from torch import Tensor

from hydranet.core.balancer import At, GramianWeighting
from hydranet.core.checks.ranges import check_range
from hydranet.core.interior_point import Square, Vector, directions

HALVINGS = 60


class FairGrad(GramianWeighting):
    """The w > 0 with (G w)_t = w_t^(-1 / alpha) (eq. 4): the sum of gain_t^(1 - alpha) / (1 - alpha) is greatest.

    alpha: 1 = proportional fairness, which is Nash-MTL; greater = the task that gains least counts more, up to the
           worst alone; towards 0 = the plain sum of gains. The paper tunes it between 1 and 2.
    """

    scale = "sensitive"

    def __init__(self, tasks: tuple[str, ...], alpha: float = 2.0, at: At = "auto", every: int | None = None) -> None:
        super().__init__(tasks, at, every)
        check_range("balancer.alpha", alpha, 0.1, 100)
        self.alpha = alpha

    def solve(self, gramian: Tensor) -> Tensor:
        return torch.from_numpy(fair(gramian.numpy(), self.alpha))


def fair(gramian: Square, alpha: float) -> Vector:
    """The w > 0 with G w = w^(-1 / alpha): minimum of w' G w / 2 - sum of the antiderivative, by damped Newton steps.

    With v = w * length it is C v = c v^(-1 / alpha), C the cosines and c = length^(1 / alpha - 1).
    """
    lengths, cosines = directions(gramian)
    power, factor = 1 / alpha, lengths ** (1 / alpha - 1)

    def value(v: Vector) -> float:
        gain = np.log(v) if power == 1 else (v ** (1 - power) - 1) / (1 - power)
        return float(v @ cosines @ v / 2 - factor @ gain)

    v = np.ones(len(lengths))
    for _ in range(200):
        gradient = cosines @ v - factor * v**-power
        step = np.linalg.solve(cosines + np.diag(power * factor * v ** (-power - 1)), -gradient)
        slope, share = float(gradient @ step), 1.0
        if -slope < 1e-18:
            break
        falling = step < 0
        if falling.any():
            share = min(1.0, 0.99 * float((-v[falling] / step[falling]).min()))
        for _ in range(HALVINGS):
            if value(v + share * step) <= value(v) + 1e-4 * share * slope:
                break
            share /= 2
        v = v + share * step
    return v / lengths
