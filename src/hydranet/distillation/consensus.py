"""What two teachers agree on: the rest is unknown, so that a student does not learn the errors of one of them."""

from functools import singledispatch

import numpy as np

from hydranet.annotations import (
    UNKNOWN_ID,
    Annotation,
    Boxes,
    ClassMap,
    Keypoints,
    NormalMap,
    Polylines,
    Quantity,
    ScalarMap,
    Tag,
    UnknownKind,
)
from hydranet.core.sample import DataError

RATIO = 1.15
"""Two numbers above 0 agree where the greater is at most this many times the smaller."""

LEAST_COSINE = 0.94
"""Two normals agree within 20 degrees."""

LEAST_IOU = 0.5
"""Two boxes of one class are of one object where they overlap by this."""


def consensus(one: Annotation, other: Annotation) -> Annotation:
    """The annotation that both support, of two of the same image and kind, with classes in the same order.

    Class maps: 255 where they differ or one does not know; the lower confidence. Numbers above 0: their mean where the
    ratio is at most `RATIO`, else NaN. Normals: the mean direction where they are within 20 degrees, else NaN.
    Boxes: pairs of one class with an IoU of `LEAST_IOU` or more, as `one` has them, with the mean score; boxes without
    a partner become ignored regions, neither object nor background; what one of them ignores stays ignored, and classes
    that one did not look for were not looked for.
    Raises DataError for different kinds or sizes, and for kinds of which nothing is known here.
    """
    if type(one) is not type(other):
        raise DataError(f"got a {type(one).__name__} and a {type(other).__name__}, expected two of one kind")
    return _consensus(one, other)


@singledispatch
def _consensus(one: Annotation, other: Annotation) -> Annotation:
    raise UnknownKind("consensus", type(one), "distillation/consensus.py")


def _same_size(one: np.ndarray, other: np.ndarray) -> None:
    if one.shape != other.shape:
        raise DataError(f"got maps of {one.shape} and {other.shape}, expected two of one image; enlarge one of them")


@_consensus.register
def _(one: ClassMap, other: ClassMap) -> ClassMap:
    first, second = np.asarray(one.ids), np.asarray(other.ids)
    _same_size(first, second)
    ids = np.where(first == second, first, UNKNOWN_ID).astype(np.uint8)
    given = [np.asarray(map_.confidence, np.float32) for map_ in (one, other) if map_.confidence is not None]
    confidence = np.where(ids == UNKNOWN_ID, 0, np.minimum.reduce(given)).astype(np.float32) if given else None
    return ClassMap(ids, confidence=confidence)


@_consensus.register
def _(one: ScalarMap, other: ScalarMap) -> ScalarMap:
    first, second = np.asarray(one.values, np.float32), np.asarray(other.values, np.float32)
    _same_size(first, second)
    if one.unit != other.unit:
        raise DataError(f"got numbers in {one.unit!r} and {other.unit!r}, expected one unit; convert one of them")
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        near = (first > 0) & (second > 0) & (np.maximum(first, second) <= RATIO * np.minimum(first, second))
        return ScalarMap(np.where(near, (first + second) / 2, np.nan).astype(np.float32), unit=one.unit)


@_consensus.register
def _(one: NormalMap, other: NormalMap) -> NormalMap:
    first, second = np.asarray(one.xyz, np.float32), np.asarray(other.xyz, np.float32)
    _same_size(first, second)
    mean = first + second
    length = np.linalg.norm(mean, axis=0, keepdims=True)
    with np.errstate(invalid="ignore"):
        near = (first * second).sum(0, keepdims=True) >= LEAST_COSINE
    return NormalMap(np.where(near, mean / np.maximum(length, 1e-6), np.nan).astype(np.float32))


@_consensus.register
def _(one: Boxes, other: Boxes) -> Boxes:
    from scipy.optimize import linear_sum_assignment

    first, second = (np.asarray(boxes.xyxy, np.float64).reshape(-1, 4) for boxes in (one, other))
    low, high = np.maximum(first[:, None, :2], second[None, :, :2]), np.minimum(first[:, None, 2:], second[None, :, 2:])
    common = (high - low).clip(0).prod(-1)
    area = [(xyxy[:, 2:] - xyxy[:, :2]).prod(-1) for xyxy in (first, second)]
    overlap = common / np.maximum(area[0][:, None] + area[1] - common, 1e-9)
    overlap[np.asarray(one.label)[:, None] != np.asarray(other.label)] = 0
    pairs = [(i, j) for i, j in zip(*linear_sum_assignment(-overlap), strict=True) if overlap[i, j] >= LEAST_IOU]
    mine, theirs = (np.array([pair[side] for pair in pairs], int) for side in (0, 1))
    labels = [np.asarray(boxes.label, np.int64) for boxes in (one, other)]
    alone = [np.setdiff1d(np.arange(len(first)), mine), np.setdiff1d(np.arange(len(second)), theirs)]
    scores = [
        np.ones(len(boxes.label), np.float32) if boxes.score is None else np.asarray(boxes.score, np.float32)
        for boxes in (one, other)
    ]
    ignored = [
        np.zeros(len(boxes.label), bool) if boxes.ignore is None else np.asarray(boxes.ignore, bool)
        for boxes in (one, other)
    ]
    looked_for = [np.asarray(b.annotated_classes, bool) for b in (one, other) if b.annotated_classes is not None]
    return Boxes(
        np.concatenate([first[mine], first[alone[0]], second[alone[1]]]).astype(np.float32),
        np.concatenate([labels[0][mine], labels[0][alone[0]], labels[1][alone[1]]]),
        ignore=np.concatenate([ignored[0][mine] | ignored[1][theirs], np.ones(len(alone[0]) + len(alone[1]), bool)]),
        score=np.concatenate([(scores[0][mine] + scores[1][theirs]) / 2, scores[0][alone[0]], scores[1][alone[1]]]),
        annotated_classes=np.logical_and.reduce(looked_for) if looked_for else None,
    )


@_consensus.register
def _(one: Tag | Quantity | Polylines | Keypoints, other: Annotation) -> Annotation:
    raise DataError(f"got two of {type(one).__name__}, expected maps or boxes; compare them in your own function")
