"""Losses on boxes: pure functions, one value per box, no reduction."""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional as F


def expectation(logits: Float[Tensor, "*n 4 r"]) -> Float[Tensor, "*n 4"]:
    """Mean of the distribution over 0..r-1 that each side of a box is predicted as (GFL, arXiv 2006.04388, eq. 5).

    The bins are a constant, not a weight: nothing here can be trained, decayed or frozen by mistake.
    """
    bins = torch.arange(logits.shape[-1], dtype=logits.dtype, device=logits.device)
    return logits.softmax(-1) @ bins


def distribution_focal(logits: Float[Tensor, "n 4 r"], distance: Float[Tensor, "n 4"]) -> Float[Tensor, " n"]:
    """Cross-entropy with the two bins around the true distance, weighted by nearness; mean of the four sides.

    Distribution Focal Loss (GFL, arXiv 2006.04388, eq. 6). distance: in bins; cut to what the bins can express.
    """
    top = logits.shape[-1] - 1
    distance = distance.clamp(0, top)
    lower = distance.floor().clamp(max=max(top - 1, 0)).long()
    upper = (lower + 1).clamp(max=top)
    share = distance - lower
    log_p = F.log_softmax(logits, -1)
    below = log_p.gather(-1, lower[..., None])[..., 0] * (1 - share)
    above = log_p.gather(-1, upper[..., None])[..., 0] * share
    return -(below + above).mean(-1)


def masked_cross_entropy(
    logits: Float[Tensor, "b a k"], target: Int64[Tensor, "b a"], judged: Bool[Tensor, "b a c"]
) -> Float[Tensor, "b a"]:
    """Softmax cross-entropy over background (0) and the c = k - 1 classes (1..c) that may be judged at this place.

    A class that is not judged takes no part: its logit gets no gradient. Where no class is judged, the loss is 0.
    """
    asked = F.one_hot(target, logits.shape[-1]).bool()
    open_ = torch.cat((torch.ones_like(judged[..., :1]), judged), -1) | asked
    return F.cross_entropy(logits.masked_fill(~open_, -torch.inf).transpose(1, 2), target, reduction="none")


def hardest(
    loss: Float[Tensor, "b a"], positive: Bool[Tensor, "b a"], negative: Bool[Tensor, "b a"], ratio: int, least: int = 1
) -> Bool[Tensor, "b a"]:
    """The `ratio` times as many negatives as positives that are most wrong, per image (SSD, arXiv 1512.02325, 2.2).

    least: an image counts as having this many positives at least, so that one without objects teaches, too.
    The choice is a function of its inputs: no random numbers, so sums over images are exact and runs can be resumed.
    """
    wanted = ratio * positive.sum(1, keepdim=True).clamp(min=least)
    order = loss.detach().masked_fill(~negative, -1).argsort(dim=1, descending=True)
    rank = torch.empty_like(order).scatter_(
        1, order, torch.arange(order.shape[1], device=order.device).expand_as(order)
    )
    return negative & (rank < wanted)
