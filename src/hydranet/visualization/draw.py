"""Images of annotations, one function for every kind: a prediction and a label look the same.

Needs numpy and OpenCV only. Images are RGB; what is drawn on is always a copy. Images too small for text (sign
crops) are enlarged by a whole number first. What the colors mean stands below the image (`captioned`), never on it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import singledispatch

import cv2
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
)
from hydranet.visualization.contact_sheet import Row, composite, gallery_html
from hydranet.visualization.draw_instances import boxes, keypoints, polylines
from hydranet.visualization.draw_maps import class_map, normal_map, scalar_map
from hydranet.visualization.legend import legend
from hydranet.visualization.primitives import Color, headline, name_of, palette
from hydranet.visualization.style import RANGE_M, Style

__all__ = ["Row", "captioned", "composite", "draw", "gallery_html", "palette"]

READABLE_PX = 360
"""Images are enlarged until their shorter side has about this length, ..."""
LONGEST_PX = 4096
"""... but never beyond this length of the longer one."""


def draw(
    image: np.ndarray,
    annotation: Annotation,
    classes: Sequence[str] = (),
    colors: Sequence[Color] | None = None,
    range_m: tuple[float, float] = RANGE_M,
) -> np.ndarray:
    """The image with an annotation drawn on it, without a legend.

    image: uint8 h w 3, RGB.    annotation: of that image, numpy arrays, no batch axis.
    classes, colors, range_m: as in `visualization.style.Style`.
    Returns uint8 k·h k·w 3, where k > 1 for small images only. Raises UnknownKind, ValueError for a range that is none.
    """
    factor = max(1, min(round(READABLE_PX / min(image.shape[:2])), LONGEST_PX // max(image.shape[:2])))
    canvas = (
        cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC) if factor > 1 else image.copy()
    )
    return _drawn(_enlarged(annotation, factor), canvas, Style(classes, colors, range_m))


def overlaid(
    image: np.ndarray, annotations: Mapping[str, Annotation], classes: Mapping[str, Sequence[str]]
) -> np.ndarray:
    """The image with several annotations drawn on it, maps first, without a legend; enlarged as in `draw`.

    annotations, classes: by task.    Returns uint8 k·h k·w 3.
    """
    factor = max(1, min(round(READABLE_PX / min(image.shape[:2])), LONGEST_PX // max(image.shape[:2])))
    canvas = (
        cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC) if factor > 1 else image.copy()
    )
    maps = {name: one for name, one in annotations.items() if not one.arrays("instance")}
    for name, annotation in {**maps, **annotations}.items():
        canvas = _drawn(_enlarged(annotation, factor), canvas, Style(classes.get(name, ())))
    return canvas


def captioned(
    image: np.ndarray,
    annotation: Annotation,
    classes: Sequence[str] = (),
    colors: Sequence[Color] | None = None,
    range_m: tuple[float, float] = RANGE_M,
) -> np.ndarray:
    """`draw`, with a legend below it: names of classes, the scale of numbers. Takes the same arguments.

    Returns uint8 h' k·w 3; the height depends on kind, classes and width alone, so that frames of a video agree.
    """
    drawn = draw(image, annotation, classes, colors, range_m)
    return np.concatenate([drawn, legend(annotation, drawn.shape, Style(classes, colors, range_m))])


@singledispatch
def _drawn(annotation: Annotation, canvas: np.ndarray, style: Style) -> np.ndarray:
    raise UnknownKind("drawing", type(annotation), "visualization/draw.py")


@_drawn.register
def _(annotation: ClassMap, canvas: np.ndarray, style: Style) -> np.ndarray:
    return class_map(canvas, annotation, style)


@_drawn.register
def _(annotation: ScalarMap, canvas: np.ndarray, style: Style) -> np.ndarray:
    return scalar_map(canvas, annotation, style)


@_drawn.register
def _(annotation: NormalMap, canvas: np.ndarray, style: Style) -> np.ndarray:
    return normal_map(canvas, annotation)


@_drawn.register
def _(annotation: Boxes, canvas: np.ndarray, style: Style) -> np.ndarray:
    return boxes(canvas, annotation, style)


@_drawn.register
def _(annotation: Polylines, canvas: np.ndarray, style: Style) -> np.ndarray:
    return polylines(canvas, annotation, style)


@_drawn.register
def _(annotation: Keypoints, canvas: np.ndarray, style: Style) -> np.ndarray:
    return keypoints(canvas, annotation)


@_drawn.register
def _(annotation: Tag, canvas: np.ndarray, style: Style) -> np.ndarray:
    """The class, or the three most probable ones."""
    if annotation.probs is not None:
        best = np.argsort(-np.asarray(annotation.probs))[:3]
        shares = [100 * float(annotation.probs[i]) for i in best]
        texts = [f"{name_of(style.classes, int(i))} {share:.0f} %" for i, share in zip(best, shares, strict=True)]
        return headline(canvas, texts)
    label = int(annotation.label)
    return headline(canvas, ["unknown" if label == UNKNOWN_ID else name_of(style.classes, label)])


@_drawn.register
def _(annotation: Quantity, canvas: np.ndarray, style: Style) -> np.ndarray:
    return headline(canvas, [f"{float(annotation.value):.4g} {annotation.unit}".rstrip()])


@singledispatch
def _enlarged(annotation: Annotation, factor: int) -> Annotation:
    """The annotation of an image that is a whole number of times as large."""
    raise UnknownKind("drawing", type(annotation), "visualization/draw.py")


@_enlarged.register
def _(annotation: ClassMap, factor: int) -> ClassMap:
    return ClassMap(np.asarray(annotation.ids).repeat(factor, 0).repeat(factor, 1))


@_enlarged.register
def _(annotation: ScalarMap, factor: int) -> ScalarMap:
    return replace(annotation, values=np.asarray(annotation.values).repeat(factor, 0).repeat(factor, 1))


@_enlarged.register
def _(annotation: NormalMap, factor: int) -> NormalMap:
    return NormalMap(np.asarray(annotation.xyz).repeat(factor, 1).repeat(factor, 2))


@_enlarged.register
def _(annotation: Boxes, factor: int) -> Boxes:
    return replace(annotation, xyxy=np.asarray(annotation.xyxy) * factor)


@_enlarged.register
def _(annotation: Polylines, factor: int) -> Polylines:
    return replace(annotation, points=np.asarray(annotation.points) * factor)


@_enlarged.register
def _(annotation: Keypoints, factor: int) -> Keypoints:
    return replace(annotation, xy=np.asarray(annotation.xy) * factor)


@_enlarged.register
def _(annotation: Tag | Quantity, factor: int) -> Annotation:
    return annotation
