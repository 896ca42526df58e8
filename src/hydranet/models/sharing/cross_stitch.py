"""Cross-stitch networks (Misra et al., CVPR 2016, arXiv 1604.03539): columns whose features are mixed by weights."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from hydranet.core.checks.ranges import check_range
from hydranet.core.features import MakeDecoder, MakeEncoder, Reads
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

    groups: of tasks that have one column together; default: each task has its own.
    keep:   what a column keeps of its own features at the start, above 0 and at most 1; the rest comes from the others
            in equal parts. With a single column nothing is mixed.
    The paper gives the weights a higher rate than the rest: optim.factors.mix=10.
    Raises SpecError for groups that do not hold each task once, and for an encoder that is no chain of stages.
    """

    def __init__(
        self,
        reads: Mapping[str, Reads],
        encoder: MakeEncoder,
        decoder: MakeDecoder,
        groups: tuple[tuple[str, ...], ...] = (),
        keep: float = 0.9,
    ) -> None:
        check_range("sharing.keep", keep, 0, 1, above=True)
        self.keep = keep
        super().__init__(reads, encoder, decoder, groups)

    def mixer(self, columns: int, channels: int) -> nn.Module:
        return Unit(columns, channels, self.keep)
