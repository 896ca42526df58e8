"""Cross-stitch networks (Misra et al., CVPR 2016, arXiv 1604.03539): columns whose features are mixed by weights."""

import torch
from torch import Tensor, nn

from hydranet.models.columns import MixedColumns


class Unit(nn.Module):
    """x'_a = sum_b alpha_ab x_b, with a weight per channel (equation 1 of the paper)."""

    def __init__(self, columns: int, channels: int, keep: float) -> None:
        super().__init__()
        rest = (1 - keep) / max(columns - 1, 1)
        alpha = torch.full((columns, columns), rest) + torch.eye(columns) * (keep - rest)
        self.alpha = nn.Parameter(alpha[..., None].expand(columns, columns, channels).clone())

    def forward(self, x: list[Tensor]) -> list[Tensor]:
        if len(x) == 1:
            return x
        rows = [[weight[:, None, None] * one for weight, one in zip(row, x, strict=True)] for row in self.alpha]
        return [sum(others, start=first) for first, *others in rows]


class CrossStitch(MixedColumns):
    """Each group of tasks has an encoder and a decoder of its own; after each stage the columns' features are mixed.

    The paper gives the weights a higher rate than the rest: optim.factors.mix=10.

    Options and errors are those of `MixedColumns`.
    """

    def mixer(self, columns: int, channels: int, keep: float) -> nn.Module:
        return Unit(columns, channels, keep)
