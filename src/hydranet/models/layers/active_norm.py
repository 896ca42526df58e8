"""BatchNorm with what follows it, and what follows any norm: for passes that take a norm's place."""

import sys

from torch import Tensor, nn


class ActiveNorm(nn.BatchNorm2d):
    """BatchNorm, then `after`: an activation without parameters, or nothing."""

    def __init__(self, channels: int, after: nn.Module | None = None, like: nn.BatchNorm2d | None = None) -> None:
        """like: a norm whose epsilon, momentum and choice of parameters and statistics are taken over."""
        old = nn.BatchNorm2d(channels) if like is None else like
        super().__init__(channels, old.eps, old.momentum, old.affine, old.track_running_stats)
        self.after = nn.Identity() if after is None else after

    def forward(self, x: Tensor) -> Tensor:
        return self.after(super().forward(x))


def after_norm(norm: nn.BatchNorm2d) -> nn.Module | None:
    """What a norm does beside normalizing; None for a class of norm that nobody here knows: leave it where it is."""
    if isinstance(norm, ActiveNorm):
        return norm.after
    timm = sys.modules.get("timm.layers")  # a norm of timm's has imported it
    if timm is not None and isinstance(norm, timm.BatchNormAct2d):
        return nn.Sequential(norm.drop, norm.act)
    return nn.Identity() if type(norm) is nn.BatchNorm2d else None
