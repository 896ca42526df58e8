"""Which random views and lights a network trains on, and the one view it is evaluated on."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from hydranet.core.sample import Sample
from hydranet.core.spec import Component
from hydranet.transforms.mosaic import mosaic, partners
from hydranet.transforms.photometric import Light, relight
from hydranet.transforms.view import Size
from hydranet.transforms.warp import View, can_flip, letterbox, random_view, warp

SPOILED = 1 / 3
"""Share of images that get noise, and the same share gets blur; a camera rarely has both."""


@dataclass(frozen=True)
class Augment(Component):
    """Random geometry (all of it is one resampling) and random light. `Augment.none()` takes random crops only.

    flip:       probability of exchanging left and right; a sample whose class has no mirror image is never flipped.
    scale:      range of the zoom, drawn log-uniformly. At 1 the image just covers the network's input, so that there
                is no padding; above 1 it is cropped further, below 1 it is padded. Depth in meters is divided by it.
    rotate_rad: largest rotation to either side.
    crop:       "random", or "center" for the middle of the image.
    brightness, contrast, saturation: largest relative change; 0.3 draws a factor from 0.7..1.3.
    hue:        largest turn of the color circle, up to 0.5. Costs more than everything else together.
    noise:      largest standard deviation, as a share of white.    blur: largest sigma in pixels.
    mosaic:     probability of four images of the source on one canvas, only where all their labels survive it
                (`transforms.mosaic`). Reads four images for one.
    """

    flip: float = 0.5
    scale: tuple[float, float] = (0.75, 1.5)
    rotate_rad: float = 0.0
    crop: Literal["random", "center"] = "random"
    brightness: float = 0.3
    contrast: float = 0.3
    saturation: float = 0.3
    hue: float = 0.0
    noise: float = 0.02
    blur: float = 1.0
    mosaic: float = 0.0

    def __post_init__(self) -> None:
        if len(self.scale) != 2 or not 0 < self.scale[0] <= self.scale[1] or not math.isfinite(self.scale[1]):
            raise ValueError(
                f"got scale={self.scale}, expected (smallest, largest) factors above 0, such as (0.75, 1.5)"
            )
        if self.crop not in ("random", "center"):
            raise ValueError(f"got crop={self.crop!r}, expected 'random' or 'center'")
        limits = {"flip": 1, "rotate_rad": math.pi, "brightness": 1, "contrast": 1, "saturation": 1, "mosaic": 1}
        for name, limit in (limits | {"hue": 0.5, "noise": 1, "blur": math.inf}).items():
            value = vars(self)[name]
            if not 0 <= value <= limit:
                raise ValueError(f"got {name}={value}, expected 0 (never) to {limit:g}; see the docstring of Augment")

    @staticmethod
    def none() -> "Augment":
        """No change of size or light and no flip, only a random crop where the aspect ratio leaves room for one."""
        return Augment(0.0, (1.0, 1.0), brightness=0.0, contrast=0.0, saturation=0.0, noise=0.0, blur=0.0)

    def __call__(
        self,
        sample: Sample,
        size: Size,
        rng: np.random.Generator,
        draw: Callable[[np.random.Generator], Sample] | None = None,
    ) -> Sample:
        """The sample seen through a random view of `size` (h, w) in random light; the same `rng`, the same sample.

        draw: gives another sample of the source, for mosaics; it draws from the same `rng`.
        """
        others: list[Sample] = []
        if self.mosaic and draw is not None and rng.random() < self.mosaic:
            others = partners(sample, lambda: draw(rng))
        if others:
            augmented = mosaic([sample, *others], size, rng, self.scale, self.rotate_rad, self.flip)
        else:
            mirror = rng.random() < self.flip and can_flip(sample)
            view = random_view(sample.size, size, rng, self.scale, self.rotate_rad, self.crop == "center", mirror)
            augmented = warp(sample, view)
        return augmented.but(image=relight(augmented.image, self._light(rng), rng))

    def _light(self, rng: np.random.Generator) -> Light:
        brightness, contrast, saturation = (
            1 + rng.uniform(-change, change) for change in (self.brightness, self.contrast, self.saturation)
        )
        hue, fate, amount = rng.uniform(-self.hue, self.hue), rng.random(), rng.random()
        noise = self.noise * amount if fate < SPOILED else 0.0
        blur_px = self.blur * amount if fate > 1 - SPOILED else 0.0
        return Light(brightness, contrast, saturation, hue, noise, blur_px)


def fit(sample: Sample, size: Size) -> tuple[Sample, View]:
    """The whole sample letterboxed into `size` (h, w), and the view, with which `unwarp` brings predictions back."""
    view = letterbox(sample.size, size)
    return warp(sample, view), view
