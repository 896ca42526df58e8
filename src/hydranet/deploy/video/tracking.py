"""Boxes that keep their identity from frame to frame."""

from collections.abc import Mapping
from dataclasses import replace
from functools import singledispatch
from typing import Protocol

import numpy as np

from hydranet.annotations import (
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

VELOCITY_NOISE = 0.5
"""How much the speed of an object may change in a second, as a share of its height. Cars passing a camera at ten frames
per second need this much; a tenth of it made 3 switches instead of 1 on KITTI tracking 0001."""


class Tracker(Protocol):
    """Something that follows the boxes of one task through one video."""

    def update(self, boxes: Boxes) -> np.ndarray:
        """int64 n: who each box of the next frame is, 1, 2, ... in order of appearance."""


class Sort:
    """SORT (Bewley et al. 2016): a Kalman filter per box, matched by overlap; each class is followed separately.

    fps:    frames per second.    keep_s: seconds a box may be out of sight before it counts as another one.
    iou:    least overlap of a box with where its track is expected.
    Raises ImportError where the extra [track] is missing.
    """

    def __init__(self, fps: float = 10.0, keep_s: float = 1.0, iou: float = 0.1) -> None:
        try:
            import similari
        except ImportError as error:
            raise ImportError(
                'tracking needs similari-trackers-rs (for Python below 3.14); pip install "hydranet[track]"'
            ) from error
        self._box = similari.BoundingBox.new_with_confidence
        self._sort = similari.Sort(
            shards=1,
            bbox_history=1,
            max_idle_epochs=max(1, round(keep_s * fps)),
            method=similari.PositionalMetricType.iou(threshold=iou),
            kalman_velocity_weight=VELOCITY_NOISE / fps,
        )
        self._names: dict[int, int] = {}
        self._classes: list[int] = []

    def update(self, boxes: Boxes) -> np.ndarray:
        """Who each box of the next frame is: int64 n, 1, 2, ... in order of appearance."""
        track_ids = np.zeros(len(boxes.xyxy), np.int64)
        label = np.asarray(boxes.label)
        self._classes += sorted(set(label.tolist()) - set(self._classes))
        score = np.ones(len(label)) if boxes.score is None else np.asarray(boxes.score)
        left, top, right, bottom = np.asarray(boxes.xyxy, np.float64).reshape(-1, 4).T
        rows = np.stack([left, top, right - left, bottom - top, score], 1).tolist()
        for scene, name in enumerate(self._classes):  # a class without a box grows older, too
            given = [(self._box(*rows[i]).as_xyaah(), int(i)) for i in np.flatnonzero(label == name)]
            for track in self._sort.predict_with_scene(scene, given):
                track_ids[track.custom_object_id] = track.id
        self._sort.clear_wasted()
        fresh = (int(track_id) for track_id in track_ids if int(track_id) not in self._names)
        for track_id in fresh:
            self._names[track_id] = len(self._names) + 1
        return np.array([self._names[int(track_id)] for track_id in track_ids], np.int64)


class Tracks:
    """Follows the boxes of all tasks of a video: predictions in, the same predictions with `Boxes.track` out."""

    def __init__(self, fps: float = 10.0) -> None:
        self.fps = fps
        self._trackers: dict[str, Tracker] = {}

    def __call__(self, predictions: Mapping[str, Annotation]) -> dict[str, Annotation]:
        return {name: self._one(name, prediction) for name, prediction in predictions.items()}

    def _one(self, task: str, prediction: Annotation) -> Annotation:
        boxes = _followed(prediction)
        if boxes is None:
            return prediction
        if task not in self._trackers:
            self._trackers[task] = Sort(self.fps)
        return replace(boxes, track=self._trackers[task].update(boxes))


@singledispatch
def _followed(prediction: Annotation) -> Boxes | None:
    """The boxes that a tracker follows; None for kinds that are not tracked."""
    raise UnknownKind("tracking", type(prediction), "deploy/video/tracking.py")


@_followed.register
def _(prediction: Boxes) -> Boxes:
    return prediction


@_followed.register
def _(prediction: ClassMap | ScalarMap | NormalMap | Polylines | Keypoints | Tag | Quantity) -> None:
    return None
