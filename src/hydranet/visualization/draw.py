"""Images of annotations, one function for every kind: a prediction and a label look the same.

Needs numpy and OpenCV only. Images are RGB; what is drawn on is always a copy. Images too small for text (sign
crops) are enlarged by a whole number first.
"""

from collections.abc import Sequence
from dataclasses import replace

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
)
from hydranet.visualization.contact_sheet import Row, composite, gallery_html
from hydranet.visualization.draw_maps import class_map, normal_map, scalar_map, turbo
from hydranet.visualization.primitives import (
    DARK,
    Color,
    Rectangle,
    colors_of,
    headline,
    line_px,
    name_of,
    palette,
    plate,
)

__all__ = ["Row", "composite", "draw", "gallery_html", "palette"]

READABLE_PX = 360
"""Images are enlarged until their shorter side has about this length, ..."""
LONGEST_PX = 4096
"""... but never beyond this length of the longer one."""

SUBPIXEL_BITS = 4
GRAY: Color = (150, 150, 150)


def draw(
    image: np.ndarray, annotation: Annotation, classes: Sequence[str] = (), colors: Sequence[Color] | None = None
) -> np.ndarray:
    """The image with an annotation drawn on it.

    image: uint8 h w 3, RGB.    annotation: of that image, numpy arrays, no batch axis.
    classes: names by class id ("class 7" where missing).    colors: by class id; default is `palette`.
    Returns uint8 k·h k·w 3, where k > 1 for small images only.
    """
    factor = max(1, min(round(READABLE_PX / min(image.shape[:2])), LONGEST_PX // max(image.shape[:2])))
    canvas = (
        cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC) if factor > 1 else image.copy()
    )
    annotation = _enlarged(annotation, factor) if factor > 1 else annotation
    match annotation:
        case ClassMap():
            return class_map(canvas, annotation, classes, colors)
        case ScalarMap():
            return scalar_map(canvas, annotation)
        case NormalMap():
            return normal_map(canvas, annotation)
        case Boxes():
            return _boxes(canvas, annotation, classes, colors)
        case Polylines():
            return _polylines(canvas, annotation, classes, colors)
        case Keypoints():
            return _keypoints(canvas, annotation)
        case Tag():
            return _tag(canvas, annotation, classes)
        case Quantity():
            return headline(canvas, [f"{float(annotation.value):.4g}"])
    raise TypeError(f"got a {type(annotation).__name__}, expected one of the kinds in annotations; add it to draw")


def _enlarged(annotation: Annotation, factor: int) -> Annotation:
    match annotation:
        case ClassMap():
            return ClassMap(np.asarray(annotation.ids).repeat(factor, 0).repeat(factor, 1))
        case ScalarMap():
            return replace(annotation, values=np.asarray(annotation.values).repeat(factor, 0).repeat(factor, 1))
        case NormalMap():
            return NormalMap(np.asarray(annotation.xyz).repeat(factor, 1).repeat(factor, 2))
        case Boxes():
            return replace(annotation, xyxy=np.asarray(annotation.xyxy) * factor)
        case Polylines():
            return replace(annotation, points=np.asarray(annotation.points) * factor)
        case Keypoints():
            return replace(annotation, xy=np.asarray(annotation.xy) * factor)
    return annotation


def _pixels(xy: np.ndarray) -> np.ndarray:
    """Continuous coordinates as OpenCV's fixed-point ones, which count from the center of the first pixel."""
    return np.round((np.asarray(xy, dtype=np.float64) - 0.5) * 2**SUBPIXEL_BITS).astype(np.int32)


# --- instances ----------------------------------------------------------------------------------------------------


def _boxes(image: np.ndarray, label: Boxes, classes: Sequence[str], colors: Sequence[Color] | None) -> np.ndarray:
    """Outlines with name and score, small boxes on top of large ones; ignored regions are hatched in gray."""
    xyxy, ids = np.asarray(label.xyxy).reshape(-1, 4), np.asarray(label.label)
    ignore = np.zeros(len(ids), dtype=bool) if label.ignore is None else np.asarray(label.ignore)
    by_class = colors_of(colors, classes, int(ids.max(initial=0)))
    order = [i for i in np.argsort(-(xyxy[:, 2:] - xyxy[:, :2]).prod(1)) if ids[i] >= 0 or ignore[i]]
    for i in (i for i in order if ignore[i]):
        _hatch(image, xyxy[i])
    for i in (i for i in order if not ignore[i]):
        corners = _pixels(xyxy[i].reshape(2, 2))
        cv2.rectangle(
            image,
            corners[0].tolist(),
            corners[1].tolist(),
            by_class[ids[i]],
            line_px(image),
            cv2.LINE_AA,
            SUBPIXEL_BITS,
        )
    taken: list[Rectangle] = []
    for i in (i for i in order if not ignore[i]):
        track = "" if label.track is None or label.track[i] < 0 else f" #{int(label.track[i])}"
        score = "" if label.score is None else f" {float(label.score[i]):.2f}"
        text = name_of(classes, int(ids[i])) + track + score
        taken.append(plate(image, text, xyxy[i], by_class[ids[i]], taken))
    return image


def _hatch(image: np.ndarray, box: np.ndarray) -> None:
    left, top, right, bottom = np.clip(np.round(box), 0, [*image.shape[1::-1]] * 2).astype(int)
    y, x = np.mgrid[top:bottom, left:right]
    region = image[top:bottom, left:right]
    region[(x + y) % 8 < 2] = GRAY
    cv2.rectangle(image, (int(left), int(top)), (int(right) - 1, int(bottom) - 1), GRAY, 1)


def _polylines(
    image: np.ndarray, label: Polylines, classes: Sequence[str], colors: Sequence[Color] | None
) -> np.ndarray:
    """A line through the valid points, a dot on each; one color per class, or per line where there are no classes."""
    ids = np.arange(len(label.points)) if label.label is None else np.asarray(label.label)
    by_class = colors_of(colors, classes, int(ids.max(initial=0)))
    for points, valid, index in zip(label.points, label.valid, ids, strict=True):
        if index < 0:
            continue
        path = _pixels(points[np.asarray(valid, dtype=bool)])
        cv2.polylines(image, [path], False, DARK, 3 * line_px(image), cv2.LINE_AA, SUBPIXEL_BITS)
        cv2.polylines(image, [path], False, by_class[index], 2 * line_px(image), cv2.LINE_AA, SUBPIXEL_BITS)
        for point in path.tolist():
            cv2.circle(
                image, point, 2 * line_px(image) << SUBPIXEL_BITS, by_class[index], -1, cv2.LINE_AA, SUBPIXEL_BITS
            )
    return image


def _keypoints(image: np.ndarray, label: Keypoints) -> np.ndarray:
    """Dots colored in the order of the points; hollow = hidden."""
    count = label.xy.shape[1]
    shades = turbo(np.linspace(0, 1, max(count, 2)))[0].tolist()
    radius = (line_px(image) + 1) << SUBPIXEL_BITS
    for xy, visible in zip(label.xy, label.visible, strict=True):
        for point, state, color in zip(_pixels(xy).tolist(), visible, shades, strict=False):
            if state:
                cv2.circle(image, point, radius + (1 << SUBPIXEL_BITS), DARK, -1, cv2.LINE_AA, SUBPIXEL_BITS)
                cv2.circle(image, point, radius, color, -1 if state == 2 else 1, cv2.LINE_AA, SUBPIXEL_BITS)
    return image


# --- the whole image --------------------------------------------------------------------------------------------


def _tag(image: np.ndarray, tag: Tag, classes: Sequence[str]) -> np.ndarray:
    """The class, or the three most probable ones."""
    if tag.probs is not None:
        best = np.argsort(-np.asarray(tag.probs))[:3]
        return headline(image, [f"{name_of(classes, int(i))} {100 * float(tag.probs[i]):.0f} %" for i in best])
    return headline(image, ["unknown" if int(tag.label) == UNKNOWN_ID else name_of(classes, int(tag.label))])
