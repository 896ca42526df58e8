"""Boxes in a COCO JSON file."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hydranet.core.sample import DataError, Sample
from hydranet.io.box_rows import BoxRow, boxes_of, objects, once
from hydranet.io.files import FileDataset, read_json, read_rgb


@dataclass(frozen=True)
class Coco(FileDataset):
    """COCO: boxes of the file's own categories, in the order of their ids; crowds are ignored.

    root:        the folder.
    annotations: JSON file, relative to root.
    images:      folder of the images, relative to root.

    Lin et al.: Microsoft COCO, ECCV 2014.
    """

    annotations: str = "annotations/instances_train2017.json"
    images: str = "train2017"

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        return {"detection": tuple(category["name"] for category in self._categories)}

    @cached_property
    def _tables(self) -> dict[str, list[dict[str, Any]]]:
        path = self.folder / self.annotations
        tables = read_json(path)
        for name in ("images", "annotations", "categories"):
            if not isinstance(tables, dict) or not isinstance(tables.get(name), list):
                raise DataError(f"{path} has no list {name!r}; expected the JSON of COCO's object detection")
        objects(tables["images"], {"id": int | str, "file_name": str}, f"{path}: images")
        objects(tables["annotations"], {}, f"{path}: annotations")
        objects(tables["categories"], {"id": int, "name": str}, f"{path}: categories")
        once([entry["id"] for entry in tables["images"]], "image id", str(path))
        once([entry["file_name"] for entry in tables["images"]], "file_name", str(path))
        once([entry["id"] for entry in tables["categories"]], "category id", str(path))
        once([entry["name"] for entry in tables["categories"]], "category", str(path))
        if not tables["images"]:
            raise DataError(f"{path} lists no images; check the annotations file")
        return tables

    @cached_property
    def _categories(self) -> list[dict[str, Any]]:
        return sorted(self._tables["categories"], key=lambda category: int(category["id"]))

    @cached_property
    def _rows(self) -> dict[Any, list[BoxRow]]:
        """Rows by image id."""
        file = self.folder / self.annotations
        index_of = {category["id"]: i for i, category in enumerate(self._categories)}
        rows: dict[Any, list[BoxRow]] = {entry["id"]: [] for entry in self._tables["images"]}
        for annotation in self._tables["annotations"]:
            where = f"{file}: annotation {annotation.get('id')}"
            if annotation.get("image_id") not in rows:
                raise DataError(f"{where}: no image has id {annotation.get('image_id')!r}; correct or remove it")
            rows[annotation.get("image_id")].append(parse_annotation(annotation, index_of, where))
        return rows

    def __len__(self) -> int:
        return len(self._tables["images"])

    def __getitem__(self, index: int) -> Sample:
        entry = self._tables["images"][index]
        path = self.folder / self.images / entry["file_name"]
        image = read_rgb(path)
        boxes = boxes_of(self._rows[entry["id"]], image.shape[:2])
        return Sample(image, {"detection": boxes}, key=path.relative_to(self.folder).as_posix())


def parse_annotation(annotation: Mapping[str, Any], index_of: Mapping[Any, int], where: str) -> BoxRow:
    """One annotation; bbox is left, top, width, height from the image's corner. Raises DataError."""
    category, box = annotation.get("category_id"), annotation.get("bbox")
    if not isinstance(category, int) or category not in index_of:
        raise DataError(f"{where}: category_id {category}, expected one of {sorted(index_of)}; correct it")
    try:
        left, top, width, height = map(float, box or ())
    except (TypeError, ValueError) as error:
        raise DataError(f"{where}: bbox {box}, expected four numbers; correct it") from error
    ignore = bool(annotation.get("iscrowd") or annotation.get("ignore"))
    return BoxRow(where, (left, top, left + width, top + height), index_of[category], ignore)
