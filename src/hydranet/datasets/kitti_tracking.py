"""KITTI's tracking benchmark: boxes with identities over 10 Hz sequences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from hydranet.annotations import Annotation, Boxes
from hydranet.core.sample import DataError, Sample
from hydranet.io import kitti
from hydranet.io.files import FileDataset, as_written, check_names, image_files, listed, read_lines, read_rgb

LABELS = ("detection", "depth")
MOST_TRUNCATED = 2
"""Tracking labels have three levels of truncation, 0..2, where object labels have a share, 0..1."""


@dataclass(frozen=True)
class TrackedRow:
    """One line of a label file: frame number, track id (-1 = none) and the object."""

    frame: int
    track: int
    item: kitti.ObjectRow


@dataclass(frozen=True)
class KittiTracking(FileDataset):
    """KITTI tracking: boxes of 8 classes with track ids, sparse lidar depth in meters, camera; in time order.

    root:      holds image_02/SSSS/*.png or jpg, label_02/SSSS.txt, calib/SSSS.txt, and depth_velo or velodyne.
    sequences: names of the sequences, one after the other; () = all.
    depth:     "velo_png" or "velodyne", as in KITTI object.
    labels:    which labels to read.

    A track id is unique within its sequence only. Geiger et al., CVPR 2012. License CC BY-NC-SA 3.0.
    """

    sequences: tuple[str, ...] = ()
    depth: Literal["velo_png", "velodyne"] = "velo_png"
    labels: tuple[str, ...] = LABELS

    def __post_init__(self) -> None:
        check_names(self.labels, LABELS, "label of KittiTracking")
        check_names([self.depth], ("velo_png", "velodyne"), "depth of KittiTracking")

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        return {"detection": kitti.KITTI_CLASSES} if "detection" in self.labels else {}

    @cached_property
    def frames(self) -> list[Path]:
        """The images, sequence by sequence."""
        images = self.folder / "image_02"
        names = self.sequences or tuple(path.name for path in listed(images, "*", "sequences"))
        return [path for name in names for path in image_files(images / name, what=f"images of sequence {name!r}")]

    @cached_property
    def _calibrations(self) -> dict[str, kitti.Calibration]:
        names = {path.parent.name for path in self.frames}
        return {name: kitti.read_calibration(as_written(self.folder / "calib" / f"{name}.txt")) for name in names}

    @cached_property
    def _tracked(self) -> dict[tuple[str, int], list[TrackedRow]]:
        """Label rows by sequence and frame number."""
        rows: dict[tuple[str, int], list[TrackedRow]] = {}
        for name in dict.fromkeys(path.parent.name for path in self.frames):
            path = as_written(self.folder / "label_02" / f"{name}.txt")
            for i, line in enumerate(read_lines(path), start=1):
                row = parse_tracked(line, f"{path}:{i}")
                rows.setdefault((name, row.frame), []).append(row)
        return rows

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Sample:
        path = self.frames[index]
        image = read_rgb(path)
        size = image.shape[:2]
        sequence = path.parent.name
        calibration = self._calibrations[sequence]
        labels: dict[str, Annotation] = {}
        if "detection" in self.labels:
            labels["detection"] = tracked_boxes(self._tracked.get((sequence, int(path.stem)), []), size)
        if "depth" in self.labels and self.depth == "velodyne":
            points = kitti.read_velodyne(as_written(self.folder / "velodyne" / sequence / f"{path.stem}.bin"))
            labels["depth"] = kitti.project_velodyne(points, calibration, size)
        elif "depth" in self.labels:
            path = as_written(self.folder / "depth_velo" / sequence / f"{path.stem}.png")
            labels["depth"] = kitti.read_depth_image(path, size)
        key = path.relative_to(self.folder).as_posix()
        return Sample(image, labels, calibration.camera, key=key)


def parse_tracked(line: str, where: str) -> TrackedRow:
    """One line: frame, track id, then the columns of an object. Raises DataError."""
    frame, track, *words = line.split() if " " in line.strip() else (line, "")
    if not (frame.isdigit() and track.removeprefix("-").isdigit()):
        raise DataError(f"{where}: starts with {frame!r} {track!r}, expected frame number and track id; correct it")
    item = kitti.parse_object(words, where)
    return TrackedRow(int(frame), int(track), replace(item, truncation=item.truncation / MOST_TRUNCATED))


def tracked_boxes(rows: Sequence[TrackedRow], size: tuple[int, int]) -> Boxes:
    """Rows of one frame as boxes with track ids. Raises DataError naming the row."""
    track = np.array([row.track for row in rows], dtype=np.int64)
    return replace(kitti.object_boxes([row.item for row in rows], size), track=track)
