"""A factor per channel, kept as the 1x1 depthwise convolution it is in files."""

import torch
from torch import Tensor, nn


class ChannelScale(nn.Conv2d):
    """y_c = w_c x_c: a 1x1 depthwise convolution without bias, multiplied out while it trains.

    The numbers are the same. PyTorch goes through such a convolution channel by channel on a processor, back and forth
    (docs/experiments.md); the exported graph keeps the convolution, which runtimes fuse and quantize.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, 1, bias=False, groups=channels)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        kind = x.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
        return x.to(dtype) * self.weight.view(1, -1, 1, 1).to(dtype)
