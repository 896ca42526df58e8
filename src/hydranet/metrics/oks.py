"""COCO average precision of keypoints by object keypoint similarity, by an evaluator that equals pycocotools."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hydranet.annotations import Keypoints
from hydranet.core.task import PerImage
from hydranet.postprocess.nms import confidence

PERSON_SIGMAS = (
    *(0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072),
    *(0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089, 0.089),
)
"""COCO's 17 points of a person: how far annotators differ, as a share of the square root of the area."""

MOST_INSTANCES = 20
"""Of one image, the best of which are scored (COCO)."""


def oks_scores(images: Sequence[PerImage], sigmas: Sequence[float]) -> dict[str, float]:
    """ "ap" (OKS .50:.95), "ap50", "ap75", "ar" (the 20 best instances); NaN where nothing can be measured.

    OKS = mean over the labeled points of exp(-d^2 / (2 s^2 (2 sigma)^2)), s^2 the area of the labeled instance (COCO,
    section "keypoints" of its evaluation). Instances without a known point are ignored: what is predicted inside twice
    their box (`Keypoints.xyxy`) counts neither for nor against; so do ignored ones, the crowds.

    sigmas: per point.
    Raises ImportError naming the extra where the evaluator is not installed.
    """
    try:
        from faster_coco_eval import COCO, COCOeval_faster
    except ImportError as error:
        raise ImportError('OKS scores need faster-coco-eval: pip install "hydranet[train]"') from error
    truth, detections = COCO(), COCO()
    head = {"images": [{"id": i} for i in range(len(images))], "categories": [{"id": 1}]}
    labels = [row for image, (_, label) in enumerate(images) for row in _truth(image, label)]
    if not any(row["num_keypoints"] and not row["iscrowd"] for row in labels):
        return dict.fromkeys(("ap", "ap50", "ap75", "ar"), float("nan"))
    answers = [row for image, (prediction, _) in enumerate(images) for row in _detections(image, prediction)]
    # id 0 means "unmatched"
    truth.dataset = {**head, "annotations": [{"id": i, **row} for i, row in enumerate(labels, start=1)]}
    detections.dataset = {**head, "annotations": [{"id": i, **row} for i, row in enumerate(answers, start=1)]}
    truth.createIndex()
    detections.createIndex()
    evaluator = COCOeval_faster(
        truth, detections, "keypoints", print_function=lambda *_: None, kpt_oks_sigmas=list(sigmas)
    )
    evaluator.params.areaRng, evaluator.params.areaRngLbl = [[0, 1e10]], ["all"]
    evaluator.params.maxDets = [MOST_INSTANCES]
    evaluator.evaluate()
    evaluator.accumulate()
    precision, recall = evaluator.eval["precision"][:, :, 0, 0, 0], evaluator.eval["recall"][:, 0, 0, 0]
    return {"ap": _mean(precision), "ap50": _mean(precision[0]), "ap75": _mean(precision[5]), "ar": _mean(recall)}


def _mean(values: np.ndarray) -> float:
    measured = values[values > -1]
    return float(measured.mean()) if measured.size else float("nan")


def _row(image: int, xy: np.ndarray, visible: np.ndarray, xyxy: np.ndarray, area: float) -> dict[str, Any]:
    points = np.concatenate([np.where(np.isfinite(xy), xy, -1e6), visible[:, None]], axis=1)
    left, top, right, bottom = (float(value) for value in xyxy)
    return {
        "image_id": image,
        "category_id": 1,
        "keypoints": points.astype(np.float64).reshape(-1).tolist(),
        "num_keypoints": int(np.count_nonzero(visible > 0)),
        "bbox": [left, top, right - left, bottom - top],
        "area": float(area),
    }


def _truth(image: int, label: Keypoints) -> list[dict[str, Any]]:
    boxes, areas = boxes_of(label), areas_of(label)
    ignore = np.zeros(len(boxes), bool) if label.ignore is None else np.asarray(label.ignore, bool)
    rows = []
    for xy, visible, xyxy, area, crowd in zip(label.xy, label.visible, boxes, areas, ignore, strict=True):
        if np.isfinite(xyxy).all():  # an ignored instance of unknown place says nothing
            points = np.where((np.asarray(visible) > 0)[:, None], xy, 0.0)
            rows.append({**_row(image, points, np.asarray(visible), xyxy, area), "iscrowd": int(crowd)})
    return rows


def _detections(image: int, prediction: Keypoints) -> list[dict[str, Any]]:
    return [
        {**_row(image, np.asarray(xy), np.full(len(xy), 2), np.zeros(4), 1.0), "score": float(score), "iscrowd": 0}
        for xy, score in zip(prediction.xy, confidence(prediction), strict=True)
    ]


def boxes_of(label: Keypoints) -> np.ndarray:
    """float64 n 4: the boxes of instances; the hull of the known points where none is stated, NaN without any."""
    known = np.asarray(label.visible) > 0
    stated = np.full((len(known), 4), np.nan) if label.xyxy is None else np.array(label.xyxy, dtype=np.float64)
    for i in np.flatnonzero(~np.isfinite(stated).all(1) & known.any(1)):
        points = np.asarray(label.xy[i], np.float64)[known[i]]
        stated[i] = *points.min(0), *points.max(0)
    return stated


def areas_of(label: Keypoints) -> np.ndarray:
    """float64 n: the areas of instances in square pixels; that of the box where none is stated."""
    boxes = boxes_of(label)
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 1.0)
    stated = np.full(len(boxes), np.nan) if label.area is None else np.asarray(label.area, np.float64)
    return np.where(np.isfinite(stated) & (stated > 0), stated, np.nan_to_num(sides.prod(1), nan=1.0))
