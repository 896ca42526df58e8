"""Images of instances: boxes, lines and points. Part of `draw`."""

from collections.abc import Sequence

import cv2
import numpy as np

from hydranet.annotations import Boxes, Instances, Keypoints, Polylines, row_count
from hydranet.visualization.class_colors import colors_of, line_colors
from hydranet.visualization.draw_maps import turbo
from hydranet.visualization.primitives import DARK, Color, Rectangle, line_px, name_of, plate
from hydranet.visualization.style import Style

SUBPIXEL_BITS = 4
GRAY: Color = (150, 150, 150)


def _pixels(xy: np.ndarray) -> np.ndarray:
    """Continuous coordinates as OpenCV's fixed-point ones, which count from the center of the first pixel."""
    return np.round((np.asarray(xy, dtype=np.float64) - 0.5) * 2**SUBPIXEL_BITS).astype(np.int32)


def boxes(image: np.ndarray, label: Boxes, style: Style) -> np.ndarray:
    """Outlines with name, score and distance, small boxes on top of large ones; ignored regions are hatched in gray."""
    xyxy, ids = np.asarray(label.xyxy).reshape(-1, 4), np.asarray(label.label)
    ignore = _ignored(label)
    by_class = line_colors(colors_of(style.colors, style.classes, int(ids.max(initial=0))))
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
        taken.append(plate(image, box_title(label, i, style.classes), xyxy[i], by_class[ids[i]], taken))
    return image


def box_title(label: Boxes, i: int, classes: Sequence[str]) -> str:
    """What the plate of one box says."""
    parts = [name_of(classes, int(label.label[i]))]
    if label.track is not None and label.track[i] >= 0:
        parts.append(f"#{int(label.track[i])}")
    if label.score is not None:
        parts.append(f"{float(label.score[i]):.2f}")
    if label.distance_m is not None and np.isfinite(label.distance_m[i]):
        parts.append(f"{float(label.distance_m[i]):.1f} m")
    if label.value is not None and np.isfinite(label.value[i]):
        parts.append(f"{float(label.value[i]):.4g} {label.value_unit}".rstrip())
    return " ".join(parts)


def _hatch(image: np.ndarray, box: np.ndarray) -> None:
    left, top, right, bottom = np.clip(np.round(box), 0, [*image.shape[1::-1]] * 2).astype(int)
    y, x = np.mgrid[top:bottom, left:right]
    region = image[top:bottom, left:right]
    region[(x + y) % 8 < 2] = GRAY
    cv2.rectangle(image, (int(left), int(top)), (int(right) - 1, int(bottom) - 1), GRAY, 1)


def polylines(image: np.ndarray, label: Polylines, style: Style) -> np.ndarray:
    """A line through the valid points, a dot on each; one color per class, or per line where there are no classes."""
    ids = np.arange(len(label.points)) if label.label is None else np.asarray(label.label)
    by_class = line_colors(colors_of(style.colors, style.classes, int(ids.max(initial=0))))
    ignore = _ignored(label)
    for points, valid, index, ignored in zip(label.points, label.valid, ids, ignore, strict=True):
        if index < 0 and not ignored:
            continue
        color = GRAY if ignored else by_class[index]
        path = _pixels(points[np.asarray(valid, dtype=bool)])
        cv2.polylines(image, [path], False, DARK, 3 * line_px(image), cv2.LINE_AA, SUBPIXEL_BITS)
        cv2.polylines(image, [path], False, color, 2 * line_px(image), cv2.LINE_AA, SUBPIXEL_BITS)
        for point in path.tolist():
            cv2.circle(image, point, 2 * line_px(image) << SUBPIXEL_BITS, color, -1, cv2.LINE_AA, SUBPIXEL_BITS)
    return image


def _ignored(label: Instances) -> np.ndarray:
    """bool n: what is neither object nor background, drawn in gray."""
    return np.zeros(row_count(label), dtype=bool) if label.ignore is None else np.asarray(label.ignore, dtype=bool)


def keypoints(image: np.ndarray, label: Keypoints) -> np.ndarray:
    """Dots colored in the order of the points, gray where the instance is ignored; hollow = hidden."""
    count = label.xy.shape[1]
    shades = turbo(np.linspace(0, 1, max(count, 2)))[0].tolist()
    radius = (line_px(image) + 1) << SUBPIXEL_BITS
    for xy, visible, ignored in zip(label.xy, label.visible, _ignored(label), strict=True):
        colors = [GRAY] * count if ignored else shades
        for point, state, color in zip(_pixels(xy).tolist(), visible, colors, strict=False):
            if state:
                cv2.circle(image, point, radius + (1 << SUBPIXEL_BITS), DARK, -1, cv2.LINE_AA, SUBPIXEL_BITS)
                cv2.circle(image, point, radius, color, -1 if state == 2 else 1, cv2.LINE_AA, SUBPIXEL_BITS)
    return image
