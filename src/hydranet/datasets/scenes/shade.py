"""From visible faces to an image: colors, light, weather, camera. No label depends on anything in this file.

While it is made, an image is float32 3 h w in 0..1: with the channels first, a map acts on all of them at full speed.
"""

import cv2
import numpy as np

from hydranet.datasets.scenes import objects, sky, surface
from hydranet.datasets.scenes.texture import TILE, noise
from hydranet.datasets.scenes.view import View
from hydranet.datasets.scenes.weather import Weather


def image(view: View) -> np.ndarray:
    """uint8 h w 3, RGB."""
    ground, weather = view.ground, view.weather
    lens = ground.lens
    canvas = np.empty((3, lens.height_px, lens.width_px), dtype=np.float32)
    canvas[:, : ground.top] = sky.sky(lens, weather, ground.top)
    canvas[:, ground.top :] = surface.road(ground, view.world, weather)
    glow = np.zeros(canvas.shape[1:], dtype=np.float32)
    objects.paint(canvas, glow, view)
    if weather.night:
        canvas *= _lamps(view) + glow
    _fog(canvas, view.raster.inverse_depth, weather, glow)
    _soften(canvas, view.raster.face)
    if weather.night:
        _halo(canvas, glow)
    return _exposed(canvas, weather)


def _lamps(view: View) -> np.ndarray:
    """float32 h w: how much light our own headlights and the street's lamps add at night."""
    lens = view.ground.lens
    x, y = (axis.astype(np.float32) for axis in lens.rays())
    depth = 1 / np.maximum(view.raster.inverse_depth, 1e-3)
    high = lens.height_m - (y[:, None] + np.float32(lens.pitch_rad)) * depth
    beam = np.square(x * depth / (2.4 + 0.3 * depth)) + np.square(np.maximum(high - 0.5, 0) / (0.9 + 0.07 * depth))
    street = np.float32(2.4 if view.world.kind in ("city", "suburb") else 1.3)
    return street + 8 * np.exp(-beam) / (1 + np.square(depth / 26))


def _fog(canvas: np.ndarray, inverse_depth: np.ndarray, weather: Weather, glow: np.ndarray) -> None:
    """Koschmieder's law: light is lost with distance, and the air's own light takes its place."""
    extinction = np.float32(weather.fog_per_m)
    distance = 1 / np.maximum(inverse_depth, np.float32(1 / 600))
    distance[inverse_depth <= 0] = 60  # the layer of fog is not deep
    kept = np.exp(-extinction * distance)
    if weather.night:
        kept = np.maximum(kept, 0.6 * glow)
    canvas *= kept
    for channel, air in zip(canvas, weather.horizon, strict=True):
        channel += np.float32(air) * (1 - kept)


def _soften(canvas: np.ndarray, face: np.ndarray) -> None:
    """Smooths the steps of polygon edges, where a pixel shows one face only."""
    step = np.zeros(face.shape, dtype=bool)
    across, down = face[:, 1:] != face[:, :-1], face[1:] != face[:-1]
    step[:, 1:] |= across
    step[:, :-1] |= across
    step[1:] |= down
    step[:-1] |= down
    for channel in canvas:
        np.copyto(channel, cv2.GaussianBlur(channel, (3, 3), 0.7), where=step)


def _halo(canvas: np.ndarray, glow: np.ndarray) -> None:
    """Light that spreads around lamps in a camera at night."""
    for channel in canvas:
        small = cv2.resize(channel * glow, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        spread = 0.9 * cv2.GaussianBlur(small, (0, 0), 2) + 0.8 * cv2.GaussianBlur(small, (0, 0), 7)
        channel += cv2.resize(spread, channel.shape[::-1], interpolation=cv2.INTER_LINEAR)


def _exposed(canvas: np.ndarray, weather: Weather) -> np.ndarray:
    """Rain streaks, exposure, vignette, sensor noise; 8 bits, channels last."""
    _, h, w = canvas.shape
    rng = np.random.default_rng(weather.seed)
    if weather.rain:
        canvas += _streaks(h, w, rng)
    y, x = np.linspace(-1, 1, h, dtype=np.float32)[:, None], np.linspace(-1, 1, w, dtype=np.float32)
    canvas *= 1 - 0.10 * (x * x + y * y)
    canvas *= weather.gain.astype(np.float32)[:, None, None]
    rows, columns = (np.arange(n) * 3 + shift for n, shift in zip((h, w), rng.integers(0, TILE, 2), strict=True))
    grain = noise(256, 256, 9)[np.ix_(rows % TILE, columns % TILE)]
    canvas += np.float32(0.018 if weather.night else 0.008) * grain
    np.clip(canvas, 0, 1, out=canvas)
    return cv2.merge([cv2.convertScaleAbs(channel, alpha=255) for channel in canvas])


def _streaks(h: int, w: int, rng: np.random.Generator) -> np.ndarray:
    """float32 h w: falling drops as short bright lines."""
    layer = np.zeros((h, w), dtype=np.uint8)
    for a, b, length, light in rng.uniform(0, 1, (w * h // 900, 4)):
        x, y = int(a * w), int(b * h)
        cv2.line(layer, (x, y), (x + 1, y + int(h / 60 + h / 20 * length)), int(15 + 35 * light), 1, cv2.LINE_AA)
    return layer.astype(np.float32) / 255
