"""Pixel scores of lines at a stated width: IoU, accuracy, and balanced accuracy under its own name.

The width decides: labels twice as wide raise the IoU of the same predictions by tens of points, and "accuracy" of other
code bases is the mean of two recalls. So the width is part of the protocol, and each score says what it is.
"""

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from hydranet.annotations import Polylines, rows


def protocol(canvas_px: tuple[int, int], width_px: float) -> str:
    """What a reader must know to compare."""
    return f"pixels of lines drawn {width_px:g} px wide, prediction and label alike, at {canvas_px[1]}x{canvas_px[0]}"


def counts(
    predicted: Polylines, labeled: Polylines, canvas_px: tuple[int, int], width_px: float
) -> dict[str, np.ndarray]:
    """{"line_pixels": int64 4}: line and found, line and missed, none and found, none and none; ignored lines left
    out."""
    ignore = np.zeros(len(labeled.points), bool) if labeled.ignore is None else np.asarray(labeled.ignore, bool)
    mine, theirs = _drawn(predicted, canvas_px, width_px), _drawn(rows(labeled, ~ignore), canvas_px, width_px)
    known = ~_drawn(rows(labeled, ignore), canvas_px, 3 * width_px) | theirs
    pairs = (2 * (~theirs[known]).astype(np.int64)) + ~mine[known]
    return {"line_pixels": np.bincount(pairs, minlength=4)}


def scores(stats: Mapping[str, Any]) -> dict[str, float]:
    """NaN where no pixel of a line is labeled."""
    hit, missed, false, none = (float(value) for value in stats["line_pixels"])
    names = ("line_iou", "line_recall", "pixel_accuracy", "balanced_accuracy")
    if not hit + missed:
        return dict.fromkeys(names, float("nan"))
    recall = hit / (hit + missed)
    specificity = none / (none + false) if none + false else float("nan")
    accuracy = (hit + none) / (hit + missed + false + none)
    return dict(zip(names, (hit / (hit + missed + false), recall, accuracy, (recall + specificity) / 2), strict=True))


def _drawn(lines: Polylines, canvas_px: tuple[int, int], width_px: float) -> np.ndarray:
    canvas = np.zeros(canvas_px, np.uint8)
    for points, valid in zip(np.asarray(lines.points, np.float64), np.asarray(lines.valid, bool), strict=True):
        if np.count_nonzero(valid) >= 2:
            places = np.clip(points[valid] - 0.5, -32_000, 32_000).round().astype(np.int32)
            cv2.polylines(canvas, [places], False, 1, max(1, round(width_px)))
    return canvas.astype(bool)
