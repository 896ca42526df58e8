"""Outlines and curves of Scalabel's label files: straight lines (L) and cubic Bezier curves (C)."""

from typing import Any

import cv2
import numpy as np

from hydranet.core.sample import DataError
from hydranet.io.box_rows import is_number, quoted
from hydranet.io.line_rows import FAR_PX
from hydranet.io.shares import refuse_path_of_shares

STEPS = 16
"""Straight pieces of a Bezier curve."""
FRACTION_BITS = 4
"""OpenCV draws at 1/16 px."""


def read_poly2d(poly2d: Any, closed: bool, where: str) -> list[np.ndarray]:
    """The paths of one object as points, float64 p 2, in pixels measured from the image's corner.

    poly2d: [{"vertices": [[x, y], ...], "types": "LCCC..."}, ...], or one path as [[x, y, "L"], ...] (release of 2018).
    closed: whether paths return to their first vertex; what files state of it ("closed") is not read, as BDD100K's own
            converter does not.

    The first vertex is where a path begins, whatever its type. After it an L is a straight line to the vertex, and a C
    is the first of three vertices: two control points and the end of a cubic Bezier curve, whatever their types.
    Raises DataError for what is none.
    """
    if not isinstance(poly2d, list):
        raise DataError(f"{where}: poly2d {quoted(poly2d)}, expected a list; correct it")
    if any(isinstance(one, list) for one in poly2d):
        triples = [one if isinstance(one, list) and len(one) == 3 else [one, None, None] for one in poly2d]
        return [_path([one[:2] for one in triples], [one[2] for one in triples], closed, where)]
    paths = []
    for one in poly2d:
        if not isinstance(one, dict) or not isinstance(one.get("vertices"), list):
            raise DataError(f"{where}: poly2d holds {quoted(one)}, expected an object with vertices; correct it")
        types = one.get("types")
        paths.append(_path(one["vertices"], list(types) if isinstance(types, str) else types, closed, where))
    return paths


def _path(vertices: list[Any], types: Any, closed: bool, where: str) -> np.ndarray:
    if not isinstance(types, list) or len(types) != len(vertices) or any(one not in ("L", "C") for one in types):
        raise DataError(
            f"{where}: types {quoted(types)} of {len(vertices)} vertices, expected L or C for each; correct it"
        )
    least = 3 if closed else 2
    if len(vertices) < least:
        raise DataError(f"{where}: a path of {len(vertices)} vertices, expected at least {least}; remove it")
    corners = np.array([_vertex(one, where) for one in vertices], np.float64)
    refuse_path_of_shares(corners.ravel().tolist(), where)
    if closed:
        corners, types = np.concatenate([corners, corners[:1]]), [*types, "L"]
    pieces, place = [corners[:1]], 1
    while place < len(corners):
        if types[place] == "L":
            pieces.append(corners[place : place + 1])
            place += 1
            continue
        if place + 3 > len(corners):
            raise DataError(f"{where}: a curve of vertex {place + 1} has no end, expected three vertices; correct it")
        pieces.append(bezier(corners[place - 1 : place + 3]))
        place += 3
    return np.concatenate(pieces)


def _vertex(vertex: Any, where: str) -> list[float]:
    if not isinstance(vertex, list) or len(vertex) != 2 or not all(is_number(one) for one in vertex):
        raise DataError(f"{where}: vertex {quoted(vertex)}, expected two numbers; correct it")
    if any(abs(one) > FAR_PX for one in vertex):
        raise DataError(f"{where}: vertex {quoted(vertex)}, expected pixels of the image; correct it")
    return [float(one) for one in vertex]


def bezier(corners: np.ndarray) -> np.ndarray:
    """Points of the cubic Bezier curve of 4 corners (float 4 2), without the first: float64 STEPS 2."""
    t = np.arange(1, STEPS + 1)[:, None] / STEPS
    start, first, second, end = corners
    return (1 - t) ** 3 * start + 3 * (1 - t) ** 2 * t * first + 3 * (1 - t) * t**2 * second + t**3 * end


def fill(ids: np.ndarray, points: np.ndarray, value: int) -> None:
    """Sets the pixels of a polygon (float p 2, measured from the corner), border pixels among them, in uint8 h w."""
    at_centers = (points - 0.5) * (1 << FRACTION_BITS)
    cv2.fillPoly(ids, [at_centers.round().astype(np.int32)], value, shift=FRACTION_BITS)
