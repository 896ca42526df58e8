"""Detection: boxes with classes, by any of the heads beside this file."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from torch import nn

from hydranet.annotations import OTHER_CLASS, Annotation, Boxes, rows
from hydranet.core.checks.ranges import check_range
from hydranet.core.distillation_target import DistillationTarget
from hydranet.core.features import Features
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError, unknown
from hydranet.core.task import Loss, PerImage, Raw, Stats, Task
from hydranet.metrics.coco import coco_scores
from hydranet.metrics.kitti import NEIGHBORS, kitti_scores
from hydranet.metrics.voc import road_scores, voc_scores
from hydranet.models.heads.box_distillation import Gains, by_logits, same_outputs
from hydranet.models.heads.box_head import BoxHead
from hydranet.models.heads.faster_rcnn import TwoStage
from hydranet.models.heads.ssd import Ssd
from hydranet.models.heads.yolov8 import YoloV8
from hydranet.postprocess.nms import MOST_BOXES
from hydranet.postprocess.steps import postprocess

HEADS: dict[str, type[BoxHead]] = {"yolov8": YoloV8, "ssd": Ssd, "two_stage": TwoStage}
"""Names that a recipe may use for a head with its default options."""

Scoring = Callable[[Sequence[PerImage], Sequence[str]], dict[str, float]]
SCORING: dict[str, tuple[Scoring, str]] = {
    "kitti": (kitti_scores, "KITTI 2D AP, R40 and R11, IoU .7 vehicles .5 others, neighbors and DontCare ignored"),
    "voc": (voc_scores, "PASCAL VOC 2010-12 AP, IoU .5, every point of the curve, difficult ignored"),
    "road": (road_scores, "all classes as one: AP at IoU .5 and recall at score .1"),
}
"""Scores that may be computed beside COCO's, by their name in a recipe, and how each is computed."""


