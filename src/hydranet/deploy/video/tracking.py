"""Boxes that keep their identity from frame to frame."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import singledispatch

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
from hydranet.deploy.video.assignment import assign

KEEP_S = 1.0
"""How long a box may be out of sight before it counts as another one."""

MEASURED = 0.15
"""Standard deviation of a box's center and sides, as a share of its size. Boxes at the border of the image, whose sides
jump, and networks need more than an annotator's hand: with 0.05 ids of KITTI tracking 0001 switch 4 times instead of
once."""

FIRST_SPEED = 2.0
"""Standard deviation of the speed of an object that was found once, in its own sizes per second. Together with GATE:
a new object is followed from its first to its second frame up to eight of its sizes per second."""

SPEED_CHANGE = 1.0
"""How much the speed of an object changes in a second, in its own sizes per second: cars that pass a camera need this
much; half of it made 4 switches of 1."""

GATE = 16.0
"""A box farther than four standard deviations from where its track is expected belongs to another one."""


@dataclass
class _Track:
    """One object: center x, y, width and height, each with its speed, as independent Kalman filters.

    state: float64 4 2 in pixels and pixels per second.    spread: float64 4 2 2, their covariances.
    """

    name: int
    label: int
    state: np.ndarray
    spread: np.ndarray
    now_s: float
    last_s: float

    @property
    def size(self) -> float:
        """Side of a square as large as the box, in pixels."""
        return float(np.sqrt(np.prod(np.maximum(self.state[2:, 0], 1.0))))

    def predict(self, now_s: float) -> None:
        """Moves on at constant speed."""
        dt = now_s - self.now_s
        step = np.array([[1.0, dt], [0.0, 1.0]])
        change = np.array([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]]) * (SPEED_CHANGE * self.size) ** 2
        self.state = self.state @ step.T
        self.spread = step @ self.spread @ step.T + change
        self.now_s = now_s

    def costs(self, measured: np.ndarray) -> np.ndarray:
        """float64 n: minus the logarithm of how probable each of n boxes (4 numbers each) is; infinite beyond GATE."""
        variance = self.spread[:, 0, 0] + _noise(self.size)
        distance = (measured - self.state[:, 0]) ** 2 / variance
        near = (distance < GATE).all(1)
        return np.where(near, distance.sum(1) + np.log(variance).sum(), np.inf)

    def correct(self, measured: np.ndarray) -> None:
        """Takes over where it was found."""
        gain = self.spread[:, :, 0] / (self.spread[:, 0, 0] + _noise(self.size))[:, None]
        self.state = self.state + gain * (measured - self.state[:, 0])[:, None]
        self.spread = self.spread - gain[:, :, None] * self.spread[:, None, 0, :]
        self.last_s = self.now_s


@dataclass
class Sort:
    """SORT (Bewley et al. 2016) by time instead of by frame: boxes are expected where constant speed takes them.

    A Kalman filter per box, with the time between frames as it is, so that a camera that drops frames or a network
    that sees every sixth one keeps the ids. Matched by the probability of the distance instead of by overlap: a box
    that moves farther than its own width overlaps with nothing. Each class is followed separately, ids are never
    used again. keep_s: seconds out of sight after which a box counts as another one.
    """

    keep_s: float = KEEP_S
    _tracks: list[_Track] = field(default_factory=list)
    _count: int = 0
    _now_s: float = -np.inf

    def update(self, boxes: Boxes, time_s: float) -> np.ndarray:
        """Who each box of the next frame is: int64 n, 1, 2, ... in order of appearance.

        time_s: when the frame was taken; a frame that is not later than the one before counts as of the same time.
        """
        self._now_s = max(time_s, self._now_s)
        self._tracks = [track for track in self._tracks if self._now_s - track.last_s <= self.keep_s + 1e-9]
        for track in self._tracks:
            track.predict(self._now_s)
        measured, label = _centers(boxes), np.asarray(boxes.label)
        names = np.zeros(len(label), np.int64)
        for one in dict.fromkeys(label.tolist()):
            here = np.flatnonzero(label == one)
            tracks = [track for track in self._tracks if track.label == one]
            costs = np.array([track.costs(measured[here]) for track in tracks]).reshape(len(tracks), len(here))
            for row, column in assign(costs):
                tracks[row].correct(measured[here[column]])
                names[here[column]] = tracks[row].name
        for i in np.flatnonzero(names == 0):
            names[i] = self._begin(measured[i], int(label[i]))
        return names

    def _begin(self, measured: np.ndarray, label: int) -> int:
        self._count += 1
        size = float(np.sqrt(np.prod(np.maximum(measured[2:], 1.0))))
        spread = np.tile(np.diag([_noise(size), (FIRST_SPEED * size) ** 2]), (4, 1, 1))
        state = np.stack([measured, np.zeros(4)], 1)
        self._tracks.append(_Track(self._count, label, state, spread, self._now_s, self._now_s))
        return self._count


def _noise(size: float) -> float:
    """Variance of a measured coordinate in square pixels; never below a pixel's own."""
    return max(MEASURED * size, 1.0) ** 2


def _centers(boxes: Boxes) -> np.ndarray:
    """float64 n 4: center x, y, width, height."""
    left, top, right, bottom = np.asarray(boxes.xyxy, np.float64).reshape(-1, 4).T
    return np.stack([(left + right) / 2, (top + bottom) / 2, right - left, bottom - top], 1)


class Tracks:
    """Follows the boxes of all tasks of a video: predictions and their time in, the same with `Boxes.track` out.

    keep_s: seconds out of sight after which a box counts as another one.
    """

    def __init__(self, keep_s: float = KEEP_S) -> None:
        self.keep_s = keep_s
        self._trackers: dict[str, Sort] = {}

    def __call__(self, predictions: Mapping[str, Annotation], time_s: float) -> dict[str, Annotation]:
        """time_s: of the frame, in seconds on any clock that does not run backward."""
        return {name: self._one(name, prediction, time_s) for name, prediction in predictions.items()}

    def _one(self, task: str, prediction: Annotation, time_s: float) -> Annotation:
        boxes = _followed(prediction)
        if boxes is None:
            return prediction
        if task not in self._trackers:
            self._trackers[task] = Sort(self.keep_s)
        return replace(boxes, track=self._trackers[task].update(boxes, time_s))


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
