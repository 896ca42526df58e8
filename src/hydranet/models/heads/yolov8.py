"""The anchor-free head of YOLOv8: every cell predicts classes and how far the four sides are."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from hydranet.annotations import Boxes
from hydranet.core.checks.ranges import check_range
from hydranet.core.features import Features, Pyramid
from hydranet.core.spec import SpecError
from hydranet.core.task import Loss, Raw
from hydranet.models.heads.assignment import Assignment, task_aligned
from hydranet.models.heads.box_head import BoxHead, Truth, levels_of, truth
from hydranet.models.heads.box_losses import distribution_focal, expectation
from hydranet.models.layers.boxes import grid, strongest

WIDTHS = {"xs": (64, 64, 64), "n": (64, 128, 256), "s": (128, 256, 512), "m": (192, 384, 576)}
"""Channels at strides 8, 16 and 32: of the three smaller YOLOv8 networks, and one below."""


@dataclass(frozen=True)
class YoloV8(BoxHead):
    """Anchor-free detection with decoupled branches, Distribution Focal Loss and task-aligned assignment.

    width:   channels that the levels are projected to.    strides: levels it reads.
    separable: 3x3 convolutions as depthwise and pointwise ones; with width "xs" a head of 0.1 instead of 0.5 GMAC.
    reg_max: bins for the distance to a side, in cells: a box reaches at most (reg_max - 1) * stride to each side.
    topk, alpha, beta: the assigner's (TOOD, arXiv 2108.07755).
    box_gain, class_gain, dfl_gain: weights of the three parts of the loss; the values are YOLOv8's.
    """

    width: Literal["xs", "n", "s", "m"] = "n"
    separable: bool = False
    reg_max: int = 16
    topk: int = 10
    alpha: float = 0.5
    beta: float = 6.0
    box_gain: float = 7.5
    class_gain: float = 0.5
    dfl_gain: float = 1.5
    strides: tuple[int, int, int] = (8, 16, 32)

    def __post_init__(self) -> None:
        if self.width not in WIDTHS:
            raise SpecError(f"got width {self.width!r}, expected one of {', '.join(WIDTHS)}")
        check_range("reg_max", self.reg_max, 2, 256)
        check_range("topk", self.topk, 1, 1000)
        for what in ("alpha", "beta", "box_gain", "class_gain", "dfl_gain"):
            check_range(what, vars(self)[what], 0, 1e6)

    def build(self, features: Features, classes: int) -> nn.Module:
        return YoloV8Head(features, classes, self)

    def loss(self, raw: Raw, label: Boxes, classes: int) -> Loss:
        """BCE on classes, CIoU and DFL on assigned boxes, each weighted by the alignment target.

        Sums divide by the sum of targets, plus one for each image: an image without objects then weighs its
        negatives like one with a single perfectly detected object, instead of dividing by zero. Both are sums over
        images, so the mean is exact over any split.
        """
        with torch.autocast(raw["scores"].device.type, enabled=False):
            scores, bins = raw["scores"].float(), raw["boxes"].float()
            boxes, known = self._boxes(raw), truth(label, classes)
            least_px = float(self.strides[0])
            match = task_aligned(
                scores.sigmoid(), boxes, raw["points"], known, self.topk, (self.alpha, self.beta), least_px
            )
            judged = known.judged(raw["points"]) | (match.target > 0)
            classed = (F.binary_cross_entropy_with_logits(scores, match.target, reduction="none") * judged).sum()
            box, dfl = box_losses(boxes, bins, raw, match, known)
            parts = {"box": self.box_gain * box, "class": self.class_gain * classed, "dfl": self.dfl_gain * dfl}
            return Loss(sum(parts.values(), start=scores.new_zeros(())), match.target.sum() + len(scores), parts)

    def decode(self, raw: Raw, candidates: int) -> Boxes:
        return strongest(self._boxes(raw), raw["scores"].float().sigmoid(), candidates)

    def _boxes(self, raw: Raw) -> Float[Tensor, "b a 4"]:
        reach = expectation(raw["boxes"].float()) * raw["strides"]
        return torch.cat((raw["points"] - reach[..., :2], raw["points"] + reach[..., 2:]), -1)


def box_losses(
    boxes: Float[Tensor, "b a 4"], bins: Float[Tensor, "b a 4 r"], raw: Raw, match: Assignment, known: Truth
) -> tuple[Tensor, Tensor]:
    """Sums of 1 - CIoU and of DFL over assigned anchors, weighted by their targets; attached to the graph if none."""
    index = match.row[..., None].expand(-1, -1, 4)
    goal = known.xyxy.gather(1, index)[match.positive]
    from torchvision.ops import complete_box_iou_loss  # takes seconds of imports; only training needs it

    weight = match.target.sum(-1)[match.positive]
    points, strides = raw["points"][match.positive], raw["strides"][match.positive]
    reach = torch.cat((points - goal[:, :2], goal[:, 2:] - points), -1) / strides
    box = complete_box_iou_loss(boxes[match.positive], goal) * weight
    return box.sum(), (distribution_focal(bins[match.positive], reach) * weight).sum()


def block(channels: int, out: int, kernel: int, groups: int = 1) -> nn.Sequential:
    """Convolution, batch norm, SiLU."""
    return nn.Sequential(
        nn.Conv2d(channels, out, kernel, padding=kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out, eps=1e-3, momentum=0.03),
        nn.SiLU(),
    )


def look_around(channels: int, out: int, separable: bool) -> nn.Sequential:
    """A 3x3 block, in one piece or as a depthwise and a pointwise one (MobileNet, arXiv 1704.04861)."""
    if not separable:
        return block(channels, out, 3)
    return nn.Sequential(block(channels, channels, 3, groups=channels), block(channels, out, 1))


class YoloV8Head(nn.Module):
    """Pyramid to {"scores": b a c logits, "boxes": b a 4 r logits, "points": b a 2, "strides": b a 1}."""

    def __init__(self, features: Features, classes: int, config: YoloV8) -> None:
        super().__init__()
        self.strides, self.reg_max, widths = config.strides, config.reg_max, WIDTHS[config.width]
        self.levels = levels_of(features, self.strides)
        box_width, class_width = max(widths[0] // 4, 4 * self.reg_max), max(widths[0], min(classes, 100))
        self.project = nn.ModuleList(
            block(features[i].channels, w, 1) for i, w in zip(self.levels, widths, strict=True)
        )
        self.box = nn.ModuleList(branch(w, box_width, 4 * self.reg_max, config.separable, bias=1.0) for w in widths)
        # at first every cell expects its share of 5 objects in an image of 640 x 640
        rare = [math.log(5 / classes / (640 / stride) ** 2) for stride in self.strides]
        self.score = nn.ModuleList(
            branch(w, class_width, classes, config.separable, bias) for w, bias in zip(widths, rare, strict=True)
        )

    def forward(self, pyramid: Pyramid) -> Raw:
        maps = [project(pyramid[i]) for i, project in zip(self.levels, self.project, strict=True)]
        scores = [score(level).flatten(2).transpose(1, 2) for score, level in zip(self.score, maps, strict=True)]
        boxes = [box(level).flatten(2).transpose(1, 2) for box, level in zip(self.box, maps, strict=True)]
        points = [grid(m.shape[2], m.shape[3], s, m) for m, s in zip(maps, self.strides, strict=True)]
        strides = [torch.full_like(p[:, :1], s) for p, s in zip(points, self.strides, strict=True)]
        batch = maps[0].shape[0]
        return {
            "scores": torch.cat(scores, 1),
            "boxes": torch.cat(boxes, 1).unflatten(2, (4, self.reg_max)),
            "points": torch.cat(points).expand(batch, -1, -1),
            "strides": torch.cat(strides).expand(batch, -1, -1),
        }


def branch(channels: int, width: int, out: int, separable: bool, bias: float) -> nn.Sequential:
    """Two 3x3 blocks and a 1x1 convolution whose outputs start at `bias`."""
    last = nn.Conv2d(width, out, 1)
    nn.init.constant_(torch.as_tensor(last.bias), bias)
    return nn.Sequential(look_around(channels, width, separable), look_around(width, width, separable), last)
