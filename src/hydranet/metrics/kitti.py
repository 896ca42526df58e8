"""KITTI's 2D object benchmark: average precision by class at three difficulties, after the official rules.

A ground-truth box is counted, ignored or left out. Counted: its class, and easy enough. Ignored: its class but
too hard, or a neighbor class (a Van when Cars are scored). Objects of all other classes are left out. A detection
that lands on an ignored box, on a DontCare region or is too small itself is neither right nor wrong. Precision is read
at 41 places of the recall axis that are set by the scores of the true positives; AP is its mean over 40 of them (R40,
since 2019) or over 11 (R11, before). With fewer than 40 objects some places are never reached, so that even a perfect
answer stays below 1: compare on sets with hundreds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from hydranet.annotations import NO_BOX, Boxes
from hydranet.core.task import PerImage
from hydranet.postprocess.nms import confidence


@dataclass(frozen=True)
class Difficulty:
    """A box is this easy if it is taller than `height_px` and at most this occluded (0..3) and truncated (0..1)."""

    name: str
    height_px: float
    occlusion: int
    truncation: float


DIFFICULTIES = (Difficulty("easy", 40, 0, 0.15), Difficulty("moderate", 25, 1, 0.30), Difficulty("hard", 25, 2, 0.50))
OVERLAP = {"Car": 0.7, "Van": 0.7, "Truck": 0.7, "Tram": 0.7}
"""Least IoU of a right detection; 0.5 for every other class, as for Pedestrian and Cyclist."""
NEIGHBORS = {"Car": ("Van",), "Pedestrian": ("Person_sitting",)}
"""Classes so alike that finding one for the other is no error."""

PLACES = 41


class Rows(NamedTuple):
    """One image, one class, one difficulty: the boxes of the label and the detections.

    overlap: float d g; IoU of the detections with the boxes of the class and of its neighbors.
    counted: bool g; the others are ignored.    score: float d.
    judged:  bool d; the others are too small, of whatever class (the devkit looks at the height first).
    excused: float d; the largest share of a detection that lies in one DontCare region.
    """

    overlap: np.ndarray
    counted: np.ndarray
    score: np.ndarray
    judged: np.ndarray
    excused: np.ndarray


def kitti_scores(images: Sequence[PerImage], classes: Sequence[str]) -> dict[str, float]:
    """ "kitti_r40/<class>/<difficulty>" and "kitti_r11/..."; NaN where there is no object.

    Boxes that a source ignores are DontCare regions if their label is -1, objects of another class (left out) if it is
    -2, else objects of their class that are too hard, as Van and Person_sitting are where the task has only Car and
    Pedestrian (`Detection.neighbors`).
    """
    scores = {}
    for index, name in enumerate(classes):
        neighbors = [classes.index(n) for n in NEIGHBORS.get(name, ()) if n in classes]
        for difficulty in DIFFICULTIES:
            rows = [_rows(prediction, truth, index, neighbors, difficulty) for prediction, truth in images]
            precision = precision_at_places(rows, OVERLAP.get(name, 0.5))
            for mean, places in (("r40", slice(1, None)), ("r11", slice(0, None, 4))):
                scores[f"kitti_{mean}/{name}/{difficulty.name}"] = float(precision[places].mean())
    return scores


def _rows(prediction: Boxes, truth: Boxes, index: int, neighbors: list[int], level: Difficulty) -> Rows:
    n = len(truth.label)
    ignore = np.zeros(n, bool) if truth.ignore is None else np.asarray(truth.ignore, bool)
    occlusion = np.zeros(n, int) if truth.occlusion is None else truth.occlusion
    truncation = np.zeros(n) if truth.truncation is None else truth.truncation
    height = truth.xyxy[:, 3] - truth.xyxy[:, 1]
    hard = (height <= level.height_px) | (occlusion > level.occlusion) | (truncation > level.truncation)
    mine = truth.label == index
    here = mine | np.isin(truth.label, neighbors)

    small = prediction.xyxy[:, 3] - prediction.xyxy[:, 1] < level.height_px
    relevant = (np.asarray(prediction.label) == index) | small
    boxes = prediction.xyxy[relevant]
    care = truth.xyxy[ignore & (truth.label == NO_BOX)]
    common, area, other = _pairs(boxes, truth.xyxy[here])
    inside, own, _ = _pairs(boxes, care)
    return Rows(
        common / np.maximum(area[:, None] + other - common, 1e-12),
        (mine & ~hard & ~ignore)[here],
        confidence(prediction)[relevant].astype(np.float64),
        ~small[relevant],
        (inside / np.maximum(own[:, None], 1e-12)).max(1, initial=0),
    )


def _pairs(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Common area of every pair, and the areas of both sides."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    extent = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    common = np.maximum(extent, 0).prod(2)
    return common, (a[:, 2:] - a[:, :2]).prod(1), (b[:, 2:] - b[:, :2]).prod(1)


def precision_at_places(images: Sequence[Rows], least: float) -> np.ndarray:
    """Precision at the 41 places of the recall axis, each the best at that recall or a higher one; NaN without objects.

    A place whose recall is never reached has precision 0.
    """
    objects = sum(int(rows.counted.sum()) for rows in images)
    if not objects:
        return np.full(PLACES, np.nan)
    hits = np.concatenate([_hits(rows, least) for rows in images] or [np.zeros(0)])
    precision = np.zeros(PLACES)
    for place, threshold in enumerate(thresholds(hits, objects)[:PLACES]):
        right, wrong = np.sum([_count(rows, least, threshold) for rows in images], axis=0)
        precision[place] = right / max(right + wrong, 1)
    return np.maximum.accumulate(precision[::-1])[::-1]


def _hits(rows: Rows, least: float) -> np.ndarray:
    """Scores of the detections that find a counted box: each box takes the best scored one that overlaps it enough."""
    taken, hits = np.zeros(len(rows.score), bool), []
    for g, counted in enumerate(rows.counted):
        free = np.flatnonzero(~taken & (rows.overlap[:, g] > least))
        if len(free):
            best = free[rows.score[free].argmax()]
            taken[best] = True
            if counted and rows.judged[best]:
                hits.append(rows.score[best])
    return np.array(hits)


def thresholds(hits: np.ndarray, objects: int) -> np.ndarray:
    """Scores of true positives at which recall passes nearest to 0, 1/40, 2/40, ... (the devkit's getThresholds)."""
    ordered, chosen, wanted = np.sort(hits)[::-1], [], 0.0
    for i, score in enumerate(ordered):
        here, following = (i + 1) / objects, (i + 2) / objects
        if i + 1 < len(ordered) and following - wanted < wanted - here:
            continue
        chosen.append(score)
        wanted += 1 / (PLACES - 1)
    return np.array(chosen)


def _count(rows: Rows, least: float, threshold: float) -> tuple[int, int]:
    """True and false positives among detections of at least this score.

    A box takes the free detection that overlaps it most, and one too small to be judged only where there is no other.
    """
    alive = rows.score >= threshold
    taken, right = np.zeros(len(rows.score), bool), 0
    for g, counted in enumerate(rows.counted):
        near = alive & ~taken & (rows.overlap[:, g] > least)
        free = np.flatnonzero(near & rows.judged) if (near & rows.judged).any() else np.flatnonzero(near)
        if len(free):
            best = free[rows.overlap[free, g].argmax()] if rows.judged[free[0]] else free[0]
            taken[best] = True
            right += int(counted and rows.judged[best])
    wrong = alive & ~taken & rows.judged & (rows.excused <= least)
    return right, int(wrong.sum())
