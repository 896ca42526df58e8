"""Every task gains the same share (Navon et al., ICML 2022, arXiv 2202.01017)."""

import numpy as np
import torch
from torch import Tensor

from hydranet.core.balancer import GramianWeighting
from hydranet.core.interior_point import Square, Vector, directions


class NashMTL(GramianWeighting):
    """The w > 0 with (G w)_t = 1 / w_t (eq. 2): the sizes of gradients do not matter."""

    scale = "invariant"

    def solve(self, gramian: Tensor) -> Tensor:
        return torch.from_numpy(nash(gramian.numpy()))


def nash(gramian: Square) -> Vector:
    """The w > 0 with G w = 1 / w (Navon et al., ICML 2022, eq. 2): minimum of w' G w / 2 - sum log w, by Newton steps.

    The function is self-concordant, so the damping 1 / (1 + decrement) converges from anywhere.
    """
    lengths, cosines = directions(gramian)
    w = np.ones(len(lengths))
    for _ in range(100):
        gradient, hessian = cosines @ w - 1 / w, cosines + np.diag(w**-2.0)
        step = np.linalg.solve(hessian, -gradient)
        decrement = np.sqrt(step @ hessian @ step)
        w = w + step / (1 + decrement)
        if decrement < 1e-9:
            break
    return w / lengths
