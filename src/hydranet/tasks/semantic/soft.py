"""Learning from probabilities instead of classes."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hydranet.core.task import Loss


def soft_cross_entropy(
    log_p: Float[Tensor, "b c h w"],
    probs: Float[Tensor, "b c h w"],
    listed: Bool[Tensor, "b c"],
    certain: Bool[Tensor, "b h w"],
    weight: Float[Tensor, " c"],
) -> Loss:
    """Sum of -sum_k w_k p_k log softmax(z)_k over certain pixels; p is rescaled to sum to 1 over the listed classes."""
    wanted = over_listed(probs, listed) * certain[:, None] * weight[:, None, None]
    return Loss(-(wanted * torch.where(listed[:, :, None, None], log_p, 0.0)).sum(), wanted.sum())


def softened_divergence(
    logits: Float[Tensor, "b c h w"],
    probs: Float[Tensor, "b c h w"],
    listed: Bool[Tensor, "b c"],
    weight: Float[Tensor, "b h w"],
    temperature: float,
) -> Loss:
    """Sum over pixels of weight * T^2 KL(p || softmax(z / T)) (Hinton, Vinyals, Dean, arXiv 1503.02531, section 2).

    Their cross-entropy with soft targets, less the target's own entropy, which has no gradient: 0 where both agree.
    T^2 keeps the gradient's size when T changes. Both distributions are over the listed classes; the count is the sum
    of the weights.

    probs: the teacher's softmax(v / T).    weight: 0 = left out.
    """
    wanted = over_listed(probs, listed)
    scaled = (logits / temperature).masked_fill(~listed[:, :, None, None], torch.finfo(logits.dtype).min)
    own = torch.where(listed[:, :, None, None], scaled.log_softmax(1), 0.0)
    divergence = (torch.xlogy(wanted, wanted) - wanted * own).sum(1)
    return Loss(temperature**2 * (divergence * weight).sum(), weight.sum())


def over_listed(probs: Float[Tensor, "b c h w"], listed: Bool[Tensor, "b c"]) -> Float[Tensor, "b c h w"]:
    """Probabilities rescaled to sum to 1 over the listed classes; 0 for the others."""
    wanted = probs * listed[:, :, None, None]
    return wanted / wanted.sum(1, keepdim=True).clamp(min=1e-6)
