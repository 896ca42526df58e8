"""The shortest convex combination of the task gradients (Sener, Koltun, NeurIPS 2018, arXiv 1810.04650)."""

import numpy as np
import torch
from torch import Tensor

from hydranet.core.balancer import GramianWeighting
from hydranet.core.interior_point import Square, Vector, minimize


class MGDA(GramianWeighting):
    """T argmin_w w' G w over w >= 0, sum w = 1 (eq. 3): no task gets worse, small gradients rule."""

    scale = "sensitive"

    def solve(self, gramian: Tensor) -> Tensor:
        return torch.from_numpy(len(gramian) * mgda(gramian.numpy()))


def mgda(gramian: Square) -> Vector:
    """argmin_w w' G w over w >= 0, sum w = 1 (Sener, Koltun, NeurIPS 2018, eq. 3)."""
    count = len(gramian)
    return minimize(lambda w: (gramian @ w, gramian), np.full(count, 1 / count), np.ones(count))
