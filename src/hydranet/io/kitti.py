"""The files of the KITTI benchmarks: calibration, object labels, velodyne scans, depth images.

KITTI counts pixels from the center of the first one: its pixel (0, 0) is our (0.5, 0.5). Label boxes end at width - 1
where an object leaves the image, and a projected scan equals the published depth images to the bit when it is
rounded, not floored. So half a pixel is added to boxes and principal points, and a box at the border ends half a
pixel before it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from hydranet.annotations import NO_BOX, Boxes, ScalarMap
from hydranet.core.ledger import Ledger
from hydranet.core.sample import Camera, DataError
from hydranet.io.box_rows import BoxRow, OnError, boxes_of, numbers, quoted, read_rows, visible
from hydranet.io.class_map import check_size
from hydranet.io.files import read_lines
from hydranet.io.images import read_map
from hydranet.io.shares import refuse_shares, stated_sides

T = TypeVar("T")

KITTI_CLASSES = ("Car", "Van", "Truck", "Pedestrian", "Person_sitting", "Cyclist", "Tram", "Misc")
ALIASES = {"Person": "Person_sitting"}
"""Tracking labels write Person for what object labels call Person_sitting."""
DONT_CARE = "DontCare"

OCCLUSION_UNKNOWN = 3
CENTER_PX = 0.5
CAMERA_HEIGHT_M = 1.65
"""Height of all cameras above the road (KITTI's sensor setup page)."""
STEPS_PER_M = 256
FARTHEST = 1e9
"""A calibration holds no number above this."""
LONGEST_FRACTION = 2
"""Tracking labels write truncation as 0..2."""
"""Depth images store meters x 256 in 16 bits, 0 = no point."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """What a frame's calib file says about camera 2.

    p2:      float64 3 4, rectified camera coordinates in meters to pixels.
    to_rect: float64 4 4, velodyne coordinates to rectified camera coordinates: R0_rect · Tr_velo_to_cam.
    """

    p2: np.ndarray
    to_rect: np.ndarray

    @property
    def camera(self) -> Camera:
        """Camera 2 as ours: the principal point measured from the image's corner."""
        matrix = self.p2[:, :3].copy()
        matrix[:2, 2] += CENTER_PX
        return Camera(matrix, height_m=CAMERA_HEIGHT_M)


def read_calibration(path: Path) -> Calibration:
    """Reads object and tracking files (Tr_velo_to_cam, R0_rect; Tr_velo_cam, R_rect). Raises DataError."""
    rows: dict[str, list[float]] = {}
    for i, line in read_lines(path):
        name, *words = line.replace(":", " ").split() or [""]
        rows[name] = numbers(words, f"{path}:{i}")
    rotation, to_camera = np.eye(4), np.eye(4)
    rotation[:3, :3] = _matrix(rows, ("R0_rect", "R_rect"), (3, 3), path)
    to_camera[:3] = _matrix(rows, ("Tr_velo_to_cam", "Tr_velo_cam"), (3, 4), path)
    p2 = _matrix(rows, ("P2",), (3, 4), path)
    if not (p2[0, 0] > 0 and p2[1, 1] > 0):
        raise DataError(
            f"{path} has focal lengths {p2[0, 0]:g} and {p2[1, 1]:g} in P2, expected more than 0; restore the file"
        )
    return Calibration(p2, rotation @ to_camera)


def _matrix(rows: dict[str, list[float]], names: Sequence[str], shape: tuple[int, int], path: Path) -> np.ndarray:
    values = next((rows[name] for name in names if name in rows), [])
    if len(values) != shape[0] * shape[1]:
        raise DataError(
            f"{path} has {len(values)} numbers for {names[0]}, expected {shape[0] * shape[1]}; restore the file"
        )
    matrix = np.array(values).reshape(shape)
    if not (np.abs(matrix) < FARTHEST).all():
        raise DataError(f"{path} has a number for {names[0]} that is not finite; restore the file")
    return matrix


@dataclass(frozen=True)
class ObjectRow:
    """One line of a label file, as far as images go: truncation 0..1 and occlusion 0..3 (3 = unknown).

    frame, track: of tracking labels: number of the frame, identity of the object (-1 = none).
    """

    box: BoxRow
    truncation: float
    occlusion: int
    frame: int = 0
    track: int = -1


def parse_object(words: Sequence[str], where: str) -> ObjectRow:
    """The 15 columns of an object label. Raises DataError naming the place."""
    if len(words) < 15:
        raise DataError(f"{where}: {len(words)} columns, expected the 15 of a KITTI label; restore the line")
    name = ALIASES.get(words[0], words[0])
    if name not in (*KITTI_CLASSES, DONT_CARE):
        raise DataError(f"{where}: class {quoted(words[0])}, expected one of {', '.join(KITTI_CLASSES)} or {DONT_CARE}")
    values = numbers(words[1:15], where)
    left, top, right, bottom = (value + CENTER_PX for value in values[3:7])
    if name == DONT_CARE:
        row = BoxRow(where, (left, top, right, bottom), NO_BOX, ignore=True)
        return ObjectRow(row, 0.0, OCCLUSION_UNKNOWN)
    if not (0 <= values[0] <= LONGEST_FRACTION and values[1] in (0, 1, 2, 3)):
        raise DataError(
            f"{where}: truncation {values[0]:g} and occlusion {values[1]:g}, expected 0..{LONGEST_FRACTION} and 0..3; "
            "correct it"
        )
    box = BoxRow(where, (left, top, right, bottom), KITTI_CLASSES.index(name))
    return ObjectRow(box, values[0], int(values[1]))


def read_objects(path: Path, on_error: OnError = "refuse") -> tuple[list[ObjectRow], Ledger]:
    """A label file of the object benchmark, and what was left out; an empty one means that there is no object."""
    return keep_objects(
        read_lines(path), lambda line: parse_object(line[1].split(), f"{path}:{line[0]}"), path.parent, on_error
    )


def keep_objects(
    items: Iterable[T], parse: Callable[[T], ObjectRow], folder: Path, on_error: OnError
) -> tuple[list[ObjectRow], Ledger]:
    """Objects that can be used, and what was left out, as `box_rows.read_rows`. Raises DataError."""
    parsed: dict[str, ObjectRow] = {}

    def box(item: T) -> BoxRow:
        one = parse(item)
        parsed[one.box.where] = one
        return one.box

    rows, ledger = read_rows(items, box, str(folder), on_error)
    refuse_shares(stated_sides(rows, added=(CENTER_PX,) * 4), "a box")
    return [parsed[row.where] for row in rows], ledger


def visible_objects(
    rows: Sequence[ObjectRow], size: tuple[int, int], folder: Path, on_error: OnError
) -> tuple[list[ObjectRow], Ledger]:
    """Objects inside an image of `size` (height, width), and what was left out, as `box_rows.visible`."""
    kept, ledger = visible([row.box for row in rows], size, str(folder), on_error)
    inside = {row.where for row in kept}
    return [row for row in rows if row.box.where in inside], ledger


def object_boxes(rows: Sequence[ObjectRow], size: tuple[int, int]) -> Boxes:
    """Rows as boxes with truncation and occlusion. Raises DataError naming the row."""
    return replace(
        boxes_of([row.box for row in rows], size),
        truncation=np.array([row.truncation for row in rows], dtype=np.float32),
        occlusion=np.array([row.occlusion for row in rows], dtype=np.int64),
    )


def read_depth_image(path: Path, size: tuple[int, int]) -> ScalarMap:
    """Meters along the camera's axis, NaN where no laser point is. Raises DataError."""
    stored = read_map(path)
    if stored.dtype != np.uint16 or stored.ndim != 2:
        raise DataError(f"{path} holds {stored.dtype} {stored.shape}, expected a 16-bit gray image: meters x 256")
    check_size(path, stored, size)
    values = stored.astype(np.float32) / STEPS_PER_M
    values[stored == 0] = np.nan
    return ScalarMap(values, unit="m")


def read_velodyne(path: Path) -> np.ndarray:
    """float32 n 3, meters, velodyne axes (x forward, y left, z up). Raises DataError for a broken file."""
    try:
        data = np.fromfile(path, dtype=np.float32)
    except FileNotFoundError as error:
        raise DataError(f"missing file {path}; restore it or choose depth='velo_png'") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}; check its owner and its disk") from error
    if not data.size or path.stat().st_size % 16:
        raise DataError(f"broken scan {path}: {path.stat().st_size} bytes, expected 16 per point; restore it")
    points = data.reshape(-1, 4)[:, :3]
    return points[(np.abs(points) < FARTHEST).all(1)]  # neither NaN nor infinite, either


def project_velodyne(points: np.ndarray, calibration: Calibration, size: tuple[int, int]) -> ScalarMap:
    """A scan in camera 2: float32 h w, meters along its axis, NaN where no point falls; the nearest point wins."""
    rect = np.concatenate([points, np.ones((len(points), 1))], axis=1) @ calibration.to_rect.T
    u, v, depth_m = (rect @ calibration.p2.T).T
    front = depth_m > 0
    depth_m = depth_m[front]
    column, row = (np.round(axis[front] / depth_m) for axis in (u, v))
    inside = (column >= 0) & (column < size[1]) & (row >= 0) & (row < size[0])
    column, row, depth_m = column[inside].astype(np.int64), row[inside].astype(np.int64), depth_m[inside]
    far_to_near = np.argsort(-depth_m)
    values = np.full(size, np.nan, dtype=np.float32)
    values[row[far_to_near], column[far_to_near]] = depth_m[far_to_near]
    return ScalarMap(values, unit="m")
