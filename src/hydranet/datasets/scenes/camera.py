"""The camera that looks at the scene: projection, and the depth of planes at every pixel."""

from dataclasses import dataclass

import numpy as np

from hydranet.core.sample import Camera


@dataclass(frozen=True)
class Lens:
    """A pinhole camera above the origin, tilted down by `pitch_rad`, in pixels of a height_px x width_px image.

    Depth is the distance along the camera's forward axis. Inverse depth of any plane is linear in pixel coordinates,
    1 / depth = a * u + b * v + c, which is what makes the depth labels exact.
    """

    height_px: int
    width_px: int
    focal_px: float
    height_m: float
    pitch_rad: float

    @property
    def center_px(self) -> tuple[float, float]:
        """The principal point (x, y): the middle of the image."""
        return self.width_px / 2, self.height_px / 2

    @property
    def columns(self) -> np.ndarray:
        """float64 w: x of the pixel centers."""
        return np.arange(self.width_px) + 0.5

    @property
    def rows(self) -> np.ndarray:
        """float64 h: y of the pixel centers."""
        return np.arange(self.height_px) + 0.5

    @property
    def down(self) -> np.ndarray:
        """float64 3: the direction of gravity in camera axes."""
        return np.array([0.0, np.cos(self.pitch_rad), np.sin(self.pitch_rad)])

    def label(self) -> Camera:
        """This camera as samples describe it."""
        x, y = self.center_px
        matrix = np.array([[self.focal_px, 0, x], [0, self.focal_px, y], [0, 0, 1]])
        return Camera(matrix, height_m=self.height_m, pitch_rad=self.pitch_rad)

    def to_camera(self, points: np.ndarray) -> np.ndarray:
        """World points (x right, y up, z forward from the ground below) to camera axes; float ... 3."""
        c, s = np.cos(self.pitch_rad), np.sin(self.pitch_rad)
        below = self.height_m - points[..., 1]
        return np.stack([points[..., 0], c * below - s * points[..., 2], s * below + c * points[..., 2]], axis=-1)

    def turned(self, direction: np.ndarray) -> np.ndarray:
        """World directions to camera axes; float ... 3."""
        c, s = np.cos(self.pitch_rad), np.sin(self.pitch_rad)
        y, z = -direction[..., 1], direction[..., 2]
        return np.stack([direction[..., 0], c * y - s * z, s * y + c * z], axis=-1)

    def project(self, points: np.ndarray) -> np.ndarray:
        """Points in camera axes to pixels; float ... 2."""
        return self.focal_px * points[..., :2] / points[..., 2:] + self.center_px

    def rays(self) -> tuple[np.ndarray, np.ndarray]:
        """x by column and y by row of the points at depth 1."""
        x, y = self.center_px
        return (self.columns - x) / self.focal_px, (self.rows - y) / self.focal_px

    def ground(self) -> np.ndarray:
        """float64 h: 1 / depth of the ground by row; negative above the horizon."""
        _, y = self.rays()
        return (np.cos(self.pitch_rad) * y + np.sin(self.pitch_rad)) / self.height_m
