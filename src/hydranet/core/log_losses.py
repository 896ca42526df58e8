"""Logarithms of losses, for objectives that are geometric means."""

import torch
from torch import Tensor

from hydranet.core.balancer import Losses
from hydranet.core.spec import SpecError


def log_losses(losses: Losses, floor: float) -> Tensor:
    """float n: log L_t in the order of the tasks; losses below `floor` count as it and get no gradient.

    Raises SpecError for a negative loss, which has no geometric mean with others.
    """
    for name, loss in losses.items():
        if loss < 0:
            raise SpecError(
                f"got a loss of {loss.item():.3g} for task {name!r}, expected >= 0 for a geometric mean; "
                "choose another balancer"
            )
    return torch.log(torch.stack(list(losses.values())).clamp(min=floor))
