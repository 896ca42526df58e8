"""A U-Net style head: 2x steps from the coarsest level up, with skip connections (arXiv 1505.04597)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hydranet.core.features import Features, Pyramid
from hydranet.core.spec import SpecError


class UNetHead(nn.Module):
    """Levels to one map at `stride`: enlarged twofold, beside the next finer level, 3x3 convolution, BatchNorm, ReLU.

    width: channels at stride 4 and finer; twice as many at 8, four times at 16.    Where there is no level of a
    stride (finer than the encoder's first), the step goes without.    Raises SpecError for a stride that is not among
    1, 2, 4 or is coarser than the coarsest level.
    """

    def __init__(self, features: Features, out_channels: int, stride: int = 4, width: int = 32) -> None:
        super().__init__()
        strides = sorted({level.stride for level in features}, reverse=True)
        if stride not in (1, 2, 4) or stride > strides[0]:
            raise SpecError(f"got stride {stride} for levels of strides {strides[::-1]}, expected 1, 2 or 4")
        self.places = [[i for i, level in enumerate(features) if level.stride == one] for one in strides]
        channels = [sum(features[i].channels for i in places) for places in self.places]
        skips = dict(zip(strides, zip(self.places, channels, strict=True), strict=True))
        inside, at = skips[strides[0]][1], strides[0]
        self.steps, self.skips = nn.ModuleList(), list[list[int]]()
        while at > stride:
            at //= 2
            places, extra = skips.get(at, ([], 0))
            outside = width * min(max(at // 4, 1), 4)
            self.steps.append(_step(inside + extra, outside))
            self.skips.append(places)
            inside = outside
        self.out = nn.Conv2d(inside, out_channels, 3, padding=1)

    def forward(self, pyramid: Pyramid) -> Float[Tensor, "b c h w"]:
        x = torch.cat([pyramid[i] for i in self.places[0]], 1)
        for step, places in zip(self.steps, self.skips, strict=True):
            x = nn.functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
            x = step(torch.cat([x, *(pyramid[i] for i in places)], 1))
        return self.out(x)


def _step(inside: int, outside: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inside, outside, 3, padding=1, bias=False), nn.BatchNorm2d(outside), nn.ReLU())
