"""The head of SSD: six maps, a fixed set of default boxes on each, one softmax and one offset for every box."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from hydranet.annotations import Boxes
from hydranet.core.checks.ranges import check_range
from hydranet.core.errors import SpecError
from hydranet.core.features import Features, Pyramid
from hydranet.core.task import Loss, Raw
from hydranet.models.heads.assignment import by_overlap
from hydranet.models.heads.box_head import BoxHead, levels_of, truth
from hydranet.models.heads.box_losses import hardest, masked_cross_entropy
from hydranet.models.layers.boxes import as_offsets, from_offsets, strongest

RATIOS: tuple[tuple[float, ...], ...] = ((2,), (2, 3), (2, 3), (2, 3), (2,), (2,))
"""Aspect ratios of each of the six maps, beside 1 and the inverses: 4, 6, 6, 6, 4 and 4 boxes per cell (SSD300)."""


@dataclass(frozen=True)
class Ssd(BoxHead):
    """Single Shot MultiBox Detector (arXiv 1512.02325): three levels of the pyramid, three coarser ones of its own.

    scales:   size of the default boxes of each map as a share of the image's shorter side, and one beyond the last.
    overlap:  IoU from which a default box stands for an object.    negatives: how many for each positive.
    width:    channels of the maps that the head adds.              strides: levels it reads.
    """

    scales: tuple[float, ...] = (0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05)
    overlap: float = 0.5
    negatives: int = 3
    width: int = 256
    strides: tuple[int, int, int] = (8, 16, 32)

    def __post_init__(self) -> None:
        if len(self.scales) != len(RATIOS) + 1 or not 0 < self.scales[0] <= self.scales[-1] <= 2:
            raise SpecError(f"got scales={self.scales}, expected {len(RATIOS) + 1} shares of the image above 0")
        check_range("overlap", self.overlap, 0, 1, above=True)
        check_range("negatives", self.negatives, 0, 1000)
        check_range("width", self.width, 1, 8192)

    def build(self, features: Features, classes: int) -> nn.Module:
        return SsdHead(features, classes, self.width, self.strides, self.scales)

    def loss(self, raw: Raw, label: Boxes, classes: int) -> Loss:
        """MultiBox loss (eq. 1-3): smooth L1 on positives, softmax cross-entropy on positives and hard negatives.

        Divides by the number of positives; an image without any counts as one with a single positive and teaches
        its hardest negatives. Both are sums over images, so the mean is exact over any split.
        """
        with torch.autocast(raw["scores"].device.type, enabled=False):
            scores, offsets, defaults = raw["scores"].float(), raw["boxes"].float(), raw["defaults"]
            known = truth(label, classes)
            match = by_overlap(defaults, known, self.overlap, self.overlap)
            target = (known.label.gather(1, match.row) + 1) * match.positive
            centers = (defaults[..., :2] + defaults[..., 2:]) / 2
            entropy = masked_cross_entropy(scores, target, known.judged(centers))
            chosen = match.positive | hardest(entropy, match.positive, match.negative, self.negatives)
            goal = known.xyxy.gather(1, match.row[..., None].expand(-1, -1, 4))[match.positive]
            shift = F.smooth_l1_loss(
                offsets[match.positive], as_offsets(goal, defaults[match.positive]), reduction="sum"
            )
            parts = {"box": shift, "class": (entropy * chosen).sum()}
            return Loss(parts["box"] + parts["class"], match.positive.sum(1).clamp(min=1).sum().float(), parts)

    def decode(self, raw: Raw, candidates: int) -> Boxes:
        boxes = from_offsets(raw["boxes"].float(), raw["defaults"])
        return strongest(boxes, raw["scores"].float().softmax(-1)[..., 1:], candidates)


def default_boxes(
    maps: Sequence[tuple[int, int]],
    extent: tuple[float, float],
    scales: Sequence[float],
    ratios: Sequence[Sequence[float]] = RATIOS,
) -> Float[Tensor, "a 4"]:
    """Default boxes in pixels for maps of these (h, w), cell by cell, row by row.

    extent: height and width of the image in pixels. A map's boxes are `scale` of the shorter side, so that a wide
    image does not stretch them; at 300 x 300 they are the paper's (section 2.2).
    """
    boxes = []
    for k, (rows, columns) in enumerate(maps):
        y = (torch.arange(rows) + 0.5) * (extent[0] / rows)
        x = (torch.arange(columns) + 0.5) * (extent[1] / columns)
        # the shorter side, as a tensor that tracing follows: `min(extent)` would become a constant
        shorter = torch.minimum(y[0] + y[-1], x[0] + x[-1])
        shapes = torch.tensor(_shapes(scales[k], scales[k + 1], ratios[k])) * shorter
        centers = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], -1).reshape(-1, 1, 2)
        boxes.append(torch.cat((centers - shapes / 2, centers + shapes / 2), -1).reshape(-1, 4))
    return torch.cat(boxes)


def _shapes(scale: float, following: float, ratios: Sequence[float]) -> list[tuple[float, float]]:
    """Widths and heights: a square, a larger square halfway to the next map, and each ratio as wide and high box."""
    between = math.sqrt(scale * following)
    shapes = [(scale, scale), (between, between)]
    for ratio in ratios:
        root = math.sqrt(ratio)
        shapes += [(scale * root, scale / root), (scale / root, scale * root)]
    return shapes


class SsdHead(nn.Module):
    """Pyramid to {"scores": b a c+1 logits (0 = background), "boxes": b a 4 offsets, "defaults": b a 4 pixels}."""

    def __init__(
        self, features: Features, classes: int, width: int, strides: tuple[int, ...], scales: tuple[float, ...]
    ) -> None:
        super().__init__()
        self.levels, self.stride, self.scales = levels_of(features, strides), strides[0], scales
        channels = [features[i].channels for i in self.levels] + [width] * 3
        counts = [2 + 2 * len(ratios) for ratios in RATIOS]
        self.extra = nn.ModuleList(
            _coarser(channels[i + 2], width, step) for i, step in enumerate((2, 2, 3))
        )  # 10 -> 5 -> 3 -> 1 cells at 300 x 300
        self.score = nn.ModuleList(
            nn.Conv2d(i, n * (classes + 1), 3, padding=1) for i, n in zip(channels, counts, strict=True)
        )
        self.box = nn.ModuleList(nn.Conv2d(i, n * 4, 3, padding=1) for i, n in zip(channels, counts, strict=True))
        self.classes = classes

    def forward(self, pyramid: Pyramid) -> Raw:
        maps = [pyramid[i] for i in self.levels]
        for step in self.extra:
            maps.append(step(maps[-1]))
        sizes = [(level.shape[2], level.shape[3]) for level in maps]
        extent = (sizes[0][0] * self.stride, sizes[0][1] * self.stride)
        defaults = default_boxes(sizes, extent, self.scales).to(maps[0].device)
        return {
            "scores": torch.cat([_rows(c(m), self.classes + 1) for c, m in zip(self.score, maps, strict=True)], 1),
            "boxes": torch.cat([_rows(c(m), 4) for c, m in zip(self.box, maps, strict=True)], 1),
            "defaults": defaults.expand(maps[0].shape[0], -1, -1),
        }


def _rows(level: Float[Tensor, "b nk h w"], width: int) -> Float[Tensor, "b hwn k"]:
    return level.permute(0, 2, 3, 1).flatten(1).unflatten(1, (-1, width))


class _Whole(nn.Module):
    """Pads right and below to whole steps, so that every cell of the coarser map covers cells of the finer one."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.step = step

    def forward(self, level: Tensor) -> Tensor:
        return F.pad(level, (0, -level.shape[3] % self.step, 0, -level.shape[2] % self.step))


def _coarser(channels: int, width: int, step: int) -> nn.Sequential:
    """A map with a half or a third of the cells, rounded up; without batch norm, which one cell cannot have."""
    return nn.Sequential(
        nn.Conv2d(channels, width // 2, 1),
        nn.ReLU(),
        _Whole(step),
        nn.Conv2d(width // 2, width, 3, stride=step, padding=1 if step == 2 else 0),
        nn.ReLU(),
    )
