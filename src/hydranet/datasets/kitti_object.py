"""KITTI's object benchmark: boxes and sparse depth of the same image."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from hydranet.annotations import Annotation
from hydranet.core.ledger import Ledger
from hydranet.core.sample import DataError, Sample
from hydranet.io import kitti
from hydranet.io.box_rows import quoted
from hydranet.io.files import FileDataset, check_names, in_ranges, ledger_of, read_lines, with_labels, without_image
from hydranet.io.images import read_unturned
from hydranet.io.listing import Listing, as_written, check_stems, listing

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
        super().__post_init__()
        check_names(self.labels, LABELS, "label of KittiObject")
        check_names([self.depth], ("velo_png", "velodyne"), "depth of KittiObject")

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        return {"detection": kitti.KITTI_CLASSES} if "detection" in self.labels else {}

    @property
    def training(self) -> Path:
        return self.folder / "training"

    @cached_property
    def _listing(self) -> Listing:
        files = listing(self.training / "image_2", "*")
        check_stems(files.images, self.folder)
        chosen = self._of_split({path.stem: path for path in files.images})
        if "detection" not in self.labels:
            return Listing(tuple(chosen), files.ledger)
        images, ledger = with_labels(chosen, self._labels_of, self.folder, self.on_error)
        rows = (self.training / "label_2").glob("*.txt")
        ledger += without_image(self.folder, rows, {self._labels_of(path) for path in files.images})
        return Listing(tuple(images), files.ledger + ledger)

    @property
    def frames(self) -> tuple[Path, ...]:
        """The images of the split, by frame number. Raises DataError where the split names no existing frame."""
        return self._listing.images

    def ledger(self) -> Ledger:
        """What is left out of all files; reads every label file; a broken one is named when its image is read."""
        paths = self.frames if "detection" in self.labels else ()
        rows = ledger_of(paths, lambda path: kitti.read_objects(self._labels_of(path), self.on_error)[1])
        return super().ledger() + self._listing.ledger + rows

    def _labels_of(self, path: Path) -> Path:
        return self._beside(path, "label_2", "txt")

    def _of_split(self, paths: Mapping[str, Path]) -> list[Path]:
        """The images that the split names."""
        if not self.split:
            return list(paths.values())
        if re.fullmatch(r"[\d\s,-]+", self.split):
            of_number = {
                int(name): path
                for name, path in paths.items()
                if name.isascii() and name.isdecimal() and len(name) < 10
            }
            chosen = [of_number[number] for number in in_ranges(self.split, list(of_number))]
            if not chosen:
                raise DataError(f"no frame {self.split} in {self.training / 'image_2'}; check the split")
            return chosen
        names = [line.strip() for _, line in read_lines(self.folder / self.split)]
        missing = [name for name in names if name not in paths]
        if missing or not names:
            first = f" (first: {quoted(missing[0])[1:-1]})" if missing else ""
            raise DataError(
                f"{self.folder / self.split} names {len(names)} frames, {len(missing)} of which are not in "
                f"{self.training / 'image_2'}{first}; restore them"
            )
        return [paths[name] for name in names]

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Sample:
        path = self.frames[index]
        image = read_unturned(path)
        size = image.shape[:2]
        calibration = kitti.read_calibration(self._beside(path, "calib", "txt"))
        labels, ledger = dict[str, Annotation](), Ledger()
        if "detection" in self.labels:
            file = self._labels_of(path)
            rows = kitti.read_objects(file, self.on_error)[0]
            rows, ledger = kitti.visible_objects(rows, size, file.parent, self.on_error)
            labels["detection"] = kitti.object_boxes(rows, size)
        if "depth" in self.labels and self.depth == "velodyne":
            points = kitti.read_velodyne(self._beside(path, "velodyne", "bin"))
            labels["depth"] = kitti.project_velodyne(points, calibration, size)
        elif "depth" in self.labels:
            labels["depth"] = kitti.read_depth_image(self._beside(path, "depth_velo", "png"), size)
        key = path.relative_to(self.folder).as_posix()
        return Sample(image, labels, calibration.camera, key=key, ledger=ledger)

    def _beside(self, path: Path, folder: str, suffix: str) -> Path:
        return as_written(self.training / folder / f"{path.stem}.{suffix}")
