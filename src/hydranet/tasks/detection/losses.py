"""Losses on boxes: pure functions, one value a box, no reduction."""

import torch
from jaxtyping import Float
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
