"""A light transformer decoder: linear attention on the coarse levels, then from coarse to fine."""

import torch
from torch import Tensor, nn

from hydranet.core.checks.ranges import check_range
from hydranet.core.features import Decoder, Features, FeatureSpec, Pyramid
from hydranet.core.spec import SpecError


class LinearAttention(nn.Module):
    """o_i = sum_j phi(q_i) phi(k_j)^T v_j / sum_j phi(q_i) phi(k_j)^T with phi = ReLU (arXiv 2006.16236, equation 4).

    Cost grows with the number of cells, not with its square, since sum_j phi(k_j)^T v_j is taken first, as in
    EfficientViT (arXiv 2205.14756). Sums over cells are means, so that half precision does not overflow. Made of
    convolutions and matrix products only.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.project = nn.Conv2d(width, 3 * width, 1, bias=False)
        self.place = nn.Conv2d(3 * width, 3 * width, 3, padding=1, groups=3 * width, bias=False)  # where a cell lies
        self.out = nn.Conv2d(width, width, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        batch, width, height, columns = x.shape
        cells = height * columns
        parts = self.place(self.project(x)).reshape(batch, 3 * self.heads, width // self.heads, cells)
        q, k, v = parts.chunk(3, 1)
        q, k = torch.relu(q), torch.relu(k) / cells
        context = v @ k.transpose(2, 3)  # b heads d d
        summed = k.sum(3, keepdim=True).transpose(2, 3)  # b heads 1 d
        mixed = (context @ q) / (summed @ q + EPSILON)
        return self.out(mixed.reshape(batch, width, height, columns))


class Block(nn.Module):
    """x + attention(norm(x)), then x + feed-forward(norm(x)) with a 3x3 convolution within channels in its middle."""

    def __init__(self, width: int, heads: int, expansion: int) -> None:
        super().__init__()
        inner = width * expansion
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for _ in range(2))
        self.attention = LinearAttention(width, heads)
        self.feed = nn.Sequential(
            nn.Conv2d(width, inner, 1),
            nn.Conv2d(inner, inner, 3, padding=1, groups=inner),
            nn.Hardswish(),
            nn.Conv2d(inner, width, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norms[0](x))
        return x + self.feed(self.norms[1](x))


class LinearTransformer(Decoder):
    """Taps to one level per stride, each `width` channels: attention over whole coarse levels, then coarse to fine.

    Every tap goes through a 1x1 convolution; taps of one stride are summed, with what comes from below enlarged. Levels
    of a stride of at least `from_stride` pass `blocks` blocks of attention, finer ones a 3x3 convolution within
    channels and a 1x1 convolution.

    width:  channels of every level, a multiple of heads.    blocks: per attending level.    expansion: of feed-forward.
    """

    def __init__(
        self,
        features: Features,
        width: int = 128,
        heads: int = 4,
        blocks: int = 2,
        expansion: int = 2,
        from_stride: int = 16,
    ) -> None:
        super().__init__()
        for name, value, most in (("width", width, 8192), ("heads", heads, 256), ("blocks", blocks, 64)):
            check_range(f"decoder.{name}", value, 1, most)
        check_range("decoder.expansion", expansion, 1, 16)
        if width % heads:
            raise SpecError(f"got decoder.width={width} with heads={heads}, expected a multiple of the heads")
        self.strides = sorted({tap.stride for tap in features})
        self.taps = [[i for i, tap in enumerate(features) if tap.stride == stride] for stride in self.strides]
        self.features = tuple(FeatureSpec(width, stride) for stride in self.strides)
        self.adapt = nn.ModuleList(nn.Conv2d(tap.channels, width, 1, bias=False) for tap in features)
        self.refine = nn.ModuleList(
            nn.Sequential(*(Block(width, heads, expansion) for _ in range(blocks)))
            if stride >= from_stride
            else _separable(width)
            for stride in self.strides
        )

    def forward(self, pyramid: Pyramid) -> Pyramid:
        levels: Pyramid = []
        for place in reversed(range(len(self.strides))):
            first, *others = (self.adapt[i](pyramid[i]) for i in self.taps[place])
            x = sum(others, start=first)
            if levels:
                x = x + nn.functional.interpolate(levels[-1], x.shape[-2:], mode="bilinear", align_corners=False)
            levels.append(self.refine[place](x))
        return levels[::-1]


EPSILON = 1e-6
"""Beside a sum of attention weights, each a mean over cells; a cell whose weights are all 0 gets 0."""


def _separable(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU6(),
        nn.Conv2d(width, width, 1),
    )
