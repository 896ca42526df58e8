"""Lines as label files have them: points of whole pixels, ordered near to far."""

from collections.abc import Sequence

import numpy as np

from hydranet.annotations import Polylines
from hydranet.core.sample import DataError
from hydranet.io.shares import refuse_path_of_shares

FAR_PX = 1e6
"""Coordinates beyond this are no pixels of an image."""


def line_of(values: Sequence[float], where: str) -> np.ndarray:
    """float32 p 2 from x y x y ..., near (large y) to far. Pixel numbers become centers: 0.5 is added.

    Raises DataError for a number without its partner and for numbers that are no pixels.
    """
    if len(values) % 2:
        raise DataError(f"{where} has {len(values)} numbers, expected pairs x y; correct it")
    points = np.array(values, np.float64).reshape(-1, 2)
    if not (np.abs(points) <= FAR_PX).all():  # NaN is in no range
        raise DataError(f"{where} has coordinates beyond {FAR_PX:g} px, expected pixels of the image; correct it")
    refuse_path_of_shares(values, where)
    return (points[np.argsort(-points[:, 1], kind="stable")] + 0.5).astype(np.float32)


def polylines(lines: Sequence[np.ndarray], label: Sequence[int] | None = None) -> Polylines:
    """Lines of any length, each float p 2, as one label; rows are filled up with their last point, not valid."""
    length = max(map(len, lines), default=0)
    points, valid = np.zeros((len(lines), length, 2), np.float32), np.zeros((len(lines), length), bool)
    for i, line in enumerate(lines):
        points[i, : len(line)], valid[i, : len(line)] = line, True
        if len(line):
            points[i, len(line) :] = line[-1]
    return Polylines(points, valid, None if label is None else np.array(label, np.int64))
