"""COCO average precision, by a maintained evaluator that equals pycocotools."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from hydranet.annotations import Boxes
from hydranet.core.task import PerImage
from hydranet.postprocess.nms import confidence


def coco_scores(images: Sequence[PerImage], classes: Sequence[str]) -> dict[str, float]:
    """ "ap" (IoU .50:.95), "ap50", "ap75", "ar" (100 boxes), and "ap50/<class>"; NaN where there is no object.

    Ignored boxes are COCO's crowds: what lies in one counts neither for nor against; without a class of their own
    they are crowds of every class. Raises ImportError naming the extra where the evaluator is not installed.
    """
    precision, recall = _evaluate(images, len(classes))
    scores = {
        "ap": _mean(precision),
        "ap50": _mean(precision[0]),
        "ap75": _mean(precision[5]),
        "ar": _mean(recall),
    }
    return scores | {f"ap50/{name}": _mean(precision[0, :, k]) for k, name in enumerate(classes)}


def _mean(values: np.ndarray) -> float:
    measured = values[values > -1]
    return float(measured.mean()) if measured.size else float("nan")


def _evaluate(images: Sequence[PerImage], classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Precision (10 IoU thresholds, 101 recalls, classes) and recall (10, classes); -1 = no object."""
    try:
        from faster_coco_eval import COCO, COCOeval_faster
    except ImportError as error:
        raise ImportError('detection scores need faster-coco-eval: pip install "hydranet[train]"') from error
    truth, detections = COCO(), COCO()
    head = {"images": [{"id": i} for i in range(len(images))], "categories": [{"id": k} for k in range(classes)]}
    truth_rows = (row for image, (_, label) in enumerate(images) for row in _truth(image, label, classes))
    detection_rows = (row for image, (boxes, _) in enumerate(images) for row in _detections(image, boxes))
    truth.dataset = {**head, "annotations": _numbered(truth_rows)}
    detections.dataset = {**head, "annotations": _numbered(detection_rows)}
    truth.createIndex()
    detections.createIndex()
    evaluator = COCOeval_faster(truth, detections, "bbox", print_function=lambda *_: None)
    evaluator.params.areaRng, evaluator.params.areaRngLbl = [[0, 1e10]], ["all"]
    evaluator.params.maxDets = [100]
    evaluator.evaluate()
    evaluator.accumulate()
    return evaluator.eval["precision"][:, :, :, 0, 0], evaluator.eval["recall"][:, :, 0, 0]


def _numbered(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"id": number, **row} for number, row in enumerate(rows, start=1)]  # id 0 means "unmatched"


def _row(image: int, label: int, xyxy: np.ndarray, crowd: bool) -> dict[str, Any]:
    left, top, right, bottom = (float(v) for v in xyxy)
    width, height = right - left, bottom - top
    return {
        "image_id": image,
        "category_id": label,
        "bbox": [left, top, width, height],
        "area": width * height,
        "iscrowd": int(crowd),
    }


def _truth(image: int, boxes: Boxes, classes: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    ignore = np.zeros(len(boxes.label), bool) if boxes.ignore is None else boxes.ignore
    for xyxy, label, crowd in zip(boxes.xyxy, boxes.label, ignore, strict=True):
        every = range(classes) if label < 0 and crowd else [int(label)] if label >= 0 else []
        rows.extend(_row(image, k, xyxy, bool(crowd)) for k in every)
    return rows


def _detections(image: int, boxes: Boxes) -> list[dict[str, Any]]:
    return [
        {**_row(image, int(label), xyxy, False), "score": float(score)}
        for xyxy, label, score in zip(boxes.xyxy, boxes.label, confidence(boxes), strict=True)
    ]
