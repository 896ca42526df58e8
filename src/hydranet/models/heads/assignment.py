"""Which prediction is responsible for which object: pure functions of predictions and labels."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from hydranet.models.heads.box_head import Truth
from hydranet.models.layers.boxes import inside, iou


class Assignment(NamedTuple):
    """For each of `a` anchors, the object it is responsible for.

    positive: bool b a.
    row:      int b a; row of the label, 0 where not positive.
    target:   float b a c in 0..1; the class scores to aim at, 0 where not positive.
    """

    positive: Bool[Tensor, "b a"]
    row: Int64[Tensor, "b a"]
    target: Float[Tensor, "b a c"]


PAIRS = 2**22
"""Pairs of box and anchor, over a batch padded to its fullest image, up to which all images are assigned at once.
Above, each is assigned alone, without the padding: the result is the same, and memory grows with one image's boxes."""


def _one_by_one(truth: Truth, anchors: int) -> bool:
    images, rows = truth.object.shape
    return images > 1 and images * rows * anchors > PAIRS


def _objects(truth: Truth, image: int) -> tuple[Truth, Int64[Tensor, " k"]]:
    """One image's objects alone (at least one row, which may be padding), and the rows that they had."""
    rows = truth.object[image].nonzero()[:, 0]
    rows = rows if len(rows) else rows.new_zeros(1)
    one = slice(image, image + 1)
    objects = Truth(
        truth.xyxy[one, rows],
        truth.label[one, rows],
        truth.object[one, rows],
        truth.ignored[one, rows],
        truth.annotated_classes[one],
    )
    return objects, rows


@torch.no_grad()
def task_aligned(
    scores: Float[Tensor, "b a c"],
    boxes: Float[Tensor, "b a 4"],
    points: Float[Tensor, "b a 2"],
    truth: Truth,
    topk: int = 10,
    powers: tuple[float, float] = (0.5, 6.0),
    least_px: float = 0.0,
) -> Assignment:
    """Anchors that are best at class and place at once (TOOD, arXiv 2108.07755, section 3.2).

    The alignment of an anchor with an object is t = score^alpha * IoU^beta (eq. 3). Each object takes the `topk`
    best aligned anchors whose point lies in its box; an anchor wanted by several goes to the one it overlaps most.
    Its target is t, scaled so that the object's best anchor aims at the object's best IoU.

    powers:   alpha and beta.
    scores:   class probabilities. boxes: predicted boxes in pixels. points: anchor centers.
    least_px: boxes narrower than this count as this wide when points are looked for, so that each has some.
    """
    if _one_by_one(truth, scores.shape[1]):
        parts = []
        for i in range(len(scores)):
            (objects, rows), one = _objects(truth, i), slice(i, i + 1)
            part = task_aligned(scores[one], boxes[one], points[one], objects, topk, powers, least_px)
            parts.append(part._replace(row=rows[part.row] * part.positive))
        return Assignment(*map(torch.cat, zip(*parts, strict=True)))
    overlap = iou(truth.xyxy, boxes)
    by_object = truth.label[..., None].expand(-1, -1, scores.shape[1])
    aligned = scores.transpose(1, 2).gather(1, by_object).pow(powers[0]) * overlap.pow(powers[1])
    allowed = inside(points, truth.xyxy, least_px) & truth.object[..., None]

    best = aligned.masked_fill(~allowed, -1).topk(min(topk, aligned.shape[2]), dim=2).indices
    wanted = torch.zeros_like(allowed).scatter_(2, best, True) & allowed
    row = overlap.masked_fill(~wanted, -1).argmax(1)
    positive = wanted.any(1)
    taken = wanted & nn.functional.one_hot(row, wanted.shape[1]).bool().transpose(1, 2)

    aligned = aligned * taken
    peak = aligned.amax(2, keepdim=True).clamp(min=torch.finfo(aligned.dtype).tiny)
    weight = (aligned / peak * (overlap * taken).amax(2, keepdim=True)).sum(1)
    label = truth.label.gather(1, row)
    return Assignment(positive, row * positive, nn.functional.one_hot(label, scores.shape[2]) * weight[..., None])


class Match(NamedTuple):
    """For each of `a` fixed boxes, whether it stands for an object, for background, or (neither) for nothing.

    positive, negative: bool b a.    row: int b a; row of the label, 0 where not positive.
    """

    positive: Bool[Tensor, "b a"]
    negative: Bool[Tensor, "b a"]
    row: Int64[Tensor, "b a"]


@torch.no_grad()
def by_overlap(boxes: Float[Tensor, "b a 4"], truth: Truth, high: float, low: float, force: bool = True) -> Match:
    """Boxes that overlap an object by `high` are positive, those that overlap none by `low` negative.

    force: the best box of each object is positive however small the overlap, so that none is left without a box
           (SSD, arXiv 1512.02325, section 2.2; Faster R-CNN, arXiv 1506.01497, section 3.1.2).
    """
    if _one_by_one(truth, boxes.shape[1]):
        parts = []
        for i in range(len(boxes)):
            objects, rows = _objects(truth, i)
            part = by_overlap(boxes[i : i + 1], objects, high, low, force)
            parts.append(part._replace(row=rows[part.row] * part.positive))
        return Match(*map(torch.cat, zip(*parts, strict=True)))
    overlap = iou(truth.xyxy, boxes) * truth.object[..., None]
    rank = overlap
    if force:
        best = overlap.amax(2, keepdim=True)
        first = torch.zeros_like(overlap, dtype=torch.bool).scatter_(2, overlap.argmax(2, keepdim=True), True)
        rank = overlap + 2 * (first & (best > 0))  # a forced pair outranks every other
    most, row = rank.max(1)
    positive = (most >= high) & (overlap.gather(1, row[:, None])[:, 0] > 0)
    return Match(positive, (overlap.amax(1) < low) & ~positive, row * positive)
