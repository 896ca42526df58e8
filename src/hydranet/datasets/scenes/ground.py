"""The road surface, by ray casting: what every pixel below the horizon shows, for the image and the labels alike."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hydranet.datasets.scenes.camera import Lens
from hydranet.datasets.scenes.road import Line, Road

STRIPE_M = 1.0
"""Period of a zebra crossing, half of it painted."""

ZEBRA_M = 3.2
"""Length of a zebra crossing along the road."""


@dataclass(frozen=True, eq=False)
class Ground:
    """The ground in the rows below the horizon, from `top` to the last; r rows. Only the row decides the distance.

    z_m: float r, distance ahead of the camera.    scale: float r, meters per pixel across.
    near_m, far_m: float r, distances at the lower and upper edge of each row of pixels.
    """

    lens: Lens
    road: Road
    top: int
    z_m: np.ndarray
    scale: np.ndarray
    near_m: np.ndarray
    far_m: np.ndarray

    @cached_property
    def lateral_m(self) -> np.ndarray:
        """float32 r w: where across the road a pixel lies, 0 = middle of our lane."""
        x = (self.lens.columns - self.lens.center_px[0]).astype(np.float32)
        return self.scale.astype(np.float32)[:, None] * x - self.road.center(self.z_m).astype(np.float32)[:, None]

    @cached_property
    def strip(self) -> np.ndarray:
        """uint8 r w: index into `road.strips`."""
        index = np.zeros(self.lateral_m.shape, dtype=np.uint8)
        for edge in self.road.edges_m:
            index += self.columns() > self.column(edge)[:, None]
        return index

    @cached_property
    def deep_m(self) -> np.ndarray:
        """float32 r w: distance ahead of the camera."""
        return np.repeat(self.z_m.astype(np.float32)[:, None], self.lens.width_px, axis=1)

    @property
    def pixel_m(self) -> np.ndarray:
        """float32 r 1: width of a pixel on the ground."""
        return self.scale.astype(np.float32)[:, None]

    @property
    def span_m(self) -> np.ndarray:
        """float32 r 1: length of a pixel on the ground."""
        return (self.far_m - self.near_m).astype(np.float32)[:, None]

    @cached_property
    def paint(self) -> np.ndarray:
        """float32 r w: the share of each pixel that is painted, lines and crossing together."""
        total = np.zeros(self.lateral_m.shape, dtype=np.float32)
        layers = [self.line(line) for line in self.road.lines]
        if self.road.crossing_m is not None:
            layers.append(zebra(self, self.road.crossing_m))
        for window, share in layers:
            np.maximum(total[window], share, out=total[window])
        return total

    def columns(self) -> np.ndarray:
        """float32 1 w: x of the pixel centers."""
        return self.lens.columns.astype(np.float32)[None]

    def column(self, u_m: float) -> np.ndarray:
        """float32 r: x in pixels of a line along the road at this lateral position."""
        x = u_m + self.road.center(self.z_m)
        return (x / self.scale + self.lens.center_px[0]).astype(np.float32)

    def line(self, line: Line) -> tuple[tuple[slice, slice], np.ndarray]:
        """A window (rows, columns) around a line and the share of each of its pixels that is painted."""
        middle, half = self.column(line.u_m), (line.width_m / 2 / self.scale).astype(np.float32)
        window = self.around(middle, half + 1)
        off = np.abs(self.columns()[:, window[1]] - middle[:, None])
        share = np.clip(half[:, None] + 0.5 - off, 0, np.minimum(1, 2 * half)[:, None])
        return window, share * line.painted(self.near_m, self.far_m).astype(np.float32)[:, None]

    def around(self, middle: np.ndarray, half: np.ndarray) -> tuple[slice, slice]:
        """All rows, and the columns that a curve of this width touches."""
        low = int(np.clip(np.floor((middle - half).min(initial=self.lens.width_px)), 0, self.lens.width_px))
        high = int(np.clip(np.ceil((middle + half).max(initial=0)), 0, self.lens.width_px))
        return np.s_[:, low:high]


def within(ground: Ground, left_m: float, right_m: float, near_m: float, far_m: float) -> np.ndarray:
    """bool r w: the pixels of a rectangle on the road."""
    columns, rows = ground.columns(), (ground.z_m > near_m) & (ground.z_m < far_m)
    return (columns > ground.column(left_m)[:, None]) & (columns < ground.column(right_m)[:, None]) & rows[:, None]


def zebra(ground: Ground, start_m: float) -> tuple[tuple[slice, slice], np.ndarray]:
    """A window (rows, columns) around a crossing and the share of each of its pixels that is painted."""
    left, right = ground.road.verge_m
    inside = np.flatnonzero((ground.far_m > start_m) & (ground.near_m < start_m + ZEBRA_M))
    rows = slice(inside[0], inside[-1] + 1) if len(inside) else slice(0, 0)
    reach = np.minimum(ground.far_m[rows], start_m + ZEBRA_M) - np.maximum(ground.near_m[rows], start_m)
    along = reach.astype(np.float32)[:, None] / ground.span_m[rows]
    u = ground.lateral_m[rows]
    off = np.abs(np.mod(u - left, STRIPE_M) - STRIPE_M / 2)
    stripes = np.clip((STRIPE_M / 4 - off) / ground.pixel_m[rows] + 0.5, 0, 1) * ((u > left) & (u < right))
    return (rows, slice(None)), stripes * along


def ground_of(lens: Lens, road: Road) -> Ground:
    """The ground that this camera sees."""
    inverse = lens.ground()
    top = int(np.searchsorted(inverse, 1e-6))
    c, s = np.cos(lens.pitch_rad), np.sin(lens.pitch_rad)

    def ahead(rows: np.ndarray) -> np.ndarray:
        y = (rows - lens.center_px[1]) / lens.focal_px
        down = c * y + s
        return lens.height_m * (c - s * y) / np.maximum(down, 1e-6)

    rows = lens.rows[top:]
    return Ground(
        lens=lens,
        road=road,
        top=top,
        z_m=ahead(rows),
        scale=1 / (inverse[top:] * lens.focal_px),
        near_m=ahead(rows + 0.5),
        far_m=np.minimum(ahead(rows - 0.5), 1e5),
    )
