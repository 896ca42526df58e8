"""The fast way between an image and the network's input, where both are upright: a crop, a resize, a border.

Letterboxing and stretching move whole pixels, so that no general warp is needed; `transforms.warp` falls back to one
for every other view. Frames of 375 x 1242 take a tenth of the time.
"""

import math
from dataclasses import replace
from functools import lru_cache, singledispatch

import cv2
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
    rows,
)
from hydranet.transforms.view import Size, View

CLOSE = 1e-6
"""Pixels: a coordinate this close to a whole number counts as one."""

Window = tuple[slice, slice]


@lru_cache(64)
def window(view: View, size: Size) -> Window | None:
    """Rows and columns of the view that a whole image of `size` (h, w) fills; None where they are no whole pixels.

    Kept for each view as an object: the heads of a frame, and frames of one camera, share the answer.
    """
    (across, shear, x), (turn, down, y), _ = view.matrix.tolist()  # plain numbers: numpy takes longer to begin
    if shear or turn or across <= 0 or down <= 0:
        return None
    corners = x, y, across * size[1] + x, down * size[0] + y
    whole = left, top, right, bottom = tuple(map(round, corners))
    inside = 0 <= left < right <= view.size[1] and 0 <= top < bottom <= view.size[0]
    if not inside or max(abs(a - b) for a, b in zip(corners, whole, strict=True)) > CLOSE:
        return None
    return slice(top, bottom), slice(left, right)


def resized(image: np.ndarray, view: View, place: Window | None, fill: int) -> np.ndarray | None:
    """An image scaled as the view says, in its place on a background of `fill`; None where the view does anything else.

    The image may reach a fraction of a pixel beyond its place: that part is cut off.
    """
    if place is None:
        return None
    (height, width), (across, down) = ((one.stop - one.start for one in place), view.scale)
    size = round(image.shape[0] * down), round(image.shape[1] * across)
    if size != image.shape[:2]:
        image = cv2.resize(image, None, fx=across, fy=down, interpolation=cv2.INTER_LINEAR)
    elif max(abs(across - 1), abs(down - 1)) > CLOSE:  # OpenCV copies what keeps its size
        return None
    if (height, width) == view.size:
        return image[:height, :width].copy()
    canvas = np.full((*view.size, *image.shape[2:]), fill, dtype=image.dtype)
    canvas[place] = image[:height, :width]
    return canvas


@singledispatch
def unfitted(annotation: Annotation, view: View, size: Size) -> Annotation | None:
    """A predicted map in pixels of the image; None where only the general warp can do it."""
    raise UnknownKind("quick way back", type(annotation), "transforms/fast_unletterbox.py")


@unfitted.register
def _(annotation: ClassMap, view: View, size: Size) -> ClassMap | None:
    place = window(view, size)
    if place is None or annotation.probs is not None or annotation.ids.shape != view.size:
        return None
    sure = None if annotation.confidence is None else _nearest(annotation.confidence, place, size)
    return replace(annotation, ids=_nearest(annotation.ids, place, size), confidence=sure)


@unfitted.register
def _(annotation: ScalarMap, view: View, size: Size) -> ScalarMap | None:
    values = _cropped(annotation.values, view, size)
    if values is None or annotation.unit == "px":
        return None
    return replace(annotation, values=cv2.resize(values, size[::-1], interpolation=cv2.INTER_LINEAR))


@unfitted.register
def _(annotation: NormalMap, view: View, size: Size) -> NormalMap | None:
    planes = _cropped(annotation.xyz, view, size)
    if planes is None:
        return None
    xyz = np.empty((3, *size), np.float32)
    for plane, out in zip(planes, xyz, strict=True):
        cv2.resize(plane, size[::-1], dst=out, interpolation=cv2.INTER_LINEAR)
    length = cv2.magnitude(cv2.magnitude(xyz[0], xyz[1]), xyz[2])
    xyz /= np.maximum(length, 1e-6, out=length)
    return replace(annotation, xyz=xyz)


@unfitted.register
def _(annotation: Boxes, view: View, size: Size) -> Boxes | None:
    (across, shear, x), (turn, down, y), _ = view.matrix.tolist()
    if shear or turn or across <= 0 or down <= 0 or view.zoom != 1:
        return None
    corners = np.asarray(annotation.xyxy, np.float64).reshape(-1, 4)
    hull = corners * ((1 / across, 1 / down) * 2) + (-x / across, -y / down) * 2
    return clipped(annotation, hull, size)[0]


@unfitted.register
def _(annotation: Polylines | Keypoints | Tag | Quantity, view: View, size: Size) -> None:
    return None


def clipped(boxes: Boxes, hull: np.ndarray, size: Size) -> tuple[Boxes, np.ndarray]:
    """Boxes whose places are `hull` (float64 n 4), cut at the border of an image of `size` (h, w), and which are left.

    Boxes of which nothing lies in the image are dropped.
    """
    xyxy = np.minimum(np.maximum(hull, 0), (size[1], size[0]) * 2)
    keep = (xyxy[:, 2:] > xyxy[:, :2]).all(1)
    return (replace(boxes, xyxy=xyxy) if keep.all() else replace(rows(boxes, keep), xyxy=xyxy[keep])), keep


def _nearest(values: np.ndarray, place: Window, size: Size) -> np.ndarray:
    """For each pixel of `size` the value at its center, in whole numbers: no rounding as in a warp of fixed point."""
    rows, columns = (_centers(part.start, part.stop, many) for part, many in zip(place, size, strict=True))
    # rows are copied whole, single values of a row are not: turned twice, it takes a third of the time
    return cv2.transpose(cv2.transpose(values).take(columns, axis=0)).take(rows, axis=0)


@lru_cache(64)
def _centers(start: int, stop: int, many: int) -> np.ndarray:
    """In which pixel from `start` to `stop` the center of each of `many` equal parts lies."""
    return (2 * np.arange(many) + 1) * (stop - start) // (2 * many) + start


def _cropped(values: np.ndarray, view: View, size: Size) -> np.ndarray | None:
    """The part of a map (float32 ... h w) that shows the image; None where some of it is unknown or no whole pixel."""
    place = window(view, size)
    if view.zoom != 1 or place is None or values.shape[-2:] != view.size or values.dtype != np.float32:
        return None
    cropped: np.ndarray = values[(..., *place)]
    planes = cropped[None] if cropped.ndim == 2 else cropped
    finite = all(math.isfinite(cv2.sumElems(plane)[0]) for plane in planes)  # in float64, so that no sum overflows
    return cropped if finite else None
