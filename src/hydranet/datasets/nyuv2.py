"""NYU Depth v2: rooms with classes, depth and surface normals of the same image."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from hydranet.annotations import Annotation, NormalMap, ScalarMap
from hydranet.core.ledger import Ledger
from hydranet.core.sample import Camera, DataError, Sample
from hydranet.io.class_map import IdCoding, check_size, read_class_map
from hydranet.io.files import FileDataset, check_names, with_labels, without_image
from hydranet.io.images import read_map, read_unturned
from hydranet.io.listing import Listing, as_written, check_stems, listing
from hydranet.io.normals_from_depth import normals_from_depth
from hydranet.io.orientation import Extent

LABELS = ("semantic", "depth", "normals")

CLASSES = (
    *("wall", "floor", "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf", "picture"),
    *("counter", "blinds", "desk", "shelves", "curtain", "dresser", "pillow", "mirror", "floor mat", "clothes"),
    *("ceiling", "books", "refrigerator", "television", "paper", "towel", "shower curtain", "box", "whiteboard"),
    *("person", "night stand", "toilet", "sink", "lamp", "bathtub", "bag", "other structure", "other furniture"),
    "other prop",
)
"""The 40 classes of Gupta et al. 2013, in their order."""

OTHER_PROP = 39

# The Kinect color camera as calibrated by the authors (camera_params.m of their toolbox), from the first pixel's
# center; + 0.5 for the image's corner.
CAMERA = Camera(np.array([[518.857901, 0.0, 325.582449 + 0.5], [0.0, 519.469611, 253.736166 + 0.5], [0.0, 0.0, 1.0]]))

STEPS_PER_M_8BIT = 25.5
STEPS_PER_M_16BIT = 5000


@dataclass(frozen=True)
class NyuV2(FileDataset):
    """NYUv2: 40 classes, metric depth to 10 m and normals computed from it, 640x480.

    root:   holds SPLIT/image/*.jpg or png, SPLIT/label40 and SPLIT/depth8 (png).
    split:  folder of the split.
    labels: which labels to read; normals cost most of the reading time.

    label40: 0..38 are NYU40 classes 1..39. 39 is "other prop" or unlabeled, which cannot be told apart: unknown.
    depth8:  meters = (value + 0.5) / 25.5, holes filled by the authors; 255 is "9.99 m or more": unknown.
    normals: planes fitted to depth (`io.normals_from_depth`).

    Silberman, Hoiem, Kohli, Fergus: Indoor Segmentation and Support Inference from RGBD Images. ECCV 2012.
    """

    split: str = "train"
    labels: tuple[str, ...] = LABELS

    def __post_init__(self) -> None:
        super().__post_init__()
        check_names(self.labels, LABELS, "label of NyuV2")

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        return {"semantic": CLASSES} if "semantic" in self.labels else {}

    @cached_property
    def _listing(self) -> Listing:
        files = listing(self.folder / self.split / "image", "*")
        check_stems(files.images, self.folder)
        images, ledger = list(files.images), files.ledger
        needed = {"label40": {"semantic"}, "depth8": {"depth", "normals"}}
        for name in (name for name, labels in needed.items() if labels & set(self.labels)):
            label_of = partial(self._beside, name)
            images, missing = with_labels(images, label_of, self.folder, self.on_error)
            stored = (self.folder / self.split / name).glob("*.png")
            ledger += missing + without_image(self.folder, stored, set(map(label_of, files.images)))
        return Listing(tuple(images), ledger)

    @property
    def frames(self) -> tuple[Path, ...]:
        """The images of the split, by number."""
        return self._listing.images

    def ledger(self) -> Ledger:
        return super().ledger() + self._listing.ledger

    def _beside(self, name: str, path: Path) -> Path:
        return as_written(self.folder / self.split / name / f"{path.stem}.png")

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Sample:
        path = self.frames[index]
        image = read_unturned(path)
        size = image.shape[:2]
        labels: dict[str, Annotation] = {}
        if "semantic" in self.labels:
            coding = IdCoding(CLASSES[:OTHER_PROP], void=(OTHER_PROP,))
            labels["semantic"] = read_class_map(self._beside("label40", path), coding, Extent(size))
        if "depth" in self.labels or "normals" in self.labels:
            depth = _depth_8bit(self._beside("depth8", path), size)
            labels |= {"depth": depth} if "depth" in self.labels else {}
            labels |= {"normals": normals_from_depth(depth.values, CAMERA)} if "normals" in self.labels else {}
        return Sample(image, labels, CAMERA, key=path.relative_to(self.folder).as_posix())


@dataclass(frozen=True)
class NyuV2Examples(FileDataset):
    """Frames of NYUv2 with 16-bit depth, 40 classes and, for some, the normals of Eigen and Fergus.

    root: holds folders with NNN.png, segm_gt_NNN.png (255 = unknown), depth_gt_NNN.png (meters x 5000, 0 = unknown)
          and, for some, norm_gt_NNN.png (RGB / 127.5 - 1 = camera x, z, -y; zero length = unknown).
    labels: which labels to read.

    The layout of the examples that come with the two-task network of Nekrasov et al., ICRA 2019.
    """

    labels: tuple[str, ...] = LABELS

    def __post_init__(self) -> None:
        super().__post_init__()
        check_names(self.labels, LABELS, "label of NyuV2Examples")

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        return {"semantic": CLASSES} if "semantic" in self.labels else {}

    @cached_property
    def _listing(self) -> Listing:
        return listing(self.folder, "*/[0-9]*.[Pp][Nn][Gg]", labels=("segm_gt_*", "depth_gt_*", "norm_gt_*"))

    @property
    def frames(self) -> tuple[Path, ...]:
        """The images, folder by folder."""
        return self._listing.images

    def ledger(self) -> Ledger:
        return super().ledger() + self._listing.ledger

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Sample:
        path = self.frames[index]
        image = read_unturned(path)
        size = image.shape[:2]
        labels: dict[str, Annotation] = {}
        if "semantic" in self.labels:
            mask = path.with_name(f"segm_gt_{path.name}")
            labels["semantic"] = read_class_map(mask, IdCoding(CLASSES), Extent(size))
        if "depth" in self.labels:
            labels["depth"] = _depth_16bit(path.with_name(f"depth_gt_{path.name}"), size)
        normals = path.with_name(f"norm_gt_{path.name}")
        if "normals" in self.labels and normals.exists():
            labels["normals"] = _stored_normals(normals, size)
        return Sample(image, labels, CAMERA, key=path.relative_to(self.folder).as_posix())


