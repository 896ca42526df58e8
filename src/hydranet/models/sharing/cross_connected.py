"""NDDR-CNN (Gao et al., CVPR 2019, arXiv 1801.08297): columns connected by 1x1 convolutions over all features."""

import torch
from torch import Tensor, nn

from hydranet.models.columns import MixedColumns


class Connection(nn.Module):
    """x'_a = W_a [x_1; ...; x_k]: a 1x1 convolution per column over the features of all (equation 2 of the paper).

    Without the paper's norm, so that it begins as the identity for encoders with and without activation at their taps.
    """

    def __init__(self, columns: int, channels: int, keep: float) -> None:
        super().__init__()
        self.convs = nn.ModuleList()
        rest = (1 - keep) / max(columns - 1, 1)
        for own in range(columns):
            conv = nn.Conv2d(columns * channels, channels, 1, bias=False)
            blocks = [torch.eye(channels) * (keep if other == own else rest) for other in range(columns)]
            with torch.no_grad():
                conv.weight.copy_(torch.cat(blocks, 1)[..., None, None])
            self.convs.append(conv)

    def forward(self, x: list[Tensor]) -> list[Tensor]:
        if len(x) == 1:
            return x
        together = torch.cat(x, 1)
        return [conv(together) for conv in self.convs]


class CrossConnected(MixedColumns):
    """Each group of tasks has an encoder and a decoder; after each stage a column sees all columns' channels.

    More general than `CrossStitch`, where a channel is mixed with its counterparts only, and dearer: (k c)^2 parameters
    per level for k columns of c channels.

    Options and errors are those of `MixedColumns`.
    """

    def mixer(self, columns: int, channels: int, keep: float) -> nn.Module:
        return Connection(columns, channels, keep)
