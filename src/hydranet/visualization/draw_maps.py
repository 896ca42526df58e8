"""Images of maps: classes, numbers and directions per pixel. Part of `draw`."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from hydranet.annotations import UNKNOWN_ID, ClassMap, NormalMap, ScalarMap
from hydranet.visualization.class_colors import colors_of, is_background
from hydranet.visualization.primitives import blend, headline, line_px
from hydranet.visualization.style import Style

SPAN = 40.0
"""The coldest color is at most this many times as far as the warmest: of 0..80 m, all below 2 m is equally warm."""

SPARSE = 0.3
"""Maps of which a smaller share is known are drawn as dots."""


def class_map(image: np.ndarray, label: ClassMap, style: Style) -> np.ndarray:
    """Translucent colors, outlined; unknown pixels show the image, dimmed, and background pixels as it is."""
    ids = np.asarray(label.ids).astype(np.uint8)
    present = [int(i) for i in np.flatnonzero(np.bincount(ids.reshape(-1))) if i != UNKNOWN_ID]
    table = np.zeros((1, 256, 3), dtype=np.uint8)
    by_class = colors_of(style.colors, style.classes, max(present, default=0))
    for index in present:
        table[0, index] = by_class[index]
    colored = np.ones(256, dtype=bool)
    colored[[UNKNOWN_ID, *(i for i in present if is_background(style.classes, i))]] = False
    gray = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    unknown = ids == UNKNOWN_ID
    under = blend(image, image // 2, unknown, 1.0) if unknown.any() else image
    colors, shown = cv2.LUT(cv2.merge([ids, ids, ids]), table), colored[ids]
    drawn = blend(under, cv2.addWeighted(gray, 0.4, colors, 0.6, 0), shown, 1.0)
    edges = cv2.morphologyEx(ids, cv2.MORPH_GRADIENT, np.ones((2, 2), dtype=np.uint8)) > 0
    return blend(drawn, colors, edges & shown, 0.8)


def _nice(value: float) -> float:
    """The next of ... 0.5, 1, 2, 5, 10, 20 ... that is not below the value; 0 for none above 0."""
    if not value > 0:
        return 0.0
    exponent = math.floor(math.log10(value))
    return min(s for e in (exponent, exponent + 1) for m in (1, 2, 5) if (s := m * 10.0**e) >= value * 0.999)


def scalar_map(image: np.ndarray, label: ScalarMap, style: Style) -> np.ndarray:
    """The turbo color map; distances are logarithmic and near is warm. Unknown pixels show the image, dark and gray."""
    values = np.asarray(label.values, dtype=np.float32)
    known = np.isfinite(values)
    dim = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB) // 3
    if not known.any():
        return headline(dim, ["nothing known"])
    scale = scale_of(label, style.range_m)
    if known.mean() < SPARSE:
        values, known = _dots(values, known, line_px(image), near_is_small=scale.is_distance)
    return blend(dim, turbo(scale.share(values)), known, 1.0)


@dataclass(frozen=True)
class Scale:
    """Which color a number has: `low` to `high` in `unit`; of distances the logarithm, with `low` in the warm color."""

    low: float
    high: float
    unit: str

    @property
    def is_distance(self) -> bool:
        """Whether the numbers are distances."""
        return self.unit == "m"

    def share(self, values: np.ndarray) -> np.ndarray:
        """0..1 from cold to warm."""
        values = np.clip(np.nan_to_num(values, nan=self.low, posinf=self.high), self.low, self.high)
        if self.is_distance:
            return np.log(self.high / values) / np.log(self.high / self.low)
        return (values - self.low) / (self.high - self.low)


def scale_of(label: ScalarMap, range_m: tuple[float, float]) -> Scale:
    """The colors of a map: of meters by `range_m` alone, so that frames, predictions and labels can be compared.

    Other numbers have no usual range: their scale ends at round numbers around what the map holds.
    """
    if label.unit == "m":
        low, high = range_m
        return Scale(max(low, high / SPAN), high, label.unit)
    values = np.asarray(label.values, dtype=np.float32)
    known = values[np.isfinite(values)]
    low, high = np.percentile(known, (1, 99)) if known.size else (0.0, 1.0)
    low = min(0.0, float(low))
    return Scale(low, max(_nice(float(high)), low + 1e-6), label.unit)


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


def normal_map(image: np.ndarray, label: NormalMap) -> np.ndarray:
    """Red = to the right, green = up, blue = towards the camera; the image, dimmed, where nothing is known."""
    xyz = np.asarray(label.xyz, dtype=np.float32)
    known = np.all(np.isfinite(xyz), axis=0)
    signed = np.nan_to_num(xyz) * np.array([1, -1, -1], dtype=np.float32)[:, None, None]
    return blend(
        image // 3, np.round(np.clip(signed + 1, 0, 2) * 127.5).astype(np.uint8).transpose(1, 2, 0), known, 1.0
    )
