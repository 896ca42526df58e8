"""Images of maps: classes, numbers and directions per pixel. Part of `draw`."""

import math
from collections.abc import Sequence

import cv2
import numpy as np

from hydranet.annotations import UNKNOWN_ID, ClassMap, NormalMap, ScalarMap
from hydranet.visualization.primitives import (
    Color,
    blend,
    colors_of,
    headline,
    legend,
    line_px,
    name_of,
    readable,
    shade,
    text_px,
    width_of,
    write,
)

NAMED = 12
"""How many classes the legend names: more would hide the image."""

SPARSE = 0.3
"""Maps of which a smaller share is known are drawn as dots."""


def class_map(image: np.ndarray, label: ClassMap, classes: Sequence[str], colors: Sequence[Color] | None) -> np.ndarray:
    """Translucent colors, outlined; unknown pixels show the image, dimmed. The largest classes are named."""
    ids = np.asarray(label.ids).astype(np.uint8)
    counts = np.bincount(ids.reshape(-1), minlength=256)[:UNKNOWN_ID]
    present = [int(i) for i in np.argsort(-counts, kind="stable") if counts[i]]
    table = np.zeros((256, 3), dtype=np.uint8)
    by_class = colors_of(colors, classes, max(present, default=0))
    for index in present:
        table[index] = by_class[index]
    gray = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    drawn = blend(image // 2, cv2.addWeighted(gray, 0.4, table[ids], 0.6, 0), ids != UNKNOWN_ID, 1.0)
    edges = cv2.morphologyEx(ids, cv2.MORPH_GRADIENT, np.ones((2, 2), dtype=np.uint8)) > 0
    drawn = blend(drawn, table[ids], edges & (ids != UNKNOWN_ID), 0.8)
    legend(drawn, [(name_of(classes, i), by_class[i]) for i in present[:NAMED]])
    return drawn


def _nice(value: float, up: bool) -> float:
    """The next of ... 0.5, 1, 2, 5, 10, 20 ... that is not below (or not above) the value."""
    if not value > 0:
        return 0.0
    steps = [
        m * 10.0**e for e in range(math.floor(math.log10(value)), math.floor(math.log10(value)) + 2) for m in (1, 2, 5)
    ]
    return min(s for s in steps if s >= value * 0.999) if up else max(s for s in steps if s <= value * 1.001)


def scalar_map(image: np.ndarray, label: ScalarMap) -> np.ndarray:
    """The turbo color map with a scale; distances are logarithmic and near is warm.

    The scale ends at round numbers, so that a label and its prediction mostly share one and can be compared.
    """
    values = np.asarray(label.values, dtype=np.float32)
    known = np.isfinite(values)
    dim = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB) // 3
    if not known.any():
        return headline(dim, ["nothing known"])
    is_distance = label.unit == "m"
    low, high = np.percentile(values[known], (1, 99))
    low, high = _nice(low, up=False) if is_distance else min(0.0, low), _nice(high, up=True)
    low, high = (max(low, 1e-2), max(high, 2e-2)) if is_distance else (low, max(high, low + 1e-6))
    if known.mean() < SPARSE:
        values, known = _dots(values, known, line_px(image), near_is_small=is_distance)
    drawn = blend(dim, turbo(_share(values, low, high, is_distance)), known, 1.0)
    _scale(drawn, low, high, is_distance, label.unit)
    return drawn


def _share(values: np.ndarray, low: float, high: float, is_distance: bool) -> np.ndarray:
    """0..1 from cold to warm."""
    values = np.clip(np.nan_to_num(values, nan=low, posinf=high), low, high)
    if is_distance:
        return np.log(high / values) / np.log(high / low)
    return (values - low) / (high - low)


def turbo(share: np.ndarray) -> np.ndarray:
    """The part of turbo between dark blue and dark red in which colors stay bright."""
    shades = np.round(255 * (0.06 + 0.88 * share)).astype(np.uint8)
    return cv2.cvtColor(cv2.applyColorMap(np.atleast_2d(shades), cv2.COLORMAP_TURBO), cv2.COLOR_BGR2RGB)


def _dots(values: np.ndarray, known: np.ndarray, radius: int, near_is_small: bool) -> tuple[np.ndarray, np.ndarray]:
    """Every known pixel grown to a dot; where dots overlap, the nearest one is visible."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    sign = np.float32(1 if near_is_small else -1)
    grown = cv2.erode(np.where(known, sign * values, np.float32(1e9)), disc, borderValue=1e9)
    return sign * grown, grown < 1e9


def _scale(image: np.ndarray, low: float, high: float, is_distance: bool, unit: str) -> None:
    """A color bar at the bottom with round numbers on it; in place. An image too small for one gets none."""
    height, width = text_px(image), image.shape[1]
    if width < 8 * height or image.shape[0] < 4 * height:
        return
    margin, top = height, image.shape[0] - 2 * height
    shade(image, top - height // 2, image.shape[0])
    along = np.linspace(0, 1, width - 2 * margin)
    image[top : top + height + height // 3, margin : width - margin] = turbo(along)[0]
    start = math.floor(math.log10(low if is_distance else (high - low) / 10))
    steps = (
        [m * 10.0**e for e in range(start, start + 5) for m in (1, 2, 5)]
        if is_distance
        else [low + (high - low) * i / 5 for i in range(6)]
    )
    for step in (s for s in steps if low * 0.999 <= s <= high * 1.001):
        text = f"{step:.3g} {unit}".strip()
        share = float(_share(np.array([step]), low, high, is_distance)[0])
        x = margin + share * (width - 2 * margin) - width_of(text, height) / 2
        x = min(max(margin + 4, x), width - margin - width_of(text, height) - 4)
        red, green, blue = (int(c) for c in turbo(np.array([share]))[0, 0])
        write(image, text, x, top + height // 6, height, readable((red, green, blue)))


def normal_map(image: np.ndarray, label: NormalMap) -> np.ndarray:
    """Red = to the right, green = up, blue = towards the camera; the image, dimmed, where nothing is known."""
    xyz = np.asarray(label.xyz, dtype=np.float32)
    known = np.all(np.isfinite(xyz), axis=0)
    signed = np.nan_to_num(xyz) * np.array([1, -1, -1], dtype=np.float32)[:, None, None]
    return blend(
        image // 3, np.round(np.clip(signed + 1, 0, 2) * 127.5).astype(np.uint8).transpose(1, 2, 0), known, 1.0
    )
