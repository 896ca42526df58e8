"""KITTI's object benchmark: boxes and sparse depth of the same image."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from hydranet.annotations import Annotation
from hydranet.core.sample import DataError, Sample
from hydranet.io import kitti
from hydranet.io.files import FileDataset, as_written, check_names, image_files, in_ranges, read_lines, read_rgb

LABELS = ("detection", "depth")


@dataclass(frozen=True)
class KittiObject(FileDataset):
    """KITTI object: boxes of 8 classes (DontCare = ignored), sparse lidar depth in meters, camera.

    root:   holds training/image_2 (png or jpg), label_2, calib, and velodyne or depth_velo.
    split:  frame numbers such as "0-59,65"; or a text file of frame names, relative to root; "" = all frames.
    depth:  "velo_png" reads depth_velo/*.png (uint16, meters x 256); "velodyne" projects velodyne/*.bin into camera 2,
            where the nearest point of a pixel wins. Both give the same numbers (to 1/256 m).
    labels: which labels to read.

    Geiger, Lenz, Urtasun: Are we ready for Autonomous Driving? CVPR 2012. License CC BY-NC-SA 3.0.
    """

    split: str = ""
    depth: Literal["velo_png", "velodyne"] = "velo_png"
    labels: tuple[str, ...] = LABELS

    def __post_init__(self) -> None:
        check_names(self.labels, LABELS, "label of KittiObject")
        check_names([self.depth], ("velo_png", "velodyne"), "depth of KittiObject")

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        return {"detection": kitti.KITTI_CLASSES} if "detection" in self.labels else {}

    @property
    def training(self) -> Path:
        return self.folder / "training"

    @cached_property
    def frames(self) -> list[Path]:
        """The images of the split, by frame number. Raises DataError where the split names no existing frame."""
        paths = {path.stem: path for path in image_files(self.training / "image_2")}
        if not self.split:
            return list(paths.values())
        if re.fullmatch(r"[\d\s,-]+", self.split):
            of_number = {int(name): path for name, path in paths.items() if name.isdigit()}
            chosen = [of_number[number] for number in in_ranges(self.split, list(of_number))]
            if not chosen:
                raise DataError(f"no frame {self.split} in {self.training / 'image_2'}; check the split")
            return chosen
        names = [line.strip() for line in read_lines(self.folder / self.split)]
        missing = [name for name in names if name not in paths]
        if missing or not names:
            raise DataError(
                f"{self.folder / self.split} names {len(names)} frames, {len(missing)} of which are not in "
                f"{self.training / 'image_2'}{f' (first: {missing[0]})' if missing else ''}; restore them"
            )
        return [paths[name] for name in names]

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Sample:
        path = self.frames[index]
        image = read_rgb(path)
        size = image.shape[:2]
        calibration = kitti.read_calibration(self._beside(path, "calib", "txt"))
        labels: dict[str, Annotation] = {}
        if "detection" in self.labels:
            rows = kitti.read_objects(self._beside(path, "label_2", "txt"))
            labels["detection"] = kitti.object_boxes(rows, size)
        if "depth" in self.labels and self.depth == "velodyne":
            points = kitti.read_velodyne(self._beside(path, "velodyne", "bin"))
            labels["depth"] = kitti.project_velodyne(points, calibration, size)
        elif "depth" in self.labels:
            labels["depth"] = kitti.read_depth_image(self._beside(path, "depth_velo", "png"), size)
        key = path.relative_to(self.folder).as_posix()
        return Sample(image, labels, calibration.camera, key=key)

    def _beside(self, path: Path, folder: str, suffix: str) -> Path:
        return as_written(self.training / folder / f"{path.stem}.{suffix}")
