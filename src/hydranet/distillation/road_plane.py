"""Depth without a network: meters of a flat road, from the camera's height and focal length."""

import numpy as np

from hydranet.annotations import ScalarMap
from hydranet.core.checks.ranges import check_range
from hydranet.core.sample import Camera, DataError

FARTHEST_M = 60.0


def plane_depth(road: np.ndarray, camera: Camera, farthest_m: float = FARTHEST_M) -> ScalarMap:
    """Depth (along the optical axis, in meters) of road pixels of a flat road; NaN elsewhere.

    z = h / (y cos(pitch) + sin(pitch)) with y = (v - cy) / fy: the road lies h below a camera that is tilted down by
    the pitch (Hartley & Zisserman, section 8.1). A row of pixels is measured in its middle.
    road:   bool h w: which pixels are road; an error there is an error of the label.
    camera: of this image, with `height_m`; a pitch that is not stated is 0.
    farthest_m: beyond, a pixel more or less is meters: unknown.
    Raises DataError for a camera without a height, SpecError for a distance that means nothing.
    """
    check_range("farthest_m", farthest_m, 0, 1e6, above=True)
    if camera.height_m is None or not 0 < camera.height_m < np.inf:
        raise DataError(
            f"got a camera {camera.height_m} m above the road, expected a number of meters above 0, such as 1.65; "
            "say height_m=..."
        )
    road = np.asarray(road, bool)
    pitch = camera.pitch_rad or 0.0
    y = (np.arange(road.shape[0]) + 0.5 - camera.matrix[1, 2]) / camera.matrix[1, 1]
    down = y * np.cos(pitch) + np.sin(pitch)
    with np.errstate(divide="ignore"):
        row = np.where(down > 0, camera.height_m / np.where(down > 0, down, 1), np.inf)
    row[row > farthest_m] = np.nan
    return ScalarMap(np.where(road, row[:, None], np.nan).astype(np.float32), unit="m")
