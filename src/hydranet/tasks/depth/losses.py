"""Losses of depth: float32 n predictions and n labels of one image in meters, all positive, to a sum over n."""

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor

Flat = Float[Tensor, " n"]


def berhu(prediction: Flat, wanted: Flat) -> Tensor:
    """|e| up to c, (e^2 + c^2) / 2c above, c = 0.2 max |e| (Laina et al., 3DV 2016, arXiv 1606.00373, eq. 1).

    The maximum is of this image, and 1 % of its pixels may exceed it: one wrong label does not turn the loss of all
    others into L1. c is a constant to the gradient, and at least a millimeter: a perfect fit costs 0, not 0/0.
    """
    error = (prediction - wanted).abs()
    if not len(error):
        return error.sum()
    few = error.detach()[:: max(1, len(error) // 4096)]
    c = (0.2 * torch.quantile(few, 0.99)).clamp(min=1e-3)
    return torch.where(error <= c, error, (error**2 + c**2) / (2 * c)).sum()


def l1(prediction: Flat, wanted: Flat) -> Tensor:
    """|e| in meters."""
    return (prediction - wanted).abs().sum()


def log_l1(prediction: Flat, wanted: Flat) -> Tensor:
    """|log d - log d*|: relative errors, near and far alike."""
    return (prediction.log() - wanted.log()).abs().sum()


def abs_rel(prediction: Flat, wanted: Flat) -> Tensor:
    """|d - d*| / d*: the score of that name. Where nothing tells 8 from 12 m, it answers nearer than log_l1 does."""
    return ((prediction - wanted).abs() / wanted).sum()


def silog(prediction: Flat, wanted: Flat, share: float = 0.5) -> Tensor:
    """n (mean(g^2) - share mean(g)^2), g = log d - log d* (Eigen et al., arXiv 1406.2283, eq. 4).

    A wrong scale of the whole image costs only 1 - share of what it would cost.
    """
    g = prediction.log() - wanted.log()
    return g.square().sum() - share * g.sum().square() / max(len(g), 1)


LOSSES: Mapping[str, Callable[[Flat, Flat], Tensor]] = {
    "berhu": berhu,
    "l1": l1,
    "log_l1": log_l1,
    "abs_rel": abs_rel,
    "silog": silog,
}
