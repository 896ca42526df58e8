"""Lines as a map of classes at the stride of a head's output: what a mask is taught with."""

import cv2
import numpy as np

from hydranet.annotations import UNKNOWN_ID, Polylines

FINE = 4
"""Binary digits of a pixel in which OpenCV places a line."""


def line_map(lines: Polylines, size: tuple[int, int], cell_px: int, width_px: float) -> np.ndarray:
    """uint8 h w: 0 = no line, k = a line of class k - 1 (1 where lines have no class), 255 = unknown.

    lines: of one image, numpy, in pixels of an image of size[0] * cell_px x size[1] * cell_px.
    width_px: how wide lines are drawn, at least one cell.    Around ignored lines, three times as wide, nothing is
    known.
    """
    ids = np.zeros(size, np.uint8)
    thickness = max(1, round(width_px / cell_px))
    ignore = np.zeros(len(lines.points), bool) if lines.ignore is None else np.asarray(lines.ignore, bool)
    for i in np.argsort(~ignore, kind="stable"):
        label = 0 if lines.label is None else int(lines.label[i])
        points = np.asarray(lines.points[i], np.float64)[np.asarray(lines.valid[i], bool)]
        if len(points) < 2 or (label < 0 and not ignore[i]):
            continue
        value, wide = (UNKNOWN_ID, 3 * thickness) if ignore[i] else (label + 1, thickness)
        places = np.clip((points / cell_px - 0.5) * (1 << FINE), -(2**24), 2**24).round().astype(np.int32)
        cv2.polylines(ids, [places], False, value, wide, cv2.LINE_8, FINE)
    return ids
