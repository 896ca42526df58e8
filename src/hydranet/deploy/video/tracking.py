"""Boxes that keep their identity from frame to frame."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

import numpy as np

from hydranet.annotations import Annotation, Boxes

VELOCITY_NOISE = 0.5
"""How much the speed of an object may change in a second, as a share of its height. Cars passing a camera at ten frames
a second need this much; a tenth of it made 3 switches instead of 1 on KITTI tracking 0001."""


class Tracker(Protocol):
    """Something that follows the boxes of one task through one video."""

    def update(self, boxes: Boxes) -> np.ndarray:
        """int64 n: who each box of the next frame is, 1, 2, ... in order of appearance."""


class Sort:
    """SORT (Bewley et al. 2016): a Kalman filter a box, matched by overlap; classes are followed apart.

    fps:    frames a second.    keep_s: how long a box may be out of sight, in seconds, before it is another one.
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
        found = np.zeros(len(boxes.xyxy), np.int64)
        label = np.asarray(boxes.label)
        self._classes += sorted(set(label.tolist()) - set(self._classes))
        score = np.ones(len(label)) if boxes.score is None else np.asarray(boxes.score)
        left, top, right, bottom = np.asarray(boxes.xyxy, np.float64).reshape(-1, 4).T
        rows = np.stack([left, top, right - left, bottom - top, score], 1).tolist()
        for scene, name in enumerate(self._classes):  # a class without a box grows older, too
            given = [(self._box(*rows[i]).as_xyaah(), int(i)) for i in np.flatnonzero(label == name)]
            for track in self._sort.predict_with_scene(scene, given):
                found[track.custom_object_id] = track.id
        self._sort.clear_wasted()
        fresh = (int(known) for known in found if int(known) not in self._names)
        for known in fresh:
            self._names[known] = len(self._names) + 1
        return np.array([self._names[int(known)] for known in found], np.int64)


class Tracks:
    """Follows the boxes of all tasks of a video: predictions in, the same predictions with `Boxes.track` out."""

    def __init__(self, fps: float = 10.0) -> None:
        self.fps = fps
        self._trackers: dict[str, Tracker] = {}

    def __call__(self, predictions: Mapping[str, Annotation]) -> dict[str, Annotation]:
        return {name: self._one(name, seen) for name, seen in predictions.items()}

    def _one(self, task: str, seen: Annotation) -> Annotation:
        if not isinstance(seen, Boxes):
            return seen
        if task not in self._trackers:
            self._trackers[task] = Sort(self.fps)
        return replace(seen, track=self._trackers[task].update(seen))
