"""Losses of depth: float32 n predictions and n labels in metres, both positive, to a sum over n."""

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor

Flat = Float[Tensor, " n"]


def berhu(seen: Flat, wanted: Flat) -> Tensor:
    """|e| up to c, (e^2 + c^2) / 2c above, c = 0.2 max |e| (Laina et al., 3DV 2016, arXiv 1606.00373, eq. 1).

    c is a constant to the gradient and never 0, so that a perfect fit has a loss of 0 and not of 0/0. One outlier
    must not set it: the maximum is taken below the 99th percentile.
    """
    error = (seen - wanted).abs()
    if not len(error):
        return error.sum()
    step = max(1, len(error) // 4096)
    c = (0.2 * torch.quantile(error.detach()[::step], 0.99)).clamp(min=1e-3)
    return torch.where(error <= c, error, (error**2 + c**2) / (2 * c)).sum()


def l1(seen: Flat, wanted: Flat) -> Tensor:
    """|e| in metres."""
    return (seen - wanted).abs().sum()


def log_l1(seen: Flat, wanted: Flat) -> Tensor:
    """|log d - log d*|: relative errors, near and far alike."""
    return (seen.log() - wanted.log()).abs().sum()


def silog(seen: Flat, wanted: Flat, share: float = 0.5) -> Tensor:
    """n (mean(g^2) - share mean(g)^2), g = log d - log d* (Eigen et al., arXiv 1406.2283, eq. 4).

    The mean of g is taken over the micro-batch, so this one is not the same for every split of a batch.
    """
    g = seen.log() - wanted.log()
    return len(g) * (g.square().mean() - share * g.mean().square()) if len(g) else g.sum()


LOSSES: Mapping[str, Callable[[Flat, Flat], Tensor]] = {"berhu": berhu, "l1": l1, "log_l1": log_l1, "silog": silog}
