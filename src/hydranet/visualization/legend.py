"""What the colors of a drawing mean, as a strip to be put below it."""

import math
from collections.abc import Sequence
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
from hydranet.visualization.class_colors import colors_of, is_background, line_colors
from hydranet.visualization.draw_maps import scale_of, turbo
from hydranet.visualization.primitives import DARK, Color, readable, text_px, width_of, write
from hydranet.visualization.style import Style

LINES = 6
"""Lines of names at most: more would be larger than the image."""

AXES: tuple[tuple[str, Color], ...] = (
    ("right", (255, 128, 128)),
    ("up", (128, 255, 128)),
    ("towards the camera", (128, 128, 255)),
)


@singledispatch
def legend(annotation: Annotation, shape: Sequence[int], style: Style) -> np.ndarray:
    """uint8 k w 3: the legend below a drawing of `shape` (h, w, ...); k = 0 where the drawing says all itself.

    k depends on the kind, the width and the names of classes alone.
    """
    raise UnknownKind("legend", type(annotation), "visualization/legend.py")


@legend.register
def _(annotation: ClassMap, shape: Sequence[int], style: Style) -> np.ndarray:
    return _names(_named(style), shape)


@legend.register
def _(annotation: Polylines, shape: Sequence[int], style: Style) -> np.ndarray:
    names, colors = zip(*named, strict=True) if (named := _named(style)) else ((), ())
    return _names(list(zip(names, line_colors(colors), strict=True)), shape)


@legend.register
def _(annotation: NormalMap, shape: Sequence[int], style: Style) -> np.ndarray:
    return _names(AXES, shape)


@legend.register
def _(annotation: ScalarMap, shape: Sequence[int], style: Style) -> np.ndarray:
    """A color bar with round numbers on it."""
    scale, height, width = scale_of(annotation, style.range_m), text_px(np.empty(shape[:2])), shape[1]
    strip = _strip(height + height // 3, width)
    if width < 8 * height:
        return strip[:0]
    strip[2:-2] = turbo(np.linspace(1, 0, width) if scale.is_distance else np.linspace(0, 1, width))[0]
    right = 0.0
    for step in _steps(scale.low, scale.high, scale.is_distance):
        share = float(scale.share(np.array([step]))[0])
        text = f"{step:.3g} {scale.unit}".strip()
        x = (1 - share if scale.is_distance else share) * width - width_of(text, height) / 2
        x = min(max(4.0, x), width - width_of(text, height) - 4.0)
        if x < right:
            continue
        right = x + width_of(text, height) + height
        red, green, blue = (int(c) for c in turbo(np.array([share]))[0, 0])
        write(strip, text, x, height // 6, height, readable((red, green, blue)))
    return strip


@legend.register
def _(annotation: Boxes | Keypoints | Tag | Quantity, shape: Sequence[int], style: Style) -> np.ndarray:
    return _strip(0, shape[1])


def _named(style: Style) -> list[tuple[str, Color]]:
    """Every class that has a color on the drawing."""
    colors = list(colors_of(style.colors, style.classes, len(style.classes) - 1))
    return [(name, colors[i]) for i, name in enumerate(style.classes) if not is_background(style.classes, i)]


def _strip(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), DARK, dtype=np.uint8)


def _steps(low: float, high: float, is_distance: bool) -> list[float]:
    if not is_distance:
        return [low + (high - low) * i / 5 for i in range(6)]
    first = math.floor(math.log10(low))
    steps = [m * 10.0**e for e in range(first, first + 5) for m in (1, 2, 5)]
    return [step for step in steps if low * 0.999 <= step < high * 0.8] + [high]


def _names(entries: Sequence[tuple[str, Color]], shape: Sequence[int]) -> np.ndarray:
    """Names beside patches of their colors, on as many lines as it takes, up to `LINES`."""
    height, width = text_px(np.empty(shape[:2])), shape[1]
    lines: list[list[tuple[str, Color, int]]] = [[]]
    x = height // 2
    for name, color in entries:
        taken = 2 * height + width_of(name, height)
        if lines[-1] and x + taken > width:
            lines.append([])
            x = height // 2
        lines[-1].append((name, color, x))
        x += taken
    if not lines[0]:
        return _strip(0, width)
    left_out = sum(len(line) for line in lines[LINES:])
    if left_out:
        lines = [*lines[: LINES - 1], [(f"... and {left_out + len(lines[LINES - 1])} more", DARK, 0)]]
    pitch = height + height // 3
    strip = _strip(pitch * len(lines) + height // 3, width)
    for row, line in enumerate(lines):
        y = height // 3 + row * pitch
        for name, color, x in line:
            strip[y : y + height, x : x + height] = color
            write(strip, name, x + 1.3 * height, y, height)
    return strip
