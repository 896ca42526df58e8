"""BatchNorm with what follows it, and what follows any norm: for passes that take a norm's place."""

import sys

from torch import Tensor, nn


class ActiveNorm(nn.BatchNorm2d):
    """BatchNorm, then `after`: an activation without parameters, or nothing.

    Where it trains on one value per channel, such as a single 32x32 crop at stride 32, there is nothing to take a mean
    and a variance of: it normalizes by its running statistics then, and leaves them as they are.
    """

    def __init__(self, channels: int, after: nn.Module | None = None, like: nn.BatchNorm2d | None = None) -> None:
        """like: a norm whose epsilon, momentum and choice of parameters and statistics are taken over."""
        old = nn.BatchNorm2d(channels) if like is None else like
        super().__init__(channels, old.eps, old.momentum, old.affine, old.track_running_stats)
        self.after = nn.Identity() if after is None else after

    def forward(self, x: Tensor) -> Tensor:
        return self.after(by_running_statistics(self, x) if is_single(self, x) else super().forward(x))


class SingleNorm1d(nn.BatchNorm1d):
    """BatchNorm of vectors; by its running statistics where it trains on a single one."""

    def __init__(self, old: nn.BatchNorm1d) -> None:
        super().__init__(old.num_features, old.eps, old.momentum, old.affine, old.track_running_stats)

    def forward(self, x: Tensor) -> Tensor:
        return by_running_statistics(self, x) if is_single(self, x) else super().forward(x)


def is_single(norm: nn.BatchNorm2d | nn.BatchNorm1d, x: Tensor) -> bool:
    """Whether a norm that trains gets one value per channel, and has statistics to use instead."""
    return norm.training and x.numel() == x.shape[1] and norm.running_mean is not None


def by_running_statistics(norm: nn.BatchNorm2d | nn.BatchNorm1d, x: Tensor) -> Tensor:
    """What the norm does after training."""
    return nn.functional.batch_norm(
        x, norm.running_mean, norm.running_var, norm.weight, norm.bias, training=False, eps=norm.eps
    )


def allow_single_values(module: nn.Module) -> None:
    """Puts norms that train on single values, too, in the place of every BatchNorm inside that would refuse them.

    Weights, statistics and names stay. Norms of a class that nobody here knows stay, too, since they might do more.
    """
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            made: ActiveNorm | SingleNorm1d
            if type(child) is nn.BatchNorm1d:
                made = SingleNorm1d(child)
            elif (
                isinstance(child, nn.BatchNorm2d)
                and not isinstance(child, ActiveNorm)
                and (after := after_norm(child)) is not None
            ):
                made = ActiveNorm(child.num_features, after, like=child)
            else:
                continue
            made.weight, made.bias = child.weight, child.bias
            for buffer, value in child.named_buffers():
                made.register_buffer(buffer, value)
            made.train(child.training)
            setattr(parent, name, made)


def after_norm(norm: nn.BatchNorm2d) -> nn.Module | None:
    """What a norm does beside normalizing; None for a class of norm that nobody here knows: leave it where it is."""
    if isinstance(norm, ActiveNorm):
        return norm.after
    timm = sys.modules.get("timm.layers")  # a norm of timm's has imported it
    if timm is not None and isinstance(norm, timm.BatchNormAct2d):
        return nn.Sequential(norm.drop, norm.act)
    return nn.Identity() if type(norm) is nn.BatchNorm2d else None
