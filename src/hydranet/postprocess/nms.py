"""From candidates to answers: suppression and thresholds, given at run time. numpy only."""

from collections.abc import Mapping
from functools import singledispatch

import numpy as np

from hydranet.annotations import (
    Annotation,
    Boxes,
    ClassMap,
    Instances,
    Keypoints,
    NormalMap,
    Polylines,
    Quantity,
    ScalarMap,
    Tag,
    UnknownKind,
    row_count,
    rows,
)
from hydranet.core.step import Option, Step

MOST_BOXES = 100_000
"""Of one image: more than any head has candidates for."""


def _suppressed(boxes: Boxes, options: Mapping[str, float]) -> Boxes:
    return nms(
        boxes,
        options["score_threshold"],
        options["iou_threshold"],
        int(options["max_detections"]),
        int(options["pre_nms_topk"]),
    )


STEP = Step(
    _suppressed,
    {
        "score_threshold": Option(0.25, 0, 1),
        "iou_threshold": Option(0.65, 0, 1),
        "max_detections": Option(100, 1, MOST_BOXES, whole=True),
        "pre_nms_topk": Option(1000, 1, MOST_BOXES, whole=True),
    },
    {Boxes: Boxes},
)
"""Of boxes of one class that overlap, the best."""


def nms(
    boxes: Boxes, score: float = 0.25, iou: float = 0.65, max_detections: int = 100, pre_nms_topk: int = 1000
) -> Boxes:
    """Greedy non-maximum suppression within each class, best first.

    score: boxes below are dropped.    iou: of two boxes of a class that overlap more than this, the better stays.
    max_detections: how many to keep.    pre_nms_topk: how many of the best to look at.
    Of equal scores the lower class, then the box further left comes first, in whatever order a runtime gives them.
    """
    sure = confidence(boxes)
    (likely,) = (sure >= score).nonzero()  # few of many candidates: only they are sorted
    if not likely.size:
        return rows(boxes, slice(0))
    xyxy, label = np.asarray(boxes.xyxy)[likely], np.asarray(boxes.label)[likely]
    best = np.lexsort((*xyxy.T[::-1], label, -sure[likely]))[:pre_nms_topk]
    order = likely[best[(np.isfinite(xyxy).all(1) & (label >= 0))[best]]]
    rivals = _overlaps(boxes.xyxy[order], boxes.label[order], iou)
    alive = np.ones(len(order), dtype=bool)
    for i in np.flatnonzero(rivals.any(1)):
        if alive[i]:
            alive &= ~rivals[i]
    return rows(boxes, order[alive][:max_detections])


def _overlaps(xyxy: np.ndarray, label: np.ndarray, iou: float) -> np.ndarray:
    """bool n n: row i suppresses column j, which comes after it."""
    # far apart classes cannot overlap, so one matrix serves all of them
    span = float(np.ptp(xyxy)) + 1 if len(xyxy) else 0.0
    left, top, right, bottom = (xyxy.astype(np.float64) + label[:, None] * span).T
    width = np.minimum(right[:, None], right) - np.maximum(left[:, None], left)
    height = np.minimum(bottom[:, None], bottom) - np.maximum(top[:, None], top)
    common = np.maximum(width, 0) * np.maximum(height, 0)
    area = (right - left) * (bottom - top)
    return np.triu(common > iou * (area[:, None] + area - common), k=1)


@singledispatch
def above(prediction: Annotation, score: float) -> Annotation:
    """The instances of at least this score; maps, tags and quantities as they are, since they have none to choose from.

    After `nms`, this equals `nms` with the higher threshold.
    """
    raise UnknownKind("threshold", type(prediction), "postprocess/nms.py")


@above.register
def _(prediction: Boxes | Polylines | Keypoints, score: float) -> Instances:
    sure = confidence(prediction) >= score
    return prediction if sure.all() else rows(prediction, sure)


@above.register
def _(prediction: ClassMap | ScalarMap | NormalMap | Tag | Quantity, score: float) -> Annotation:
    return prediction


def confidence(instances: Instances) -> np.ndarray:
    """Scores of the instances; 1 for those of an annotator, which carry none."""
    return np.ones(row_count(instances), np.float32) if instances.score is None else instances.score
