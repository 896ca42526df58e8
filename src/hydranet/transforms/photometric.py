"""Changes of light and lens that leave every label as it is.

Brightness, contrast and saturation are torchvision's, to the last bit (a test holds them against it), without torch:
a robot's install has none, and a worker that loads data need not import it.
"""

from dataclasses import dataclass

import cv2
import numpy as np

GRAY = tuple(float(np.float32(weight)) for weight in (0.2989, 0.587, 0.114))
"""Shares of red, green and blue in brightness (ITU-R BT.601), as float32 has them."""


@dataclass(frozen=True)
class Light:
    """What happens to one image: factors for the colors, and either noise or blur.

    brightness, contrast, saturation: factors, 1 = unchanged.    hue: turn of the color circle, -0.5..0.5.
    noise: standard deviation of grain in brightness, as a share of white.    blur_px: sigma of a Gaussian.
    """

    brightness: float = 1.0
    contrast: float = 1.0
    saturation: float = 1.0
    hue: float = 0.0
    noise: float = 0.0
    blur_px: float = 0.0


def relight(image: np.ndarray, light: Light, rng: np.random.Generator) -> np.ndarray:
    """The image (uint8 h w 3, RGB) in another light; a new array. `rng` is used for the grains of noise only."""
    values = np.arange(256, dtype=np.float32)
    relit: np.ndarray = cv2.LUT(np.ascontiguousarray(image), _whole(values * np.float32(light.brightness)))
    if light.contrast != 1:
        mean = gray(relit).mean(dtype=np.float64)
        relit = cv2.LUT(relit, _whole(_mix(values, mean, light.contrast)))
    if light.saturation != 1:
        relit = _whole(_mix(relit, gray(relit)[..., None], light.saturation))
    if light.hue:
        relit = turn_hue(relit, light.hue)
    if light.noise:
        grain = rng.standard_normal(relit.shape[:2], dtype=np.float32) * np.float32(255 * light.noise)
        relit = cv2.add(relit, cv2.merge([grain, grain, grain]), dtype=cv2.CV_8U)
    if light.blur_px:
        relit = cv2.GaussianBlur(relit, (0, 0), light.blur_px)
    return relit


def gray(image: np.ndarray) -> np.ndarray:
    """float32 h w, whole numbers 0..255: the brightness of an RGB image (uint8 h w 3)."""
    red = (image[..., 0] * np.float32(GRAY[0])).astype(np.float64)
    green = (red + GRAY[1] * image[..., 1]).astype(np.float32).astype(np.float64)
    return np.floor((green + GRAY[2] * image[..., 2]).astype(np.float32))


def turn_hue(image: np.ndarray, turn: float) -> np.ndarray:
    """An RGB image (uint8 h w 3) with every hue turned by `turn` of the color circle, -0.5..0.5."""
    hsv = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0] + 360 * turn) % 360
    return _whole(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB) * 255 + 0.5)


def _mix(image: np.ndarray, other: np.ndarray | float, share: float) -> np.ndarray:
    """float32: share * image + (1 - share) * other, rounded once after the product as a processor's FMA does."""
    first = (image * np.float32(share)).astype(np.float64)
    return (first + float(np.float32(1 - share)) * np.asarray(other, np.float32).astype(np.float64)).astype(np.float32)


def _whole(values: np.ndarray) -> np.ndarray:
    """uint8, cut off to whole numbers as torch converts them."""
    return np.clip(values, 0, 255).astype(np.uint8)