def _depth_8bit(path: Path, size: tuple[int, int]) -> ScalarMap:
    stored = read_map(path)
    if stored.dtype != np.uint8 or stored.ndim != 2:
        raise DataError(f"{path} holds {stored.dtype} {stored.shape}, expected an 8-bit gray image")
    check_size(path, stored, size)
    values = (stored.astype(np.float32) + 0.5) / STEPS_PER_M_8BIT
    values[stored == 255] = np.nan
    return ScalarMap(values, unit="m")


def _depth_16bit(path: Path, size: tuple[int, int]) -> ScalarMap:
    stored = read_map(path)
    if stored.dtype != np.uint16 or stored.ndim != 2:
        raise DataError(f"{path} holds {stored.dtype} {stored.shape}, expected a 16-bit gray image")
    check_size(path, stored, size)
    values = stored.astype(np.float32) / STEPS_PER_M_16BIT
    values[stored == 0] = np.nan
    return ScalarMap(values, unit="m")


def _stored_normals(path: Path, size: tuple[int, int]) -> NormalMap:
    stored = read_map(path)
    if stored.dtype != np.uint8 or stored.ndim != 3:
        raise DataError(f"{path} holds {stored.dtype} {stored.shape}, expected an 8-bit color image of normals")
    check_size(path, stored, size)
    x, z, minus_y = np.moveaxis(stored.astype(np.float32) / 127.5 - 1, 2, 0)
    xyz = np.stack([x, -minus_y, z])
    length = np.linalg.norm(xyz, axis=0)
    # 8 bits leave a length of 1 ± 0.01; the gray that stands for "none" has a length below 0.01
    return NormalMap(np.where(length > 0.5, xyz / np.maximum(length, 0.5), np.nan).astype(np.float32))
