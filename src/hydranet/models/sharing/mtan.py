"""Multi-Task Attention Network (Liu et al., CVPR 2019, arXiv 1803.10704): masks per task over shared features."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from hydranet.core.checks.ranges import check_range
from hydranet.core.features import Features, MakeDecoder, MakeEncoder, Pyramid, Reads
from hydranet.models.columns import TaskGroups


class Attention(nn.Module):
    """a_j = sigmoid(h_j([p_j; f_j(a_{j-1})])) * p_j over the levels p_j (equations 1 and 2 of the paper).

    h_j: 1x1 convolution to c / reduction channels, BatchNorm, ReLU, 1x1 convolution back. f_j: 3x3 convolution with the
    stride between the two levels, BatchNorm, ReLU; the finest level has none.
    """

    def __init__(self, taps: Features, reduction: int) -> None:
        super().__init__()
        self.carry, self.mask = nn.ModuleList(), nn.ModuleList()
        for before, tap in pairwise(taps):
            step = tap.stride // before.stride
            conv = nn.Conv2d(before.channels, tap.channels, 3, step, padding=1, bias=False)
            self.carry.append(nn.Sequential(conv, nn.BatchNorm2d(tap.channels), nn.ReLU()))
        for level, tap in enumerate(taps):
            inner = max(tap.channels // reduction, 1)
            first = nn.Conv2d(tap.channels * (2 if level else 1), inner, 1, bias=False)
            last = nn.Conv2d(inner, tap.channels, 1)
            self.mask.append(nn.Sequential(first, nn.BatchNorm2d(inner), nn.ReLU(), last, nn.Sigmoid()))

    def forward(self, pyramid: Pyramid) -> Pyramid:
        attended: Pyramid = []
        for level, (p, mask) in enumerate(zip(pyramid, self.mask, strict=True)):
            read = torch.cat([p, self.carry[level - 1](attended[-1])], 1) if level else p
            attended.append(mask(read) * p)
        return attended


class Mtan(TaskGroups):
    """One encoder; each group of tasks has masks of its own over the encoder's levels, and a decoder of its own.

    groups:    of tasks that have masks and decoder together; default: each task has its own.
    reduction: channels of a level by channels inside its mask.
    The paper has a mask inside each block, before and after its convolutions; here there is one for each level.
    Raises SpecError for groups that do not hold each task once.
    """

    def __init__(
        self,
        reads: Mapping[str, Reads],
        encoder: MakeEncoder,
        decoder: MakeDecoder,
        groups: tuple[tuple[str, ...], ...] = (),
        reduction: int = 4,
    ) -> None:
        check_range("sharing.reduction", reduction, 1, 1024)
        super().__init__(reads, groups)
        self.encoder = encoder()
        taps = self.encoder.features
        self.attention = nn.ModuleDict({group[0]: Attention(taps, reduction) for group in self.groups})
        self._add_decoders(decoder, taps)

    def shared(self, image: Tensor) -> Pyramid:
        return self.encoder(image)

    def branch(self, features: Pyramid, tasks: Sequence[str]) -> dict[str, Pyramid]:
        asked = dict.fromkeys(self.name_of[task] for task in tasks)
        return self._read({name: self.attention[name](features) for name in asked}, tasks)
