"""A distance for every pixel, in files of any folder."""

from dataclasses import dataclass

import numpy as np

from hydranet.annotations import ScalarMap
from hydranet.core.checks.ranges import check_range
from hydranet.core.sample import Camera, DataError, Sample
from hydranet.core.spec import SpecError
from hydranet.io.class_map import fitted_map
from hydranet.io.images import read_image
from hydranet.io.number_map import NUMBER_SUFFIXES, read_numbers
from hydranet.io.pairs import PairedFiles

UNITS = {"m": 1.0, "dm": 0.1, "cm": 0.01, "mm": 0.001, "km": 1000.0}
"""Meters of each unit."""

FARTHEST = 1e9
"""A number beyond is no distance: damaged files hold such."""


@dataclass(frozen=True)
class DepthMaps(PairedFiles):
    """Depth maps: PNG of 16 bits, TIFF, PFM, EXR where OpenCV reads it, NumPy arrays.

    root, images, labels, rename, ending: which map belongs to which image, see `io.pairs`.
    unit:     of the stored numbers: "m", "dm", "cm", "mm", "km"; "px" for disparity. Required: nobody can see it.
    scale:    one stored step in `unit`, such as 1/256 for KITTI's PNG (unit "m").
    invalid:  stored numbers that mean "not measured". NaN, infinity and numbers below 0 always do in files of floats.
    focal_px: focal length in pixels of the images, where one camera took them all and a task needs it.
    label:    name of the label.
    """

    labels: str = "depth"
    unit: str = ""
    scale: float = 1.0
    invalid: tuple[float, ...] = (0.0,)
    focal_px: float | None = None
    label: str = "depth"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.unit not in (*UNITS, "px"):
            raise SpecError(
                f"DepthMaps got unit={self.unit!r}, expected one of {', '.join(UNITS)}, or px for disparity; look it "
                "up where the data set is described: PNG of 16 bits often holds mm, or m / 256 (unit='m', scale=1/256)"
            )
        check_range("scale", self.scale, 0, above=True)
        if self.focal_px is not None:
            check_range("focal_px", self.focal_px, 0, above=True)

    def label_suffixes(self) -> tuple[str, ...]:
        return NUMBER_SUFFIXES

    def __getitem__(self, index: int) -> Sample:
        path, file = self.frames[index], self.label_file(index)
        image = read_image(path)
        size = image.rgb.shape[:2]
        label = self.meters(file, fitted_map(file, read_numbers(file), image.extent))
        camera = None if self.focal_px is None else Camera.centered(self.focal_px, (size[0], size[1]))
        return Sample(image.rgb, {self.label: label}, camera, key=path.relative_to(self.folder).as_posix())

    def meters(self, file: str | object, stored: np.ndarray) -> ScalarMap:
        """Stored numbers (h w) in meters, or pixels of disparity; NaN where nothing was measured. Raises DataError."""
        with np.errstate(over="ignore", invalid="ignore"):
            values = stored.astype(np.float64) * self.scale * UNITS.get(self.unit, 1.0)
            values[values > FARTHEST] = np.nan
            values[np.isin(stored, self.invalid)] = np.nan
        if stored.dtype.kind == "f":
            values[~np.isfinite(stored) | (stored < 0)] = np.nan
        elif np.nanmin(values, initial=0.0) < 0:
            raise DataError(f"{file} holds {stored.min()}, expected no distance below 0; name it in invalid")
        return ScalarMap(values.astype(np.float32), unit="px" if self.unit == "px" else "m")
