"""KITTI's tracking benchmark: boxes with identities over 10 Hz sequences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from hydranet.annotations import Annotation, Boxes
from hydranet.core.ledger import Ledger, add_up
from hydranet.core.sample import DataError, Sample
from hydranet.io import kitti
from hydranet.io.box_rows import OnError, is_whole_number, quoted
from hydranet.io.files import FileDataset, check_names, ledger_of, read_lines
from hydranet.io.images import read_unturned
from hydranet.io.listing import Listing, as_written, check_stems, listing, subfolders

LABELS = ("detection", "depth")
MOST_TRUNCATED = 2
"""Tracking labels have three levels of truncation, 0..2, where object labels have a share, 0..1."""


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
        super().__post_init__()
        check_names(self.labels, LABELS, "label of KittiTracking")
        check_names([self.depth], ("velo_png", "velodyne"), "depth of KittiTracking")

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        return {"detection": kitti.KITTI_CLASSES} if "detection" in self.labels else {}

    @cached_property
    def _listing(self) -> Listing:
        folder = self.folder / "image_02"
        names = self.sequences or tuple(path.name for path in subfolders(folder, "sequences"))
        files = [listing(folder / name, "*", f"images of sequence {name!r}") for name in names]
        images = tuple(path for one in files for path in one.images)
        check_stems(images, self.folder)
        for path in images:
            if not is_whole_number(path.stem):
                raise DataError(f"{path} is no frame number, expected names such as 000012.png; rename it")
        return Listing(images, add_up(one.ledger for one in files))

    @property
    def frames(self) -> tuple[Path, ...]:
        """The images, sequence by sequence."""
        return self._listing.images

    def ledger(self) -> Ledger:
        """What is left out of all files; a broken one is named when an image is read."""
        files = [self.folder] if "detection" in self.labels else []
        return super().ledger() + self._listing.ledger + ledger_of(files, lambda _: self._tracked[1])

    @cached_property
    def _calibrations(self) -> dict[str, kitti.Calibration]:
        names = {path.parent.name for path in self.frames}
        return {name: kitti.read_calibration(as_written(self.folder / "calib" / f"{name}.txt")) for name in names}

    @cached_property
    def _tracked(self) -> tuple[dict[tuple[str, int], list[kitti.ObjectRow]], Ledger]:
        """Label rows by sequence and frame number, and what was left out."""
        rows: dict[tuple[str, int], list[kitti.ObjectRow]] = {}
        ledgers = []
        for name in dict.fromkeys(path.parent.name for path in self.frames):
            kept, left_out = read_tracked(as_written(self.folder / "label_02" / f"{name}.txt"), self.on_error)
            ledgers.append(left_out)
            for row in kept:
                rows.setdefault((name, row.frame), []).append(row)
        return rows, add_up(ledgers)

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Sample:
        path = self.frames[index]
        image = read_unturned(path)
        size = image.shape[:2]
        sequence = path.parent.name
        calibration = self._calibrations[sequence]
        labels, ledger = dict[str, Annotation](), Ledger()
        if "detection" in self.labels:
            rows = self._tracked[0].get((sequence, int(path.stem)), [])
            rows, ledger = kitti.visible_objects(rows, size, self.folder / "label_02", self.on_error)
            labels["detection"] = tracked_boxes(rows, size)
        if "depth" in self.labels and self.depth == "velodyne":
            points = kitti.read_velodyne(as_written(self.folder / "velodyne" / sequence / f"{path.stem}.bin"))
            labels["depth"] = kitti.project_velodyne(points, calibration, size)
        elif "depth" in self.labels:
            depth = as_written(self.folder / "depth_velo" / sequence / f"{path.stem}.png")
            labels["depth"] = kitti.read_depth_image(depth, size)
        key = path.relative_to(self.folder).as_posix()
        return Sample(image, labels, calibration.camera, key=key, ledger=ledger)


def read_tracked(path: Path, on_error: OnError = "refuse") -> tuple[list[kitti.ObjectRow], Ledger]:
    """The label file of a sequence, and what was left out. Raises DataError."""
    return kitti.keep_objects(
        read_lines(path), lambda line: parse_tracked(line[1], f"{path}:{line[0]}"), path.parent, on_error
    )


def parse_tracked(line: str, where: str) -> kitti.ObjectRow:
    """One line: frame, track id, then the columns of an object. Raises DataError."""
    frame, track, *words = (*line.split(), "", "")[: max(len(line.split()), 2)]
    if not (is_whole_number(frame) and is_whole_number(track)) or frame.startswith("-"):
        raise DataError(
            f"{where}: starts with {quoted(frame)} {quoted(track)}, expected frame number and track id; correct it"
        )
    item = kitti.parse_object(words, where)
    return replace(item, frame=int(frame), track=int(track), truncation=item.truncation / MOST_TRUNCATED)


def tracked_boxes(rows: Sequence[kitti.ObjectRow], size: tuple[int, int]) -> Boxes:
    """Rows of one frame as boxes with track ids. Raises DataError naming the row."""
    track = np.array([row.track for row in rows], dtype=np.int64)
    return replace(kitti.object_boxes(rows, size), track=track)
