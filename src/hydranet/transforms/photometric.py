"""Changes of light and lens that leave every label as it is; torchvision does the colours."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torchvision.transforms.v2 import functional as colours


@dataclass(frozen=True)
class Light:
    """What happens to one picture: factors for the colours, and either noise or blur.

    brightness, contrast, saturation: factors, 1 = unchanged.    hue: turn of the colour circle, -0.5..0.5.
    noise: standard deviation of grain in brightness, as a share of white.    blur_px: sigma of a Gaussian.
    """

    brightness: float = 1.0
    contrast: float = 1.0
    saturation: float = 1.0
    hue: float = 0.0
    noise: float = 0.0
    blur_px: float = 0.0


def relight(image: np.ndarray, light: Light, rng: np.random.Generator) -> np.ndarray:
    """The picture (uint8 h w 3) in another light; a new array. `rng` is used for the grains of noise only."""
    picture = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
    picture = colours.adjust_brightness(picture, light.brightness)
    picture = colours.adjust_contrast(picture, light.contrast)
    picture = colours.adjust_saturation(picture, light.saturation)
    if light.hue:
        picture = colours.adjust_hue(picture, light.hue)
    seen = np.ascontiguousarray(picture.numpy().transpose(1, 2, 0))
    if light.noise:
        grain = rng.standard_normal(seen.shape[:2], dtype=np.float32) * np.float32(255 * light.noise)
        seen = cv2.add(seen, cv2.merge([grain, grain, grain]), dtype=cv2.CV_8U)
    if light.blur_px:
        seen = cv2.GaussianBlur(seen, (0, 0), light.blur_px)
    return seen
