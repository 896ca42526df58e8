"""One image with what is known about it; numpy only, so that the deployed predictor can use it without torch."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from hydranet.annotations import Annotation
from hydranet.core.errors import UserError
from hydranet.core.ledger import Ledger


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
    ledger: what was left out when it was read, such as rows of its label file.

    Raises DataError for an image of another type or shape.
    """

    image: np.ndarray
    labels: dict[str, Annotation] = field(default_factory=dict)
    camera: Camera | None = None
    source: str = ""
    key: str = ""
    ledger: Ledger = field(default_factory=Ledger)

    def __post_init__(self) -> None:
        check_image(self.image)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.image.shape[0], self.image.shape[1]

    def but(self, **changes: Any) -> "Sample":
        """A copy with some fields replaced."""
        return replace(self, **changes)


def check_image(image: np.ndarray) -> None:
    """Raises DataError, with the cure, for what is not uint8 h w 3."""
    if not isinstance(image, np.ndarray):
        raise DataError(
            f"got an image of type {type(image).__name__}, expected a numpy array, uint8 h w 3 in RGB order"
        )
    if image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3 and image.size:
        return
    shape = " ".join(map(str, image.shape))
    if image.dtype.kind == "f":
        cure = "networks divide by 255 themselves: give (255 * image).round().astype(np.uint8) for values of 0..1"
    elif image.dtype != np.uint8:
        cure = "bring its range to 0..255 and convert with .astype(np.uint8)"
    elif image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 1):
        cure = "a gray image needs its channel three times: np.repeat(image.reshape(*image.shape[:2], 1), 3, axis=2)"
    elif image.ndim == 3 and image.shape[2] == 4:
        cure = "leave the transparency out: image[..., :3]"
    elif image.ndim == 3 and image.shape[0] == 3:
        cure = "put the channels last: image.transpose(1, 2, 0)"
    else:
        cure = "give one image with rows, columns and three channels"
    raise DataError(f"got an image of {image.dtype} {shape}, expected uint8 h w 3 in RGB order; {cure}")
