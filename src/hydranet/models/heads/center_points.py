"""Instances as points: a heatmap of their centers, and at each center the way to every point (arXiv 1904.07850)."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from hydranet.core.features import Features
from hydranet.models.heads.dense import DenseHead

RARE = -2.19
"""Bias of heatmaps at the start: a probability of .1, so that the many empty cells do not drown the rest."""

SHARP, PEAK = 3, 1e-4
"""Cells of a window whose greatest value is a peak; least that a probability and its rest may be."""


class CenterHead(DenseHead):
    """One map of centers, 2 k of offsets to the points, k of the points, 2 of where in its cell a point is."""

    def __init__(self, features: Features, points: int) -> None:
        super().__init__(features, 3 * points + 3)
        assert self.after.bias is not None
        with torch.no_grad():
            self.after.bias[0] = self.after.bias[1 + 2 * points : 1 + 3 * points] = RARE


@dataclass(frozen=True)
class CenterMaps:
    """A head's output, split; float32.

    center: b 1 h w, points: b k h w, logits.    offset: b 2k h w, x and y of each point from the middle of the cell,
    in cells.    within: b 2 h w, where a point lies from the middle of its cell.
    """

    center: Tensor
    offset: Tensor
    points: Tensor
    within: Tensor

    @staticmethod
    def of(raw: Float[Tensor, "b c h w"], points: int) -> "CenterMaps":
        """Raw maps of a `CenterHead`."""
        return CenterMaps(*raw.float().split([1, 2 * points, points, 2], 1))


def focal(z: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """Sum over known cells of the penalty-reduced focal loss (CornerNet, arXiv 1808.01244, equation 1; alpha 2,
    beta 4): a cell of target 1 is a center, others cost the less the nearer they are to one."""
    p = z.sigmoid().clamp(PEAK, 1 - PEAK)
    there = target >= 1.0
    positive = -((1 - p) ** 2) * p.log()
    negative = -((1 - target) ** 4) * p**2 * (1 - p).log()
    return torch.where(there, positive, negative * known).sum()


def cell_of(xy: Float[Tensor, "... 2"], size: tuple[int, int]) -> Int[Tensor, "... 2"]:
    """Column and row of the cell that a place (in cells) lies in, kept inside the map."""
    last = torch.tensor([size[1] - 1, size[0] - 1], device=xy.device)
    return torch.minimum(xy.floor().long().clamp(min=0), last)


def splat(
    xy: Float[Tensor, "b n k 2"], there: Bool[Tensor, "b n k"], sigma: Float[Tensor, "b n"], size: tuple[int, int]
) -> Float[Tensor, "b k h w"]:
    """The greatest of the Gaussians around the cells of the points; 1 exactly at those cells."""
    cells = cell_of(torch.where(there[..., None], xy, 0.0), size) + 0.5
    rows = torch.arange(size[0], device=xy.device) + 0.5
    columns = torch.arange(size[1], device=xy.device) + 0.5
    target = xy.new_zeros(xy.shape[0], xy.shape[2], *size)
    for i in range(xy.shape[1]):  # one instance at a time: all at once would not fit into memory
        spread = 2 * sigma[:, i, None, None] ** 2
        down = (-((rows - cells[:, i, :, 1:]) ** 2) / spread).exp()
        along = (-((columns - cells[:, i, :, :1]) ** 2) / spread).exp()
        one = down[..., None] * along[..., None, :] * there[:, i, :, None, None]
        target = torch.maximum(target, one)
    return target


def covered(
    xyxy: Float[Tensor, "b n 4"], there: Bool[Tensor, "b n k"], size: tuple[int, int]
) -> Bool[Tensor, "b k h w"]:
    """The cells inside any of the boxes (in cells), for each of k maps those of the instances that are `there`."""
    y = (torch.arange(size[0], device=xyxy.device) + 0.5)[None, :, None]
    x = (torch.arange(size[1], device=xyxy.device) + 0.5)[None, None, :]
    mask = torch.zeros(there.shape[0], there.shape[2], *size, dtype=torch.bool, device=xyxy.device)
    for i in range(xyxy.shape[1]):
        left, top, right, bottom = xyxy[:, i, :, None, None].unbind(1)
        inside = (x >= left) & (x <= right) & (y >= top) & (y <= bottom)
        mask |= inside[:, None] & there[:, i, :, None, None]
    return mask


def at_cells(maps: Float[Tensor, "b c h w"], cells: Int[Tensor, "b m 2"]) -> Float[Tensor, "b m c"]:
    """The values of all maps at m cells (column, row)."""
    index = cells[..., 1] * maps.shape[3] + cells[..., 0]
    return maps.flatten(2).gather(2, index[:, None].expand(-1, maps.shape[1], -1)).transpose(1, 2)


def peaks(p: Float[Tensor, "b c h w"], count: int) -> tuple[Tensor, Tensor]:
    """The `count` best local maxima of each map: scores b c m (0 where no peak), and column and row, int b c m 2."""
    best = nn.functional.max_pool2d(p, SHARP, 1, SHARP // 2)
    alone = torch.where(p == best, p, 0.0).flatten(2)
    score, index = alone.topk(min(count, alone.shape[2]), 2)
    return score, torch.stack([index % p.shape[3], index // p.shape[3]], 3)


def refined(
    xy: Float[Tensor, "b n k 2"], peak: Float[Tensor, "b k m 2"], score: Float[Tensor, "b k m"], least: float
) -> Float[Tensor, "b n k 2"]:
    """Points moved to the nearest peak of their map (section 6.2 of the paper), where one of at least `least` is near:
    within .3 of the longer side of the instance's points.

    xy, peak: in the same unit.
    """
    apart = (xy[:, :, :, None] - peak[:, None]).pow(2).sum(4)
    apart = torch.where(score[:, None] >= least, apart, torch.inf)
    nearest, index = apart.min(3)
    chosen = peak[:, None].expand(-1, xy.shape[1], -1, -1, -1)
    chosen = chosen.gather(3, index[..., None, None].expand(-1, -1, -1, 1, 2))[:, :, :, 0]
    side = (xy.amax(2) - xy.amin(2)).amax(2)[..., None]
    return torch.where((nearest <= (0.3 * side) ** 2)[..., None], chosen, xy)
