"""How far the objects in boxes are, from a depth map of the same image. numpy only."""

from collections.abc import Mapping
from dataclasses import replace
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

CENTRAL = 0.5
"""Share of each side of a box that is looked at: near its border a box shows what is behind or beside the object."""


def with_distances(answers: Mapping[str, Annotation]) -> dict[str, Annotation]:
    """One image's answers, with `Boxes.distance_m` where a head gives meters for every pixel (the first that does)."""
    maps = [values for one in answers.values() if (values := meters_of(one)) is not None]
    return {name: measured(one, maps[0]) for name, one in answers.items()} if maps else dict(answers)


def distances(xyxy: np.ndarray, meters: np.ndarray) -> np.ndarray:
    """float32 n: median of the known meters in the middle of each box, else in all of it; NaN where none is known.

    xyxy: float n 4, left top right bottom in pixels of the map.    meters: float h w, NaN = unknown.
    A median, so that up to half of the pixels may belong to something else.
    """
    boxes = np.asarray(xyxy, dtype=np.float64).reshape(-1, 4)
    return np.array([_median(box, meters) for box in boxes], dtype=np.float32)


@singledispatch
def meters_of(annotation: Annotation) -> np.ndarray | None:
    """float h w: meters for every pixel; None for an annotation that is no such map."""
    raise UnknownKind("map of distances", type(annotation), "postprocess/distance.py")


@meters_of.register
def _(annotation: ScalarMap) -> np.ndarray | None:
    return np.asarray(annotation.values) if annotation.unit == "m" else None


@meters_of.register
def _(annotation: ClassMap | NormalMap | Boxes | Polylines | Keypoints | Tag | Quantity) -> None:
    return None


@singledispatch
def measured(annotation: Annotation, meters: np.ndarray) -> Annotation:
    """The annotation with the distances of its boxes in `meters` (float h w); other kinds as they are."""
    raise UnknownKind("distance", type(annotation), "postprocess/distance.py")


@measured.register
def _(annotation: Boxes, meters: np.ndarray) -> Boxes:
    return replace(annotation, distance_m=distances(annotation.xyxy, meters))


@measured.register
def _(
    annotation: ClassMap | ScalarMap | NormalMap | Polylines | Keypoints | Tag | Quantity, meters: np.ndarray
) -> Annotation:
    return annotation


def _median(box: np.ndarray, meters: np.ndarray) -> float:
    center, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2
    for share in (CENTRAL, 1.0):
        # the pixels whose centers lie inside, or the one around the middle of a box that holds no center
        first, last = (np.ceil(center + side * share * half - 0.5) for side in (-1, 1))
        first, last = np.where(last > first, (first, last), (np.floor(center), np.floor(center) + 1))
        (left, top), (right, bottom) = (edge.clip(0, meters.shape[::-1]).astype(int) for edge in (first, last))
        known = meters[top:bottom, left:right]
        known = known[np.isfinite(known)]
        if known.size:
            return float(np.median(known))
    return float("nan")
