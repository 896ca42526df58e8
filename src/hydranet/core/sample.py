"""One image with what is known about it; numpy only, so that the deployed predictor can use it without torch."""

from collections.abc import Sequence
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
    Raises DataError for a matrix that is none of a pinhole camera.
    """

    matrix: np.ndarray
    height_m: float | None = None
    pitch_rad: float | None = None

    def __post_init__(self) -> None:
        matrix = np.asarray(self.matrix)
        if matrix.shape != (3, 3) or not np.isfinite(matrix).all() or min(matrix[0, 0], matrix[1, 1]) <= 0:
            raise DataError(
                f"got a camera matrix {matrix.tolist()}, expected [[fx, 0, cx], [0, fy, cy], [0, 0, 1]] in pixels with "
                "focal lengths above 0; correct the calibration"
            )

    @staticmethod
    def centered(focal_px: float, size: tuple[int, int]) -> "Camera":
        """A camera that looks through the middle of its image, whose (h, w) is `size`."""
        return Camera(np.array([[focal_px, 0, size[1] / 2], [0, focal_px, size[0] / 2], [0, 0, 1]], dtype=np.float64))

    @property
    def focal_px(self) -> float:
        """One focal length for both axes, sqrt(fx fy): the area that an object covers tells it."""
        return float(np.sqrt(self.matrix[0, 0] * self.matrix[1, 1]))


def intrinsics(cameras: Sequence[Camera | None]) -> np.ndarray:
    """float32 n 4: fx, fy, cx, cy of each camera in pixels of its image; NaN where there is none."""
    nothing = np.full(4, np.nan)
    rows = [nothing if one is None else one.matrix[[0, 1, 0, 1], [0, 1, 2, 2]] for one in cameras]
    return np.asarray(rows, dtype=np.float32).reshape(-1, 4)


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
