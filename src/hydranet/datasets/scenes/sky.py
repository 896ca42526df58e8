"""The sky: a gradient, and clouds on a layer above the world."""

import cv2
import numpy as np

from hydranet.datasets.scenes.camera import Lens
from hydranet.datasets.scenes.texture import TILE, noise
from hydranet.datasets.scenes.weather import Weather


def sky(lens: Lens, weather: Weather, rows: int) -> np.ndarray:
    """float32 3 r w: the uppermost rows of an image, without the objects on the ground."""
    x, y = (axis.astype(np.float32) for axis in lens.rays())
    up = np.maximum(-(y[:rows] * np.cos(lens.pitch_rad) + np.sin(lens.pitch_rad)), 0.004)[:, None].astype(np.float32)
    share = 1 - np.exp(-up / 0.16)
    away = 30 / (up + 0.06)  # distance on the layer of clouds; the constant keeps it finite at the horizon
    shift = weather.seed % TILE
    columns, lines = x * away + shift, np.repeat(away, lens.width_px, axis=1) + shift
    lumps = cv2.remap(noise(8, 128, 5), columns, lines, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    cover = 0.85 * np.clip((lumps - 1.2 + 2.4 * weather.clouds) * 0.8, 0, 1) * np.clip(up / 0.1, 0, 1)
    light = weather.horizon * 1.1 if weather.night else np.minimum(1.25 * weather.ambient + weather.sunlight, 0.98)
    shaded = 1 - 0.1 * np.clip(lumps, -1, 2)
    clear = [(1 - share) * low + share * high for low, high in zip(weather.horizon, weather.zenith, strict=True)]
    return np.stack([blue + cover * (white * shaded - blue) for blue, white in zip(clear, light, strict=True)])
