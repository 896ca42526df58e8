"""Polygons as pixels: those whose centers lie inside."""

import numpy as np


def fill(ids: np.ndarray, corners: np.ndarray, value: int) -> None:
    """Writes `value` into the pixels of a map (h w) whose centers lie inside a polygon, by the even-odd rule.

    corners: float p 2, pixels from the image's corner; the last one is joined to the first.
    """
    height, width = ids.shape
    begin, end = corners, np.roll(corners, -1, axis=0)
    first, last = max(int(np.floor(corners[:, 1].min())), 0), min(int(np.ceil(corners[:, 1].max())), height)
    for row in range(first, last):
        y = row + 0.5
        crossed = (begin[:, 1] <= y) != (end[:, 1] <= y)
        a, b = begin[crossed], end[crossed]
        x = np.sort(a[:, 0] + (y - a[:, 1]) / (b[:, 1] - a[:, 1]) * (b[:, 0] - a[:, 0]))
        columns = np.ceil(x - 0.5).clip(0, width).astype(np.int64)
        for left, right in zip(columns[::2], columns[1::2], strict=True):
            ids[row, left:right] = value
