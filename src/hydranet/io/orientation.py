"""How cameras say which side is up: they store the sensor's pixels and an EXIF number, 1..8.

1 = as stored, 2 = mirrored left to right, 3 = turned by 180 degrees, 4 = mirrored top to bottom, 5 = transposed, 6 = to
be turned clockwise, 7 = transposed along the other diagonal, 8 = to be turned counterclockwise (EXIF 2.3, tag 274).
"""

from dataclasses import dataclass

import numpy as np

SIDEWAYS = (5, 6, 7, 8)
"""Orientations that swap width and height."""


@dataclass(frozen=True)
class Extent:
    """How large an image is, and how its file stores it.

    size:        height and width in pixels of the upright image.
    orientation: EXIF's number of the file; 1 = stored upright.
    """

    size: tuple[int, int]
    orientation: int = 1

    @property
    def stored(self) -> tuple[int, int]:
        """Height and width of the stored pixels."""
        return self.size[::-1] if self.orientation in SIDEWAYS else self.size


def turn(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Stored pixels (h w ...) turned upright; contiguous."""
    if orientation == 1:
        return pixels
    axes = (1, 0, *range(2, pixels.ndim))
    turned = pixels.transpose(axes) if orientation in SIDEWAYS else pixels
    if orientation in (2, 3, 6, 7):
        turned = turned[:, ::-1]
    if orientation in (3, 4, 7, 8):
        turned = turned[::-1]
    return np.ascontiguousarray(turned)


Corners = tuple[float, float, float, float]


def turn_box(xyxy: Corners, extent: Extent) -> Corners:
    """A box (left top right bottom, pixels) of the stored image in pixels of the upright one."""
    left, top, right, bottom = xyxy
    if extent.orientation in SIDEWAYS:
        left, top, right, bottom = top, left, bottom, right
    height, width = extent.size
    if extent.orientation in (2, 3, 6, 7):
        left, right = width - right, width - left
    if extent.orientation in (3, 4, 7, 8):
        top, bottom = height - bottom, height - top
    return left, top, right, bottom
