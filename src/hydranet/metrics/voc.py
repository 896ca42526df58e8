"""Average precision of PASCAL VOC at IoU 0.5, and the one-class recall that road networks report."""

from collections.abc import Sequence

import numpy as np

from hydranet.annotations import Boxes
from hydranet.core.task import PerImage
from hydranet.postprocess.nms import confidence

OVERLAP = 0.5
ROAD_CONFIDENCE = 0.1
"""Score from which the BDD100K road networks (YOLOP and its followers) count a box when they report recall."""


def voc_scores(images: Sequence[PerImage], classes: Sequence[str]) -> dict[str, float]:
    """ "voc_ap50", the mean over classes, and "voc_ap50/<class>": area under the PR curve, every point (VOC 2010-12).

    Ignored boxes of a class are VOC's "difficult" ones: finding them counts neither for nor against. NaN where there
    is no object.
    """
    by_class = {name: average_precision(*judge(images, k)) for k, name in enumerate(classes)}
    measured = [value for value in by_class.values() if not np.isnan(value)]
    mean = float(np.mean(measured)) if measured else float("nan")
    return {"voc_ap50": mean} | {f"voc_ap50/{name}": value for name, value in by_class.items()}


def road_scores(images: Sequence[PerImage], classes: Sequence[str]) -> dict[str, float]:
    """ "road_ap50" and "road_recall": all classes merged into one, as in "vehicle" tables on BDD100K.

    Recall is the share of boxes found by a detection of at least `ROAD_CONFIDENCE`.
    """
    merged = [(_merged(prediction), _merged(truth)) for prediction, truth in images]
    score, right, objects = judge(merged, 0)
    hits = int(right[score >= ROAD_CONFIDENCE].sum())
    return {
        "road_ap50": average_precision(score, right, objects),
        "road_recall": hits / objects if objects else float("nan"),
    }


def _merged(boxes: Boxes) -> Boxes:
    return Boxes(boxes.xyxy, np.minimum(boxes.label, 0), boxes.score, boxes.ignore)


def judge(images: Sequence[PerImage], index: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Scores of the detections of a class over all images, best first; which are right; how many objects there are.

    A detection belongs to the box it overlaps most. It is right where that overlap is at least 0.5 and no better
    detection matches the box already; it is left out where the box is ignored.
    """
    rows, objects = [], 0
    for prediction, truth in images:
        mine = truth.label == index
        ignore = np.zeros(len(mine), bool) if truth.ignore is None else np.asarray(truth.ignore, bool)
        anywhere = ignore & (truth.label < 0)
        objects += int((mine & ~ignore).sum())
        rows += _judge_image(prediction, truth.xyxy[mine | anywhere], ignore[mine | anywhere], index)
    rows.sort(key=lambda row: -row[0])
    return np.array([score for score, _ in rows]), np.array([right for _, right in rows], bool), objects


def _judge_image(prediction: Boxes, targets: np.ndarray, ignore: np.ndarray, index: int) -> list[tuple[float, bool]]:
    chosen = np.flatnonzero(np.asarray(prediction.label) == index)
    score = confidence(prediction)[chosen]
    taken, rows = np.zeros(len(targets), bool), []
    for i in np.argsort(-score, kind="stable"):
        overlap = _overlap(prediction.xyxy[chosen[i]], targets)
        best = int(overlap.argmax()) if len(targets) else -1
        hit = best >= 0 and overlap[best] >= OVERLAP
        if hit and ignore[best]:
            continue
        rows.append((float(score[i]), bool(hit and not taken[best])))
        if hit:
            taken[best] = True
    return rows


def _overlap(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    box, others = box.astype(np.float64), others.astype(np.float64)
    extent = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    common = np.maximum(extent, 0).prod(1)
    union = (box[2:] - box[:2]).prod() + (others[:, 2:] - others[:, :2]).prod(1) - common
    return common / np.maximum(union, 1e-12)


def average_precision(score: np.ndarray, right: np.ndarray, objects: int) -> float:
    """Area under precision over recall, precision made monotone from the right; NaN without objects.

    score: falling. Detections of one score enter together, so that their order does not matter.
    """
    if not objects:
        return float("nan")
    last = np.flatnonzero(np.diff(score, append=-np.inf))
    hits = np.cumsum(right)[last]
    recall = np.concatenate(([0.0], hits / objects))
    precision = np.maximum.accumulate((hits / (last + 1))[::-1])[::-1]
    return float((np.diff(recall) * precision).sum())
