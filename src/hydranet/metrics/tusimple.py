"""TuSimple's lane protocol (lane.py of its benchmark): accuracy of points, false positives and negatives of lanes.

At the rows where an image is labeled (`h_samples`), a prediction's point is right if it is less than 20 / cos(angle) px
from the label's along the row; angle is that of the label's line, by a straight fit x(y). A label's best prediction
counts; below .85 it is missed. The rule on running time is left out: a file does not run here.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hydranet.annotations import Polylines, rows

NEAR_PX, MATCH, MOST_LANES = 20.0, 0.85, 4
NONE = -2.0
"""The x of a row without a point."""

PROTOCOL = "TuSimple: |dx| < 20 / cos(angle) px, a lane matches from .85 of its rows, over min(4, lanes)"


def sums(predicted: Polylines, labeled: Polylines) -> dict[str, np.ndarray]:
    """{"tusimple": float64 4}: sums of accuracy, false positives, false negatives and the images of one image.

    The rows are those of the label's points, there or not. Images without a labeled line are not counted, nor are
    ignored lines.
    """
    if labeled.ignore is not None:
        labeled = rows(labeled, ~np.asarray(labeled.ignore, bool))
    h_samples = np.unique(np.asarray(labeled.points, np.float64)[..., 1])
    truth = [one for one in at_rows(labeled, h_samples) if (one >= 0).any()]
    if not truth:
        return {"tusimple": np.zeros(4)}
    guess = [one for one in at_rows(predicted, h_samples) if (one >= 0).any()]
    return {"tusimple": np.array([*bench(guess, truth, h_samples), 1.0])}


def scores(stats: Mapping[str, Any]) -> dict[str, float]:
    """Means over images; NaN where none is labeled."""
    *sums, images = (float(value) for value in stats["tusimple"])
    names = ("tusimple_accuracy", "tusimple_fp", "tusimple_fn")
    return {name: value / images if images else float("nan") for name, value in zip(names, sums, strict=True)}


def bench(
    guess: Sequence[np.ndarray], truth: Sequence[np.ndarray], h_samples: np.ndarray
) -> tuple[float, float, float]:
    """Accuracy, false positives per prediction, false negatives per label of one image.

    guess, truth: x by row, below 0 where there is none.
    More than two predictions beyond the labels give 0, 0, 1. With more than four labels, the worst one is forgiven.
    """
    if len(guess) > len(truth) + 2:
        return 0.0, 0.0, 1.0
    best, missed, matched = [], 0, 0
    for lane in truth:
        near = NEAR_PX / np.cos(angle(lane, h_samples))
        rates = [accuracy(one, lane, near) for one in guess]
        best.append(max(rates, default=0.0))
        missed += best[-1] < MATCH
        matched += best[-1] >= MATCH
    false_positives = len(guess) - matched
    if len(truth) > MOST_LANES and missed > 0:
        missed -= 1
    total = sum(best) - (min(best) if len(truth) > MOST_LANES else 0.0)
    lanes = max(min(MOST_LANES, len(truth)), 1)
    return total / lanes, false_positives / len(guess) if guess else 0.0, missed / lanes


def accuracy(guess: np.ndarray, truth: np.ndarray, near_px: float) -> float:
    """Share of rows where the two are near, or both are absent."""
    guess, truth = np.where(guess >= 0, guess, -100.0), np.where(truth >= 0, truth, -100.0)
    return float(np.mean(np.abs(guess - truth) < near_px))


def angle(lane: np.ndarray, h_samples: np.ndarray) -> float:
    """Angle of a line to the vertical, from a straight fit of x over y; 0 for a single point."""
    there = lane >= 0
    if np.count_nonzero(there) < 2:
        return 0.0
    y, x = h_samples[there], lane[there]
    centered = y - y.mean()
    return float(np.arctan((centered * (x - x.mean())).sum() / (centered**2).sum()))


def at_rows(lines: Polylines, h_samples: np.ndarray) -> list[np.ndarray]:
    """x of each line in these rows, straight between its points; -2 above, below and left of the image.

    In pixel numbers, as TuSimple counts them: 0.5 less than the coordinates.
    """
    read = []
    for points, valid in zip(np.asarray(lines.points, np.float64), np.asarray(lines.valid, bool), strict=True):
        points = points[valid]
        if not len(points):
            read.append(np.full(len(h_samples), NONE))
            continue
        y, first = np.unique(points[:, 1], return_index=True)
        x = np.interp(h_samples, y, points[first, 0]) - 0.5
        inside = (h_samples >= y[0]) & (h_samples <= y[-1]) & (x >= 0)
        read.append(np.where(inside, x, NONE))
    return read
