"""The two-stage head of Faster R-CNN: propose regions that may hold an object, then look into each of them."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from hydranet.annotations import Boxes
from hydranet.core.checks.ranges import check_range
from hydranet.core.features import Features, Pyramid
from hydranet.core.task import Loss, Raw
from hydranet.models.heads.assignment import Match, by_overlap
from hydranet.models.heads.box_head import BoxHead, Truth, levels_of, truth
from hydranet.models.heads.box_losses import hardest, masked_cross_entropy
from hydranet.models.layers.boxes import as_offsets, from_offsets, grid, iou

RATIOS = (0.5, 1.0, 2.0)
"""Height over width of the anchors; with three sizes, nine per cell."""

CELLS = 7
"""Cells per side of the grid that a region is resampled to."""


@dataclass(frozen=True)
class TwoStage(BoxHead):
    """Faster R-CNN (arXiv 1506.01497) on one level, with RoI align (arXiv 1703.06870).

    The second stage reads the forward pass's own proposals, a static number of them, and the loss picks its examples
    among those: forward never sees a label, so training, inference and export share it. Objectness is predicted per
    class, so that a class that a data set does not label is neither object nor background in the first stage, too.

    sizes:  roots of the anchors' areas in pixels.           stride: level it reads.
    considered: anchors that are looked at for proposals.    proposals: regions of an image that are looked into.
    rpn_width, width: channels of the first stage, units of each of the second stage's two layers.
    negatives: how many for each positive.
    """

    sizes: tuple[float, float, float] = (24.0, 64.0, 160.0)
    stride: int = 8
    considered: int = 600
    proposals: int = 128
    rpn_width: int = 128
    width: int = 1024
    negatives: int = 3

    def __post_init__(self) -> None:
        for what in ("considered", "proposals", "rpn_width", "width", "stride"):
            check_range(what, vars(self)[what], 1, 100_000)
        for size in self.sizes:
            check_range("sizes", size, 0, 1e5, above=True)
        check_range("negatives", self.negatives, 0, 1000)

    def build(self, features: Features, classes: int) -> nn.Module:
        return TwoStageHead(features, classes, self)

    def loss(self, raw: Raw, label: Boxes, classes: int) -> Loss:
        """Four parts (eq. 1, for both stages): object or not, anchor shift, class, box shift.

        Each is a mean over the examples of an image; the sum over images divides by their number, so that the mean
        is exact over any split.
        """
        with torch.autocast(raw["scores"].device.type, enabled=False):
            known = truth(label, classes)
            anchored = by_overlap(raw["anchors"], known, high=0.7, low=0.3)
            proposed = by_overlap(raw["proposals"], known, high=0.5, low=0.5, force=False)
            parts = {
                **_first_stage(raw, known, anchored, self.negatives),
                **_second_stage(raw, known, proposed, self.negatives),
            }
            total = sum((part.sum() for part in parts.values()), start=raw["scores"].new_zeros((), dtype=torch.float32))
            count = torch.tensor(float(len(raw["scores"])), device=total.device)
            return Loss(total, count, {name: part.sum() for name, part in parts.items()})

    def decode(self, raw: Raw, candidates: int) -> Boxes:
        boxes = from_offsets(raw["boxes"].float(), raw["proposals"][:, :, None].expand_as(raw["boxes"]))
        scores = raw["scores"].float().softmax(-1)[..., 1:]
        score, index = scores.flatten(1).topk(min(candidates, scores[0].numel()), dim=1)
        classes = scores.shape[2]
        label = index - torch.div(index, classes, rounding_mode="floor") * classes
        return Boxes(boxes.flatten(1, 2).gather(1, index[..., None].expand(-1, -1, 4)), label, score)


def _first_stage(raw: Raw, known: Truth, match: Match, ratio: int) -> dict[str, Float[Tensor, " b"]]:
    objectness, anchors = raw["objectness"].float(), raw["anchors"]
    target = F.one_hot(known.label.gather(1, match.row), objectness.shape[2]) * match.positive[..., None]
    assigned = (match.positive | match.negative)[..., None]
    judged = (known.judged(_centers(anchors)) & assigned) | target.bool()
    wrong = (F.binary_cross_entropy_with_logits(objectness, target.float(), reduction="none") * judged).sum(-1)
    examples = match.positive | hardest(wrong, match.positive, match.negative, ratio)
    shift = _shifts(raw["deltas"].float(), anchors, known, match, gain=(1.0, 1.0))
    return {"object": _mean(wrong, examples), "proposal": _mean(shift, match.positive)}


def _second_stage(raw: Raw, known: Truth, match: Match, ratio: int) -> dict[str, Float[Tensor, " b"]]:
    scores, proposals = raw["scores"].float(), raw["proposals"]
    label = known.label.gather(1, match.row)
    wrong = masked_cross_entropy(scores, (label + 1) * match.positive, known.judged(_centers(proposals)))
    examples = match.positive | hardest(wrong, match.positive, match.negative, ratio, least=4)
    own = raw["boxes"].float().gather(2, label[..., None, None].expand(-1, -1, 1, 4))[:, :, 0]
    shift = _shifts(own, proposals, known, match, gain=(10.0, 5.0))
    return {"class": _mean(wrong, examples), "box": _mean(shift, match.positive)}


def _shifts(
    offsets: Float[Tensor, "b a 4"],
    homes: Float[Tensor, "b a 4"],
    known: Truth,
    match: Match,
    gain: tuple[float, float],
) -> Float[Tensor, "b a"]:
    """Smooth L1 between predicted and true offsets; 0 where there is no object."""
    goal = known.xyxy.gather(1, match.row[..., None].expand(-1, -1, 4))
    true = as_offsets(goal, homes, gain).where(match.positive[..., None], offsets.detach())
    return F.smooth_l1_loss(offsets, true, reduction="none", beta=1 / 9).sum(-1)


def _mean(values: Float[Tensor, "b a"], examples: Float[Tensor, "b a"]) -> Float[Tensor, " b"]:
    return (values * examples).sum(1) / examples.sum(1).clamp(min=1)


def _centers(xyxy: Float[Tensor, "b a 4"]) -> Float[Tensor, "b a 2"]:
    return (xyxy[..., :2] + xyxy[..., 2:]) / 2


def anchors_at(points: Float[Tensor, "a 2"], sizes: tuple[float, ...]) -> Float[Tensor, "an 4"]:
    """Nine boxes around each point: every size in every ratio, the area being the square of the size."""
    ratios, sides = points.new_tensor(RATIOS)[:, None], points.new_tensor(sizes)
    half = torch.stack((sides / ratios.sqrt(), sides * ratios.sqrt()), -1).reshape(1, -1, 2) / 2
    return torch.cat((points[:, None] - half, points[:, None] + half), -1).reshape(-1, 4)


@torch.no_grad()
def propose(
    boxes: Float[Tensor, "b a 4"], score: Float[Tensor, "b a"], considered: int, proposals: int, overlap: float = 0.7
) -> Float[Tensor, "b p 4"]:
    """The best boxes that no better one covers, with static shapes: one matrix of overlaps instead of a loop.

    A box is covered when any better box overlaps it by more than `overlap`, whether or not that one is covered itself
    (Fast NMS, arXiv 1904.02689, section 3.3). Covered boxes only fill up what is left of the `proposals` places, and
    empty boxes what an image with fewer boxes than `considered` leaves: so no shape depends on the image's size.
    """
    score, boxes = F.pad(score, (0, considered), value=-torch.inf), F.pad(boxes, (0, 0, 0, considered))
    score, index = score.topk(considered, dim=1)
    best = boxes.gather(1, index[..., None].expand(-1, -1, 4))
    covered = (iou(best, best).triu(diagonal=1) > overlap).any(1)
    place = torch.arange(considered, device=best.device) + considered * (covered + 2 * (score == -torch.inf))
    chosen = place.topk(min(proposals, considered), dim=1, largest=False).indices
    return best.gather(1, chosen[..., None].expand(-1, -1, 4))


class TwoStageHead(nn.Module):
    """Pyramid to raw outputs of both stages.

    objectness: b a c logits.    deltas: b a 4 offsets.    anchors: b a 4 pixels.    proposals: b p 4 pixels.
    scores: b p c+1 logits (0 = background).    boxes: b p c 4 offsets from the proposals.
    """

    def __init__(self, features: Features, classes: int, config: TwoStage) -> None:
        from torchvision.ops import roi_align  # takes seconds of imports, which other networks need not wait for

        super().__init__()
        (self.level,) = levels_of(features, (config.stride,))
        self.config, self.classes = config, classes
        channels, boxes = features[self.level].channels, len(RATIOS) * len(config.sizes)
        self.look = nn.Sequential(nn.Conv2d(channels, config.rpn_width, 3, padding=1), nn.ReLU())
        self.objectness = nn.Conv2d(config.rpn_width, boxes * classes, 1)
        self.deltas = nn.Conv2d(config.rpn_width, boxes * 4, 1)
        self.inspect = nn.Sequential(
            nn.Flatten(),
            nn.Linear(channels * CELLS**2, config.width),
            nn.ReLU(),
            nn.Linear(config.width, config.width),
            nn.ReLU(),
        )
        self.cut_out = roi_align
        self.score = nn.Linear(config.width, classes + 1)
        self.box = nn.Linear(config.width, classes * 4)
        for layer in (self.objectness, self.deltas, self.score, self.box):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(torch.as_tensor(layer.bias))

    def forward(self, pyramid: Pyramid) -> Raw:
        level, stride = pyramid[self.level], self.config.stride
        batch, height, width = level.shape[0], level.shape[2], level.shape[3]
        hidden = self.look(level)
        objectness = self.objectness(hidden).permute(0, 2, 3, 1).flatten(1).unflatten(1, (-1, self.classes))
        deltas = self.deltas(hidden).permute(0, 2, 3, 1).flatten(1).unflatten(1, (-1, 4))
        anchors = anchors_at(grid(height, width, stride, level), self.config.sizes).expand(batch, -1, -1)

        left, top, right, bottom = from_offsets(deltas.detach().float(), anchors, gain=(1.0, 1.0)).unbind(-1)
        across, down = (0, width * stride), (0, height * stride)
        regions = torch.stack([left.clamp(*across), top.clamp(*down), right.clamp(*across), bottom.clamp(*down)], -1)
        likely = objectness.detach().float().amax(2)
        proposals = propose(regions, likely, self.config.considered, self.config.proposals)

        count = proposals.shape[1]
        image = torch.arange(batch, device=level.device, dtype=torch.float32).repeat_interleave(count)[:, None]
        rois = torch.cat((image, proposals.flatten(0, 1)), 1)
        # in float32: half precision would move a corner at 600 px by two pixels
        regions = self.cut_out(level.float(), rois, (CELLS, CELLS), 1 / stride, sampling_ratio=2, aligned=True)
        known = self.inspect(regions.to(level.dtype))
        return {
            "objectness": objectness,
            "deltas": deltas,
            "anchors": anchors,
            "proposals": proposals,
            "scores": self.score(known).reshape(batch, -1, self.classes + 1),
            "boxes": self.box(known).reshape(batch, -1, self.classes, 4),
        }
