"""The best worst-case descent near the mean gradient (Liu et al., NeurIPS 2021, arXiv 2110.14048)."""

import numpy as np
import torch
from torch import Tensor

from hydranet.core.balancer import At, GramianWeighting
from hydranet.core.interior_point import Square, Vector, minimize
from hydranet.core.spec import SpecError


class CAGrad(GramianWeighting):
    """Descent within a ball of radius c |mean| around the mean gradient, best for the task that gains least (alg. 1).

    c: 0 is the plain sum; towards 1 it comes near to MGDA. Raises SpecError outside 0..1.
    """

    scale = "sensitive"

    def __init__(self, tasks: tuple[str, ...], c: float = 0.5, at: At = "auto", every: int | None = None) -> None:
        super().__init__(tasks, at, every)
        if not 0 <= c < 1:
            raise SpecError(f"got c={c}, expected a number from 0 up to 1; 0 is the plain sum")
        self.c = c

    def solve(self, gramian: Tensor) -> Tensor:
        return torch.from_numpy(cagrad(gramian.numpy(), self.c) * len(gramian) / (1 + self.c))


def cagrad(gramian: Square, c: float) -> Vector:
    """1/T + (c |g0| / |g_w|) w with w = argmin g_w . g0 + c |g0| |g_w| on the simplex (Liu et al., 2021, alg. 1).

    Zeros where the least g_w is 0: no direction is good for all tasks.
    """
    count = len(gramian)
    mean = np.full(count, 1 / count)
    radius = c * np.sqrt(max(mean @ gramian @ mean, 0.0))
    if radius < 1e-6:
        return mean
    regular = gramian + 1e-6 * np.eye(count)

    def objective(x: Vector) -> tuple[Vector, Square]:
        # |g_w| = min_s (|g_w|^2 / s + s) / 2 over s > 0: smooth also where |g_w| is 0.
        w, s = x[:-1], x[-1]
        slope = regular @ w
        square = w @ slope
        gradient = np.append(gramian @ mean + radius * slope / s, radius * (1 - square / s**2) / 2)
        side = -radius * slope[:, None] / s**2
        return gradient, np.block([[radius * regular / s, side], [side.T, np.full((1, 1), radius * square / s**3)]])

    w = minimize(objective, np.append(mean, 1.0), np.append(np.ones(count), 0.0))[:-1]
    length = np.sqrt(max(w @ gramian @ w, 0.0))
    return mean + radius / length * w if length > 2e-3 else np.zeros(count)
