"""BatchNorm whose statistics are those of all processes, on any device that torch.distributed serves."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from hydranet.core.spec import SpecError
from hydranet.models.layers.active_norm import ActiveNorm, after_norm


class Total(torch.autograd.Function):
    """The sum over all processes; so is its gradient, since every process uses the sum."""

    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:
        total = own.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        dist.all_reduce(total)
        return total


class SyncNorm(ActiveNorm):
    """BatchNorm over the images of all processes while it trains and `together` is set; else over its own.

    Parameters and buffers are those of the norm whose place it takes. torch's own SyncBatchNorm works on GPUs only.
    Mean and variance are taken in two passes, in float32 at least, so that a large mean costs no digits.
    after: what follows the norm, as in `ActiveNorm`. Raises SpecError for a norm of which nobody knows it.
    """

    def __init__(self, old: nn.BatchNorm2d) -> None:
        after = after_norm(old)
        if after is None:
            raise SpecError(
                f"sync_norm got a {type(old).__name__}, expected a BatchNorm2d, an ActiveNorm or one of timm's: it "
                "might do more than normalize; set sync_norm=false"
            )
        super().__init__(old.num_features, after, like=old)
        self.weight, self.bias = old.weight, old.bias
        for name, value in old.named_buffers():
            self.register_buffer(name, value)
        self.training, self.together = old.training, True

    def forward(self, x: Tensor) -> Tensor:
        if not (self.training and self.together and dist.is_initialized() and dist.get_world_size() > 1):
            return super().forward(x)
        wide = x if x.dtype == torch.float64 else x.float()
        axes, own = (0, 2, 3), wide.new_tensor([wide.numel() / wide.shape[1]])
        sums = Total.apply(torch.cat([wide.sum(axes), own]))
        count = sums[-1].detach()
        mean = sums[:-1] / count
        centered = wide - mean[:, None, None]
        variance = Total.apply(centered.square().sum(axes)) / count
        self._remember(mean.detach(), variance.detach() * count / (count - 1).clamp(min=1))
        scaled = centered * (variance + self.eps).rsqrt()[:, None, None]
        if self.affine:
            scaled = scaled * self.weight[:, None, None] + self.bias[:, None, None]
        return self.after(scaled.to(x.dtype))

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
        self.running_var.lerp_(variance.to(self.running_var.dtype), share)


def synchronize(module: nn.Module) -> None:
    """Puts a SyncNorm in the place of every BatchNorm inside, with its weights and statistics."""
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm2d) and not isinstance(child, SyncNorm):
                setattr(parent, name, SyncNorm(child))
