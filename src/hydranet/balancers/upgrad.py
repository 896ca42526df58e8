"""Projections onto the cone where no task gets worse, added up (Quinton, Rey, 2024, arXiv 2406.16232)."""

import numpy as np
import torch
from torch import Tensor

from hydranet.core.balancer import GramianWeighting
from hydranet.core.interior_point import Square, Vector, directions, minimize


class UPGrad(GramianWeighting):
    """sum_t argmin over v >= e_t of v' G v (eq. 3, prop. 1): no task gets worse; the plain sum without conflict."""

    scale = "sensitive"

    def solve(self, gramian: Tensor) -> Tensor:
        return torch.from_numpy(upgrad(gramian.numpy()))


def upgrad(gramian: Square) -> Vector:
    """sum_t argmin_{v >= e_t} v' G v, the projections onto the dual cone (Quinton, Rey, 2024, eq. 3 and prop. 1)."""
    lengths, cosines = directions(gramian)

    def project(unit: Vector) -> Vector:
        if (cosines @ unit >= 0).all():
            return unit
        return unit + minimize(lambda above: (cosines @ (unit + above), cosines), np.ones(len(unit)))

    return (
        np.sum([length * project(unit) for length, unit in zip(lengths, np.eye(len(lengths)), strict=True)], axis=0)
        / lengths
    )
