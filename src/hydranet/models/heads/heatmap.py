"""What tasks with points share: heatmaps as distributions over the image, and points between the cells of a map."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

Map = Float[Tensor, "b k h w"]


def probabilities(z: Map) -> Map:
    """Softmax over all cells of each map, in float32: the distribution of one point over the image."""
    return z.float().flatten(2).softmax(2).view_as(z)


def log_probabilities(z: Map) -> Map:
    """The logarithm of `probabilities`."""
    return z.float().flatten(2).log_softmax(2).view_as(z)


def centers(count: int, like: Tensor) -> Float[Tensor, " n"]:
    """Where the middles of `count` cells lie, in cells: 0.5, 1.5, ..."""
    return torch.arange(count, dtype=torch.float32, device=like.device) + 0.5


def expectation(p: Map) -> Float[Tensor, "b k 2"]:
    """The mean position of each distribution, x and y in cells: integral regression (Sun et al., ECCV 2018,
    arXiv 1711.08229, equation 2). Differentiable, and finer than a cell."""
    x = (p.sum(2) * centers(p.shape[3], p)).sum(2)
    y = (p.sum(3) * centers(p.shape[2], p)).sum(2)
    return torch.stack([x, y], 2)


def log_gaussians(
    xy: Float[Tensor, "b k 2"], size: tuple[int, int], sigma: float
) -> tuple[Float[Tensor, "b k h 1"], Float[Tensor, "b k 1 w"]]:
    """Gaussians around points, as logarithms of their rows' and their columns' shares, each of which sums to 1.

    Their product is a distribution over the cells of a map of `size` (h, w), also for a point at its rim.
    xy: in cells.    sigma: in cells.
    """
    down = -((centers(size[0], xy) - xy[..., 1:]) ** 2) / (2 * sigma**2)
    along = -((centers(size[1], xy) - xy[..., :1]) ** 2) / (2 * sigma**2)
    return down.log_softmax(2)[..., None], along.log_softmax(2)[..., None, :]


def divergence(log_p: Map, xy: Float[Tensor, "b k 2"], known: Bool[Tensor, "b k"], sigma: float) -> Tensor:
    """Sum over known points of KL(q || p) in nats, q a Gaussian of `sigma` cells around the point; 0 where equal."""
    rows, columns = log_gaussians(
        torch.where(known[..., None], xy.float(), 0.0), (log_p.shape[2], log_p.shape[3]), sigma
    )
    log_q = rows + columns
    return ((log_q.exp() * (log_q - log_p)).sum((2, 3)) * known).sum()


def peakedness(p: Map, sigma: float) -> Float[Tensor, "b k"]:
    """0..1: the most probability within 3x3 cells, as a share of what a Gaussian of `sigma` cells has there."""
    most = 9 * torch.nn.functional.avg_pool2d(p, 3, 1, 1).amax((2, 3))
    return (most / math.erf(1.5 / (sigma * math.sqrt(2))) ** 2).clamp(max=1.0)
