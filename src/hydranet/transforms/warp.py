"""What happens to an image and to every kind of label when the image is seen through a `View`.

Three rules hold throughout. Padding is unknown (255, NaN), never background. Class ids are never interpolated. And
what the view means for the *world* follows the image: normals turn, left-right names swap, distances scale.

Zooming in by z as an augmentation makes everything look z times closer. A network cannot tell that from a smaller
distance, unless it is told the focal length. So we keep the focal length and divide distances by z: the image is
as if taken by the same camera from nearer (the canonical camera of Metric3D, Yin et al. 2023, arXiv 2307.10984, section
3.2). Letterbox and stretch happen equally in training and deployment: they scale the focal length and keep meters.
"""

import math
from dataclasses import replace
from functools import singledispatch

import numpy as np

from hydranet.annotations import (
    UNKNOWN_ID,
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
from hydranet.core.sample import Camera, DataError, Sample
from hydranet.transforms.fast_unletterbox import clipped, unfitted
from hydranet.transforms.view import Size, View, crop, flip, letterbox, random_view, rotate, stretch
from hydranet.transforms.warp_maps import class_map, image_of, normal_map, outside, scalar_map

__all__ = [
    "View",
    "can_flip",
    "crop",
    "flip",
    "letterbox",
    "random_view",
    "rotate",
    "stretch",
    "unwarp",
    "warp",
    "warp_annotation",
    "warp_camera",
]

VISIBLE = 0.25
"""A box with a smaller share than this left in view is no longer an object to detect, but no background either."""

SIDE_PX = 2.0
"""The same for a box that the view made narrower than this."""

EDGE_PX = 1e-3
"""A point this far outside still lies on the image's edge: a map and its inverse round by less than this."""


def warp(sample: Sample, view: View) -> Sample:
    """A sample as the view shows it: image, labels, camera. Raises DataError for labels of another size."""
    camera = None if sample.camera is None else warp_camera(sample.camera, view)
    labels = {name: warp_annotation(label, view, sample.size) for name, label in sample.labels.items()}
    return sample.but(image=image_of(sample.image, view), labels=labels, camera=camera)


def warp_annotation(annotation: Annotation, view: View, source_size: Size) -> Annotation:
    """A label of an image of `source_size` (h, w) as the view shows it. The input is left as it is.

    Raises DataError for a map of another size, and where a class has no mirror image (ask `can_flip` first).
    """
    return _warped(annotation, view, source_size, False)


def unwarp(annotation: Annotation, view: View, size: Size) -> Annotation:
    """A prediction made on the view, in pixels and meters of the original image, whose (h, w) is `size`.

    Differs from the inverse of `warp_annotation` in what a prediction is: it is dense and smooth, so that values are
    interpolated (except next to unknown ones), and no box is turned into an ignored region. Predictions for padding
    become unknown, so that they do not bleed into the image's rim.
    """
    if (fitted := unfitted(annotation, view, size)) is not None:
        return fitted
    return _warped(_without_padding(annotation, view, size), view.inverse(size), view.size, True)


@singledispatch
def _without_padding(prediction: Annotation, view: View, size: Size) -> Annotation:
    """A prediction on the view that is unknown wherever the view shows nothing of the image."""
    raise UnknownKind("way back from the network's input", type(prediction), "transforms/warp.py")


@_without_padding.register
def _(prediction: ScalarMap, view: View, size: Size) -> ScalarMap:
    return replace(prediction, values=np.where(outside(view, size), np.nan, prediction.values))


@_without_padding.register
def _(prediction: NormalMap, view: View, size: Size) -> NormalMap:
    return replace(prediction, xyz=np.where(outside(view, size), np.nan, prediction.xyz))


@_without_padding.register
def _(prediction: ClassMap | Boxes | Polylines | Keypoints | Tag | Quantity, view: View, size: Size) -> Annotation:
    return prediction  # ids are never mixed with their neighbors, points carry their place, the others have none


def can_flip(sample: Sample) -> bool:
    """Whether every label still has a name when left and right are exchanged: a "turn left" sign may have none."""
    return all(map(_has_mirror_image, sample.labels.values()))


@singledispatch
def _has_mirror_image(label: Annotation) -> bool:
    raise UnknownKind("mirror image", type(label), "transforms/warp.py")


@_has_mirror_image.register
def _(label: Tag) -> bool:
    return not label.mirror or _mirrored_class(label) != -1


@_has_mirror_image.register
def _(label: ClassMap | ScalarMap | NormalMap | Boxes | Polylines | Keypoints | Quantity) -> bool:
    return True


@singledispatch
def _warped(annotation: Annotation, view: View, source_size: Size, prediction: bool) -> Annotation:
    """What the view shows of a label, or of a prediction, which may be interpolated and is never ignored."""
    raise UnknownKind("geometry", type(annotation), "transforms/warp.py")


@_warped.register
def _(annotation: ClassMap, view: View, source_size: Size, prediction: bool) -> ClassMap:
    return class_map(annotation, view, source_size)


@_warped.register
def _(annotation: ScalarMap, view: View, source_size: Size, prediction: bool) -> ScalarMap:
    return scalar_map(annotation, view, source_size, smooth=prediction)


@_warped.register
def _(annotation: NormalMap, view: View, source_size: Size, prediction: bool) -> NormalMap:
    return normal_map(annotation, view, source_size, smooth=prediction)


@_warped.register
def _(annotation: Quantity, view: View, source_size: Size, prediction: bool) -> Quantity:
    return annotation


# --- instances ----------------------------------------------------------------------------------------------------


@_warped.register
def _(boxes: Boxes, view: View, source_size: Size, prediction: bool) -> Boxes:
    """The hull of the mapped corners, clipped. Boxes out of view are dropped.

    A label of which the view leaves little (`VISIBLE`, `SIDE_PX`) becomes an ignored region: there is a part of
    an object, so it is not background, but nobody could tell which. `truncation` grows with what is cut off.
    """
    before = np.asarray(boxes.xyxy, dtype=np.float64).reshape(-1, 4)
    hull = _hull(before, view)
    kept, keep = clipped(boxes, hull, view.size)
    if kept.distance_m is not None:
        kept = replace(kept, distance_m=kept.distance_m / view.zoom)
    if prediction:
        return kept
    hull, before, sides = hull[keep], before[keep], kept.xyxy[:, 2:] - kept.xyxy[:, :2]
    visible = sides.prod(1) / (hull[:, 2:] - hull[:, :2]).prod(1)
    thin = (sides.min(1) < SIDE_PX) & (sides.min(1) < (before[:, 2:] - before[:, :2]).min(1))
    lost = thin | (visible < VISIBLE)
    if lost.any():
        kept = replace(kept, ignore=lost | (False if kept.ignore is None else kept.ignore))
    if kept.truncation is not None:
        truncation = kept.truncation
        kept = replace(kept, truncation=truncation + (1 - truncation) * (1 - visible).astype(truncation.dtype))
    return kept


def _hull(xyxy: np.ndarray, view: View) -> np.ndarray:
    """float64 n 4: the smallest upright boxes around what becomes of upright boxes."""
    (across, shear, _), (turn, down, _), _ = view.matrix.tolist()
    upright = not (shear or turn)
    corners = view.points(xyxy.reshape(-1, 2, 2) if upright else xyxy[:, [[0, 1], [2, 1], [2, 3], [0, 3]]])
    if upright and across > 0 and down > 0:  # the corners stay what they are
        return corners.reshape(-1, 4)
    return np.concatenate([corners.min(1), corners.max(1)], axis=1)


def _in_view(xy: np.ndarray, view: View) -> np.ndarray:
    return np.all((xy >= -EDGE_PX) & (xy <= np.array(view.size[::-1]) + EDGE_PX), axis=-1)


@_warped.register
def _(lines: Polylines, view: View, source_size: Size, prediction: bool) -> Polylines:
    """Points outside become invalid; lines of which nothing is left are dropped; a flip exchanges places."""
    if view.mirrored and lines.mirror:
        lines = _exchanged(lines)
    points = view.points(lines.points)
    valid = lines.valid & _in_view(points, view)
    keep = valid.any(1)
    return replace(rows(lines, keep), points=points[keep], valid=valid[keep])


def _exchanged(lines: Polylines) -> Polylines:
    """With the classes of the mirror image."""
    mirror, listed = np.asarray(lines.mirror), lines.annotated_classes
    if (
        lines.label is None
        or sorted(lines.mirror) != list(range(len(mirror)))
        or np.max(lines.label, initial=0) >= len(mirror)
    ):
        raise DataError(f"got lines whose classes are mirrored as {lines.mirror}, expected each class of lines once")
    label = np.asarray(lines.label)
    label = np.where(label < 0, label, mirror[label]).astype(label.dtype)
    return replace(lines, label=label, annotated_classes=None if listed is None else np.asarray(listed)[mirror])


@_warped.register
def _(points: Keypoints, view: View, source_size: Size, prediction: bool) -> Keypoints:
    """Points outside become unknown (visible = 0); a flip exchanges the left and the right ones."""
    order = np.arange(points.xy.shape[1])
    if view.mirrored and points.mirror:
        if sorted(points.mirror) != order.tolist():
            raise DataError(f"got mirror {points.mirror}, expected a permutation of the {len(order)} keypoints")
        order = np.asarray(points.mirror)
    xy = view.points(points.xy[:, order])
    visible = np.where(_in_view(xy, view), points.visible[:, order], 0).astype(points.visible.dtype)
    score = None if points.point_score is None else points.point_score[:, order]
    area = points.area
    if area is not None:
        area = (area * abs(np.linalg.det(view.matrix[:2, :2]))).astype(np.asarray(area).dtype)
    return replace(points, xy=xy, visible=visible, point_score=score, area=area, xyxy=_hulls(points.xyxy, view))


def _hulls(xyxy: np.ndarray | None, view: View) -> np.ndarray | None:
    """The boxes around mapped boxes, n 4, not clipped; None and NaN stay."""
    if xyxy is None:
        return None
    corners = view.points(np.asarray(xyxy, np.float64).reshape(-1, 4)[:, [[0, 1], [2, 1], [2, 3], [0, 3]]])
    return np.concatenate([corners.min(1), corners.max(1)], axis=1)


# --- the whole image --------------------------------------------------------------------------------------------


def _mirrored_class(tag: Tag) -> int:
    label = int(tag.label)
    if label == UNKNOWN_ID:
        return UNKNOWN_ID
    if not 0 <= label < len(tag.mirror):
        raise DataError(f"got class {label}, but `mirror` names the counterparts of {len(tag.mirror)} classes only")
    return tag.mirror[label]


@_warped.register
def _(tag: Tag, view: View, source_size: Size, prediction: bool) -> Tag:
    if not (view.mirrored and tag.mirror):
        return tag
    label = _mirrored_class(tag)
    if label == -1:
        raise DataError(f"class {int(tag.label)} has no mirror image; do not flip this sample (ask `can_flip` first)")
    if tag.probs is None:
        return replace(tag, label=np.asarray(label, dtype=np.asarray(tag.label).dtype))
    probs, mirror = np.zeros_like(tag.probs), np.asarray(tag.mirror)
    probs[mirror[mirror >= 0]] = tag.probs[mirror >= 0]
    return replace(tag, label=np.asarray(label, dtype=np.asarray(tag.label).dtype), probs=probs)


def warp_camera(camera: Camera, view: View) -> Camera:
    """The camera of the view. A flip or rotation turns the world with the image; a zoom keeps the focal length.

    A zoom that moves everything z times closer also makes the road z times steeper: tan(pitch) grows with it.
    """
    world = np.eye(3)
    world[:2, :2] = view.turn.T
    matrix = view.matrix @ camera.matrix @ world
    matrix[:2, :2] /= view.zoom
    pitch = camera.pitch_rad
    return replace(camera, matrix=matrix, pitch_rad=None if pitch is None else math.atan(view.zoom * math.tan(pitch)))
