"""CULane's protocol: lines drawn 30 px wide, a match where two masks overlap with IoU > .5, one F1 over the set.

Pan et al.: Spatial As Deep, AAAI 2018, with the official evaluation program (lane_evaluation): each line is
interpolated by a natural cubic spline through its points, drawn on the image as a polyline 30 px wide, and lines are
paired by a maximum weight matching of IoUs; pairs above the threshold are true positives.
"""

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from scipy.optimize import linear_sum_assignment

from hydranet.annotations import Polylines, rows

CANVAS_PX, DRAW_PX, LEAST_IOU = (590, 1640), 30.0, 0.5
BETWEEN = 50
"""Points of the spline between two given ones, as in the official program."""


def protocol(canvas_px: tuple[int, int], draw_px: float) -> str:
    """What a reader must know to compare: canvas, width, threshold."""
    height, width = canvas_px
    return f"CULane F1: splines drawn {draw_px:g} px wide at {width}x{height}, IoU > {LEAST_IOU:g}, maximum matching"


def counts(
    predicted: Polylines, labeled: Polylines, canvas_px: tuple[int, int] = CANVAS_PX, draw_px: float = DRAW_PX
) -> dict[str, np.ndarray]:
    """{"culane": int64 4}: true positives, predictions, labels, images of one image.

    A line of one point counts and matches nothing, as in the official program; one without any is padding. Ignored
    lines do not count, nor does a prediction that matches one of them and no other.
    """
    ignore = np.zeros(len(labeled.points), bool) if labeled.ignore is None else np.asarray(labeled.ignore, bool)
    mine, ignored = masks(predicted, canvas_px, draw_px), masks(rows(labeled, ignore), canvas_px, draw_px)
    theirs = masks(rows(labeled, ~ignore), canvas_px, draw_px)
    overlap = ious(mine, theirs)
    pairs = np.stack(linear_sum_assignment(overlap, maximize=True), 1)
    matched = np.array([i for i, j in pairs if overlap[i, j] > LEAST_IOU], int)
    excused = (ious(mine, ignored).max(1, initial=0) > LEAST_IOU) if len(mine) else np.zeros(0, bool)
    excused[matched] = False
    return {"culane": np.array([len(matched), len(mine) - excused.sum(), len(theirs), 1], np.int64)}


def scores(stats: Mapping[str, Any]) -> dict[str, float]:
    """F1, precision and recall; NaN where no line is labeled."""
    hit, predicted, labeled, _ = (float(value) for value in stats["culane"])
    if not labeled:
        return dict.fromkeys(("f1", "precision", "recall"), float("nan"))
    precision, recall = hit / predicted if predicted else 0.0, hit / labeled
    both = precision + recall
    return {"f1": 2 * precision * recall / both if both else 0.0, "precision": precision, "recall": recall}


def masks(lines: Polylines, canvas_px: tuple[int, int], draw_px: float) -> list[np.ndarray]:
    """bool h w of each line that has a point; empty for those of one point."""
    drawn = []
    for points, valid in zip(np.asarray(lines.points), np.asarray(lines.valid, bool), strict=True):
        canvas = np.zeros(canvas_px, np.uint8)
        if np.count_nonzero(valid) >= 2:
            # the official program's pixels are centered on whole numbers, annotations on halves
            curve = np.clip(spline(points[valid].astype(np.float64) - 0.5), -32_000, 32_000)
            cv2.polylines(canvas, [curve.round().astype(np.int32)], False, 1, round(draw_px))
        if valid.any():
            drawn.append(canvas.astype(bool))
    return drawn


def ious(mine: list[np.ndarray], theirs: list[np.ndarray]) -> np.ndarray:
    """float n m; 0 where neither has a pixel on the canvas."""
    if not mine or not theirs:
        return np.zeros((len(mine), len(theirs)))
    a, b = (np.stack(one).reshape(len(one), -1).astype(np.float32) for one in (mine, theirs))
    common = (a @ b.T).astype(np.float64)
    either = a.sum(1, dtype=np.float64)[:, None] + b.sum(1, dtype=np.float64) - common
    return common / np.maximum(either, 1)


def spline(points: np.ndarray) -> np.ndarray:
    """float p 2: a natural cubic spline through the points, over the length of the chords; two points: a straight line.

    Points that repeat the one before are left out: they have no direction.
    """
    fresh = np.append(True, (np.diff(points, axis=0) != 0).any(1))
    points = points[fresh]
    if len(points) < 3:
        return points
    chord = np.linalg.norm(np.diff(points, axis=0), axis=1)
    curvature = _second_derivatives(points, chord)
    share = np.arange(BETWEEN) / BETWEEN
    t = share[None, :, None] * chord[:, None, None]
    c = chord[:, None, None]
    y0, y1, m0, m1 = points[:-1, None], points[1:, None], curvature[:-1, None], curvature[1:, None]
    linear = (y1 - y0) / c - c * (2 * m0 + m1) / 6
    curve = y0 + linear * t + m0 / 2 * t**2 + (m1 - m0) / (6 * c) * t**3
    return np.concatenate([curve.reshape(-1, 2), points[-1:]])


def _second_derivatives(points: np.ndarray, chord: np.ndarray) -> np.ndarray:
    """float p 2: of the natural spline, 0 at both ends."""
    count = len(points)
    system, right = np.eye(count), np.zeros((count, 2))
    slope = np.diff(points, axis=0) / chord[:, None]
    for i in range(1, count - 1):
        system[i, i - 1 : i + 2] = chord[i - 1], 2 * (chord[i - 1] + chord[i]), chord[i]
        right[i] = 6 * (slope[i] - slope[i - 1])
    return np.linalg.solve(system, right)
