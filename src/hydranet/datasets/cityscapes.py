"""Cityscapes: a class for every pixel, and disparity, of streets of 50 cities."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from hydranet.annotations import UNKNOWN_ID, Annotation, ClassMap, ScalarMap
from hydranet.core.ledger import Ledger
from hydranet.core.sample import Camera, DataError, Sample
from hydranet.io.box_rows import is_number, objects, quoted
from hydranet.io.class_map import IdCoding, check_size, read_class_map
from hydranet.io.files import FileDataset, check_names, read_json, with_labels
from hydranet.io.images import read_map, read_unturned
from hydranet.io.listing import Listing, listing
from hydranet.io.stated_size import stated_size

LABELS: Mapping[str, int] = {
    "unlabeled": 0,
    "ego vehicle": 1,
    "rectification border": 2,
    "out of roi": 3,
    "static": 4,
    "dynamic": 5,
    "ground": 6,
    "road": 7,
    "sidewalk": 8,
    "parking": 9,
    "rail track": 10,
    "building": 11,
    "wall": 12,
    "fence": 13,
    "guard rail": 14,
    "bridge": 15,
    "tunnel": 16,
    "pole": 17,
    "polegroup": 18,
    "traffic light": 19,
    "traffic sign": 20,
    "vegetation": 21,
    "terrain": 22,
    "sky": 23,
    "person": 24,
    "rider": 25,
    "car": 26,
    "truck": 27,
    "bus": 28,
    "caravan": 29,
    "trailer": 30,
    "train": 31,
    "motorcycle": 32,
    "bicycle": 33,
}
"""The ids that label maps hold; license plates (-1) are stored as 255, if at all."""

CLASSES = (
    *("road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation"),
    *("terrain", "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle"),
)
"""The 19 that are trained and scored, in the order of their train ids."""

CODING = IdCoding(
    CLASSES,
    values={number: name if name in CLASSES else None for name, number in LABELS.items()} | {UNKNOWN_ID: None},
)
IMAGE, CITIES = "leftImg8bit", "*/*_leftImg8bit.png"
MAP, POLYGONS = "labelIds.png", "polygons.json"
PARTS = ("train", "val", "test", "train_extra")


@dataclass(frozen=True)
class Cityscapes(FileDataset):
    """Labels "semantic" (19 classes; all others unknown) and, where its files are there, "disparity" in pixels.

    root:  holds leftImg8bit/SPLIT/CITY/*_leftImg8bit.png, gtFine/SPLIT/CITY/*_gtFine_labelIds.png (or, without these,
           *_gtFine_polygons.json, which are drawn in their order), and optionally disparity/SPLIT/CITY/*_disparity.png
           and camera/SPLIT/CITY/*_camera.json.
    split: "train", "val", "test", "train_extra".    labels: folder of the labels, "gtFine" or "gtCoarse".

    Disparities are (p - 1) / 256 for stored p > 0; 0 = unknown. A disparity file that is missing for one image of the
    split leaves that image without the label. Cordts et al., CVPR 2016; own terms, not for commercial use.
    """

    split: str = "train"
    labels: str = "gtFine"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_names([self.split], PARTS, f"split of {type(self).__name__}")
        check_names([self.labels], ("gtFine", "gtCoarse"), f"labels of {type(self).__name__}")

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        return {"semantic": CLASSES}

    @cached_property
    def _listing(self) -> Listing:
        folder = self.folder / IMAGE / self.split
        if not folder.is_dir():
            raise DataError(f"no folder {folder}; expected {IMAGE}/{self.split}/CITY/*_{IMAGE}.png: check the root")
        files = listing(folder, CITIES)
        images, ledger = with_labels(files.images, self._label_of, folder, self.on_error)
        return Listing(tuple(images), files.ledger + ledger)

    def _beside(self, image: Path, folder: str, ending: str) -> Path:
        stem = image.name.removesuffix(f"_{IMAGE}.png")
        return self.folder / folder / self.split / image.parent.name / f"{stem}_{ending}"

    def _label_of(self, image: Path) -> Path:
        """The id map, or where there is none, the polygons."""
        ids = self._beside(image, self.labels, f"{self.labels}_{MAP}")
        polygons = self._beside(image, self.labels, f"{self.labels}_{POLYGONS}")
        return polygons if polygons.is_file() and not ids.is_file() else ids

    def ledger(self) -> Ledger:
        return super().ledger() + self._listing.ledger

    def __len__(self) -> int:
        return len(self._listing.images)

    def __getitem__(self, index: int) -> Sample:
        path = self._listing.images[index]
        image = read_unturned(path)
        size = image.shape[0], image.shape[1]
        file = self._label_of(path)
        if file.suffix == ".json":
            semantic = drawn(file, size)
        else:
            semantic = read_class_map(file, CODING)
            check_size(file, semantic.ids, size)
        labels: dict[str, Annotation] = {"semantic": semantic}
        disparity = self._beside(path, "disparity", "disparity.png")
        if disparity.is_file():
            labels["disparity"] = read_disparity(disparity, size)
        camera = self._beside(path, "camera", "camera.json")
        key = path.relative_to(self.folder).as_posix()
        return Sample(image, labels, read_camera(camera) if camera.is_file() else None, key=key)


def drawn(file: Path, size: tuple[int, int]) -> ClassMap:
    """The polygons of one image, later ones over earlier ones; groups ("cargroup") count as their class.

    Raises DataError for a label that Cityscapes does not have, broken polygons, and another size than the image's.
    """
    tree = read_json(file)
    if not isinstance(tree, dict):
        raise DataError(f"{file} holds a {type(tree).__name__}, expected imgHeight, imgWidth and objects; restore it")
    stated = stated_size(tree.get("imgHeight"), tree.get("imgWidth"), str(file))
    if stated not in (None, size):
        assert stated is not None
        raise DataError(
            f"{file} states {stated[1]}x{stated[0]} pixels, the image has {size[1]}x{size[0]}; restore one of them"
        )
    ids = np.full(size, LABELS["unlabeled"], np.uint8)
    entries = objects(tree.get("objects"), {"label": str, "polygon": list}, f"{file}: objects")
    for i, entry in enumerate(entries, start=1):
        where, name = f"{file}: objects, number {i}", entry["label"]
        name = name.removesuffix("group") if name not in LABELS else name
        if entry.get("deleted"):
            continue
        if name not in LABELS and name != "license plate":
            raise DataError(f"{where}: label {quoted(entry['label'])}, expected one of Cityscapes'; correct it")
        points = [_point(point, where) for point in entry["polygon"]]
        if points:
            corners = np.array(points, np.float64).clip(-1e6, 1e6).round().astype(np.int32)
            cv2.fillPoly(ids, [corners], LABELS.get(name, UNKNOWN_ID))
    return ClassMap(cv2.LUT(ids, CODING.table))


def _point(point: Any, where: str) -> tuple[float, float]:
    if not isinstance(point, list) or len(point) != 2 or not all(map(is_number, point)):
        raise DataError(f"{where}: point {quoted(point)}, expected two numbers; correct it")
    return float(point[0]), float(point[1])


def read_disparity(file: Path, size: tuple[int, int]) -> ScalarMap:
    """Disparity in pixels, NaN where nothing was matched. Raises DataError."""
    stored = read_map(file)
    if stored.ndim != 2 or stored.dtype != np.uint16:
        raise DataError(f"{file} holds {stored.dtype} {stored.shape}, expected 16 bits per pixel; restore it")
    check_size(file, stored, size)
    return ScalarMap(np.where(stored > 0, (stored.astype(np.float32) - 1) / 256, np.nan).astype(np.float32), unit="px")


def read_camera(file: Path) -> Camera:
    """The left camera. Raises DataError."""
    tree = read_json(file)
    values = tree.get("intrinsic") if isinstance(tree, dict) else None
    names = ("fx", "fy", "u0", "v0")
    if not isinstance(values, dict) or not all(is_number(values.get(name)) for name in names):
        raise DataError(f"{file}: intrinsic {quoted(values)}, expected numbers fx, fy, u0, v0; restore it")
    fx, fy, u0, v0 = (float(values[name]) for name in names)
    try:
        return Camera(np.array([[fx, 0, u0], [0, fy, v0], [0, 0, 1]], np.float64))
    except DataError as error:
        raise DataError(f"{file}: {error}") from error