@dataclass(frozen=True)
class Detection(Task):
    """Finds objects and their classes.

    detector:        a head, or its name ("yolov8", "ssd", "two_stage").
    pre_nms_topk:    pairs of box and class that leave the network for an image, over all classes, before NMS.
    nms_iou:         of two boxes of a class that overlap more than this, the better one stays.
    max_detections:  boxes of an image that are kept, at most, over all classes.
    score_floor:     boxes below do not enter the scores: low, or the precision-recall curve is cut short.
    score_threshold: boxes below are not shown unless a caller asks for another threshold; those of a teacher are not
                     believed.
    extra_metrics:   scores beside COCO's: "kitti", "voc", "road".
    """

    kind: ClassVar[type[Annotation]] = Boxes
    headline: ClassVar[tuple[str, Literal["higher", "lower"]]] = ("ap50", "higher")
    neighbors: ClassVar[Mapping[str, str]] = {like: name for name, others in NEIGHBORS.items() for like in others}

    detector: BoxHead | str = "yolov8"
    pre_nms_topk: int = 300
    nms_iou: float = 0.65
    max_detections: int = 100
    score_floor: float = 0.001
    score_threshold: float = 0.25
    extra_metrics: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.classes:
            raise SpecError(f"detection {self.name!r} got no classes, expected their names; give classes=('car', ...)")
        if isinstance(self.detector, str) and self.detector not in HEADS:
            raise SpecError(unknown(self.detector, HEADS, "detection head"))
        for what in ("nms_iou", "score_floor", "score_threshold"):
            check_range(f"{self.name}.{what}", vars(self)[what], 0, 1)
        for what in ("pre_nms_topk", "max_detections"):
            check_range(f"{self.name}.{what}", vars(self)[what], 1, MOST_BOXES)
        for word in self.extra_metrics:
            if word not in SCORING:
                raise SpecError(unknown(word, SCORING, "detection score"))

    @property
    def box_head(self) -> BoxHead:
        """The head that `detector` means."""
        return HEADS[self.detector]() if isinstance(self.detector, str) else self.detector

    def head(self, features: Features) -> nn.Module:
        return self.box_head.build(features, len(self.classes))

    def loss(self, raw: Raw, label: Annotation) -> Loss:
        return self.box_head.loss(raw, _boxes(label), len(self.classes))

    def decode(self, raw: Raw) -> Boxes:
        return self.box_head.decode(raw, self.pre_nms_topk)

    def postprocess(self, prediction: Annotation) -> Boxes:
        """NMS at the evaluation floor; `postprocess.nms.above(task.postprocess(...), threshold)` is what to show."""
        return _boxes(postprocess(_boxes(prediction), self.postprocess_steps()))

    def postprocess_steps(self) -> dict[str, dict[str, float]]:
        options = {
            "score_threshold": self.score_floor,
            "iou_threshold": self.nms_iou,
            "max_detections": self.max_detections,
            "pre_nms_topk": self.pre_nms_topk,
        }
        return {"nms": options}

    def measure(self, prediction: Annotation, label: Annotation) -> Stats:
        """One row per image. Boxes of classes that nobody looked for in this image are left out."""
        predicted, labeled = _boxes(prediction), _boxes(label)
        if labeled.annotated_classes is not None:
            predicted = rows(predicted, np.flatnonzero(np.asarray(labeled.annotated_classes)[predicted.label]))
        return {"images": [(predicted, labeled)]}

    def score(self, stats: Stats) -> dict[str, float]:
        images = stats.get("images", [])
        scores = coco_scores(images, self.classes)
        for word in self.extra_metrics:
            scores |= SCORING[word][0](images, self.classes)
        return scores

    def protocol(self) -> dict[str, Any]:
        return {
            **super().protocol(),
            "evaluator": "COCO AP, IoU .50:.95, 101 recalls, best 100 boxes of each class and image, ignored = crowd",
            **{word: SCORING[word][1] for word in self.extra_metrics},
            "candidates": self.pre_nms_topk,
            "nms_iou": self.nms_iou,
            "score_floor": self.score_floor,
            "limit": self.max_detections,
        }

    def check(self, label: Annotation) -> None:
        super().check(label)
        boxes = _boxes(label)
        xyxy, ids = np.asarray(boxes.xyxy), np.asarray(boxes.label)
        where = f"detection {self.name!r}"
        if xyxy.shape != (len(ids), 4):
            raise DataError(f"{where} got boxes of shape {xyxy.shape} for {len(ids)} labels, expected ({len(ids)}, 4)")
        lowest = 0 if boxes.ignore is None else np.where(boxes.ignore, OTHER_CLASS, 0)
        bad = np.asarray((ids < lowest) | (ids >= len(self.classes)))
        if bad.any():
            raise DataError(
                f"{where} got class id {ids[bad][0]}, expected 0..{len(self.classes) - 1} (-1 and -2 only for "
                "ignored regions); map the data set's classes to the task's"
            )
        if not np.isfinite(xyxy).all():
            broken = xyxy[~np.isfinite(xyxy).all(1)]
            raise DataError(f"{where} got box {broken[0].tolist()}, expected finite numbers; repair the label file")
        if not (xyxy[:, 2:] > xyxy[:, :2]).all():
            inverted = xyxy[~(xyxy[:, 2:] > xyxy[:, :2]).all(1)]
            raise DataError(
                f"{where} got box {inverted[0].tolist()}, expected left < right and top < bottom in pixels; "
                "is it left, top, width, height?"
            )
        if boxes.annotated_classes is not None and len(boxes.annotated_classes) != len(self.classes):
            raise DataError(
                f"{where} got a mask of {len(boxes.annotated_classes)} known classes, expected {len(self.classes)}"
            )

    def distill(self, raw: Raw, distilled_target: DistillationTarget) -> Loss:
        """By logits where those of both heads mean the same (`box_distillation.by_logits`; temperature > 0).

        Else by decoded boxes: boxes that the teacher is sure of are labels, boxes that it doubts are ignored regions,
        the rest is background.
        """
        teacher, head = distilled_target.teacher, self.box_head
        if distilled_target.temperature and isinstance(teacher, Detection) and same_outputs(head, teacher.box_head):
            assert isinstance(head, YoloV8)
            gains = Gains(head.class_gain, head.dfl_gain)
            least = distilled_target.least / 2
            return by_logits(
                raw, distilled_target.raw, distilled_target.classes, distilled_target.temperature, least, gains
            )
        assert distilled_target.target is not None
        return self.loss(raw, distilled_target.target)


def _boxes(annotation: Annotation) -> Boxes:
    if not isinstance(annotation, Boxes):
        raise DataError(f"detection got a {type(annotation).__name__}, expected Boxes")
    return annotation
