"""Errors of named points, relative to a length in the image: NME, failure rate and PCK. numpy only."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hydranet.annotations import Keypoints

FAILED = 0.1
"""An image with a greater NME counts as failed (300-W, Sagonas et al., 2016)."""


def reference_px(xy: np.ndarray, known: np.ndarray, points: Sequence[int]) -> float:
    """The length by which errors are divided, in pixels; NaN where it is not known.

    xy: float k 2.    known: bool k.
    points: two indices = the distance of these points, such as the outer corners of the eyes; none = the square root of
            the area of the box around the known points.
    """
    if points:
        first, second = points
        length = float(np.hypot(*(xy[first] - xy[second]))) if known[first] and known[second] else np.nan
    else:
        sides = np.ptp(xy[known], axis=0) if known.any() else np.zeros(2)
        length = float(np.sqrt(sides.prod()))
    return length if length > 0 else float("nan")


def point_errors(prediction: Keypoints, label: Keypoints, points: Sequence[int]) -> np.ndarray | None:
    """float n: distance to each known point of the labeled instance, divided by the reference length.

    A point that was not predicted is off by one reference length. None where nothing can be measured: no instance, an
    ignored one, no known point, or no reference length.
    """
    if not len(label.xy) or (label.ignore is not None and bool(np.asarray(label.ignore)[0])):
        return None
    wanted, known = np.asarray(label.xy[0], np.float64), np.asarray(label.visible[0]) > 0
    length = reference_px(wanted, known, points)
    if not known.any() or np.isnan(length):
        return None
    predicted = np.asarray(prediction.xy[0], np.float64) if len(prediction.xy) else np.full_like(wanted, np.nan)
    error = np.hypot(*(predicted - wanted)[known].T) / length
    return np.where(np.isfinite(error), error, 1.0)


def measure_points(prediction: Keypoints, label: Keypoints, points: Sequence[int], pck_share: float) -> dict[str, Any]:
    """Additive statistics of one image; see `point_errors`."""
    error = point_errors(prediction, label, points)
    if error is None:
        return {"images": 0, "nme": 0.0, "failed": 0, "points": 0, "correct": 0}
    return {
        "images": 1,
        "nme": float(error.mean()),
        "failed": int(error.mean() > FAILED),
        "points": len(error),
        "correct": int(np.count_nonzero(error <= pck_share)),
    }


def point_scores(stats: dict[str, Any]) -> dict[str, float]:
    """ "nme": mean over points, then over images; "failure_rate": share of images with an NME above .1; "pck": share
    of all points within the stated share of the reference length. NaN where nothing was measured."""
    images, points = stats["images"], stats["points"]
    if not images:
        return dict.fromkeys(("nme", "failure_rate", "pck"), float("nan"))
    return {
        "nme": stats["nme"] / images,
        "failure_rate": stats["failed"] / images,
        "pck": stats["correct"] / points,
    }
