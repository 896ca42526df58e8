"""One image with what is known about it; numpy only, so that the deployed predictor can use it without torch."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from hydranet.annotations import Annotation
from hydranet.core.errors import UserError


class DataError(UserError, ValueError):
    """Bad data, described in one sentence: which file, what it holds, what was expected, what to do."""


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera.

    matrix:   float64 3 3, intrinsics in pixels of the image it comes with (continuous convention: the principal
              point is measured from the image's corner, not from the center of its first pixel).
    height_m: height of the optical center above the road, or None.    pitch_rad: downward tilt, or None.
    """

    matrix: np.ndarray
    height_m: float | None = None
    pitch_rad: float | None = None

    def warped(self, affine: np.ndarray) -> "Camera":
        """The camera of the image after the pixel map `affine` (float 3 3); meaningful without rotation or flip."""
        return replace(self, matrix=affine @ self.matrix)


@dataclass(frozen=True, eq=False)
class Sample:
    """One image and the annotations it has.

    image:  uint8 h w 3, RGB.
    labels: by name of the label; a missing key means "not annotated".
    camera: intrinsics, where the data set has them.
    source: name of the source it was drawn from.    key: what identifies it there (a file's path); used in messages.
    """

    image: np.ndarray
    labels: dict[str, Annotation] = field(default_factory=dict)
    camera: Camera | None = None
    source: str = ""
    key: str = ""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.image.shape[0], self.image.shape[1]

    def but(self, **changes: Any) -> "Sample":
        """A copy with some fields replaced."""
        return replace(self, **changes)
