"""Boxes in a COCO JSON file."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from hydranet.core.ledger import Ledger, Omission, add_up
from hydranet.core.sample import DataError, Sample
from hydranet.io.box_rows import BoxRow, boxes_inside, is_number, is_whole_number, objects, once, quoted, read_rows
from hydranet.io.files import FileDataset, read_json
from hydranet.io.flags import flag
from hydranet.io.images import read_image
from hydranet.io.missing_file import named_by
from hydranet.io.paths import OutsideFolder, inside
from hydranet.io.shares import coco_boxes, refuse_shares, where_of
from hydranet.io.stated_size import fitted, stated_size

LEAST_CORNERS = 1 / 3
"""A file whose boxes leave their images this often, and all fit as corners, holds corners."""
SLACK_PX = 1.0
ID = int | float | str

Numbered = tuple[int, dict[str, Any]]
"""An annotation and its place in the list, from 1."""


@dataclass(frozen=True)
class CocoImage:
    """One entry of the table of images.

    id:     as text, so that 7 and "7" are one.    path: where the file is.
    stated: height and width in pixels, None where the file does not state them.
    """

    id: str
    path: Path
    stated: tuple[int, int] | None


@dataclass(frozen=True)
class CocoTables:
    """A COCO file, checked.

    images: in the file's order.    categories: names in the order of their ids.
    rows:   by id of the image.     ledger: what was left out.
    """

    images: tuple[CocoImage, ...]
    categories: tuple[str, ...]
    rows: Mapping[str, Sequence[BoxRow]]
    ledger: Ledger


@dataclass(frozen=True)
class Coco(FileDataset):
    """COCO: boxes of the file's own categories, in the order of their ids; crowds are ignored.

    root:        the folder.
    annotations: JSON file, relative to root. Ids may have gaps and may be text. Where an image's "height" and "width"
                 are those of the stored, unturned file, or of a copy in another scale, boxes follow.
    images:      folder of the images, relative to root; a "file_name" is relative to it.

    A box that CVAT turned (`attributes.rotation`) becomes the upright one around it.

    Lin et al.: Microsoft COCO, ECCV 2014.
    """

    annotations: str = "annotations/instances_train2017.json"
    images: str = "train2017"

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        return {"detection": self._tables.categories}

    @cached_property
    def _tables(self) -> CocoTables:
        """The whole file, checked when it is first asked for."""
        file = self.folder / self.annotations
        tables = read_json(file)
        for name in ("images", "annotations", "categories"):
            if not isinstance(tables, dict) or not isinstance(tables.get(name), list):
                raise DataError(f"{file} has no list {name!r}; expected the JSON of COCO's object detection")
        folder = self.folder / self.images
        images = [
            _image(entry, folder, f"{file}: images, number {i}")
            for i, entry in enumerate(
                objects(tables["images"], {"id": ID, "file_name": str}, f"{file}: images"), start=1
            )
        ]
        once([image.id for image in images], "image id", str(file))
        once([image.path.relative_to(folder).as_posix() for image in images], "file_name", str(file))
        if not images:
            raise DataError(f"{file} lists no images; check the annotations file")
        categories = _categories(tables["categories"], file)
        image_of = {image.id: image for image in images}
        annotations = objects(tables["annotations"], {}, f"{file}: annotations")
        refuse_shares(coco_boxes(annotations, file), "bbox")
        if _hold_corners(annotations, image_of):
            raise DataError(
                f"{file}: boxes leave their images as left, top, width, height and fit as left, top, right, bottom; "
                "write width and height into 'bbox'"
            )
        index_of = {number: i for i, number in enumerate(sorted(categories))}
        by_image, unknown = self._by_image(annotations, image_of, file)
        rows, ledgers = {}, [unknown]
        for image, entries in by_image.items():
            rows[image], left_out = read_rows(
                entries, lambda item: parse_annotation(item[1], index_of, _where(file, item)), str(file), self.on_error
            )
            ledgers.append(left_out)
        chosen, missing = self._present(images)
        names = tuple(categories[number] for number in sorted(categories))
        return CocoTables(tuple(chosen), names, rows, add_up([missing, *ledgers]))

    def _by_image(
        self, annotations: Sequence[dict[str, Any]], image_of: Mapping[str, CocoImage], file: Path
    ) -> tuple[dict[str, list[Numbered]], Ledger]:
        """The annotations of every image, and how many belong to none."""
        by_image: dict[str, list[Numbered]] = {image: [] for image in image_of}
        ledger = Ledger()
        for item in enumerate(annotations, start=1):
            image = _id(item[1].get("image_id"))
            if image in by_image:
                by_image[image].append(item)
            elif self.on_error == "skip":
                ledger = ledger.noted(
                    Omission.LABEL_IGNORED, str(file), "of an image that is not listed", _where(file, item)
                )
            else:
                given = quoted(item[1].get("image_id"))
                raise DataError(f"{_where(file, item)}: no image has id {given}; correct or remove it")
        return by_image, ledger

    def _present(self, images: Sequence[CocoImage]) -> tuple[list[CocoImage], Ledger]:
        """The images to read: all, or with on_error="skip" those whose file is there."""
        if self.on_error == "refuse":
            return list(images), Ledger()
        missing = [image.path.name for image in images if not image.path.is_file()]
        ledger = Ledger()
        if missing:
            ledger = ledger.noted(Omission.IMAGE_LEFT_OUT, str(self.folder / self.images), "no such file", *missing)
        return [image for image in images if image.path.is_file()], ledger

    def ledger(self) -> Ledger:
        return super().ledger() + self._tables.ledger

    def keys(self) -> Sequence[str]:
        return [entry.path.relative_to(self.folder).as_posix() for entry in self._tables.images]

    def __len__(self) -> int:
        return len(self._tables.images)

    def __getitem__(self, index: int) -> Sample:
        entry = self._tables.images[index]
        with named_by(self.folder / self.annotations):
            image = read_image(entry.path)
        file, key = str(self.folder / self.annotations), entry.path.relative_to(self.folder).as_posix()
        rows = fitted(self._tables.rows[entry.id], entry.stated, image.extent, f"{file}: image {entry.id}")
        boxes, ledger = boxes_inside(rows, image.extent.size, file, self.on_error)
        return Sample(image.rgb, {"detection": boxes}, key=key, ledger=ledger)


def _where(file: Path, item: Numbered) -> str:
    return where_of(item[1], item[0], file)


def _id(value: Any) -> str | None:
    """An id as text: 7, 7.0 and "7" are one. None for what is no id."""
    if isinstance(value, str) and value.strip():
        return value.strip()
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return str(int(value)) if is_number(value) and value == int(value) else None


def _image(entry: Mapping[str, Any], folder: Path, where: str) -> CocoImage:
    """One entry of "images". Raises DataError."""
    number, name = _id(entry.get("id")), entry["file_name"]
    if number is None:
        raise DataError(f"{where}: id {quoted(entry.get('id'))}, expected a whole number or text; correct it")
    if "\\" in name and not name.startswith(("\\", "/")):  # as written on Windows
        name = name.replace("\\", "/")
    if name.startswith(f"{folder}/"):
        name = name.removeprefix(f"{folder}/")
    try:
        path = inside(folder, name, follow_links=True)
    except OutsideFolder as error:
        raise DataError(f"{where}: {error}") from error
    return CocoImage(number, path, stated_size(entry.get("height"), entry.get("width"), where))


def _categories(entries: Any, file: Path) -> dict[int, str]:
    """Names by id. Raises DataError."""
    names: list[tuple[int, str]] = []
    for i, entry in enumerate(objects(entries, {"id": ID, "name": str}, f"{file}: categories"), start=1):
        number = _id(entry.get("id"))
        if number is None or not is_whole_number(number):
            given = quoted(entry.get("id"))
            raise DataError(f"{file}: categories, number {i}: id {given}, expected a whole number; correct it")
        names.append((int(number), entry["name"]))
    once([number for number, _ in names], "category id", str(file))
    once([name for _, name in names], "category", str(file))
    return dict(names)


def _hold_corners(annotations: Sequence[Mapping[str, Any]], image_of: Mapping[str, CocoImage]) -> bool:
    """Whether the boxes of a file look like left, top, right, bottom instead of left, top, width, height."""
    total = outside = 0
    for annotation in annotations:
        image = image_of.get(_id(annotation.get("image_id")) or "")
        box = annotation.get("bbox")
        if image is None or image.stated is None or not isinstance(box, list) or len(box) != 4:
            continue
        if not all(map(is_number, box)):
            continue
        left, top, third, fourth = box
        height, width = image.stated
        if not (left < third <= width + SLACK_PX and top < fourth <= height + SLACK_PX):
            return False
        total += 1
        outside += left + third > width + SLACK_PX or top + fourth > height + SLACK_PX
    return total > 0 and outside >= LEAST_CORNERS * total


def parse_annotation(annotation: Mapping[str, Any], index_of: Mapping[int, int], where: str) -> BoxRow:
    """One annotation; bbox is left, top, width, height from the image's corner. Raises DataError."""
    category = _id(annotation.get("category_id"))
    if category is None or not is_whole_number(category) or int(category) not in index_of:
        known = quoted(sorted(index_of))
        raise DataError(
            f"{where}: category_id {quoted(annotation.get('category_id'))}, expected one of {known}; correct it"
        )
    box = annotation.get("bbox")
    if not isinstance(box, list) or len(box) != 4 or not all(isinstance(v, int | float) for v in box):
        raise DataError(f"{where}: bbox {quoted(box)}, expected four numbers; correct it")
    left, top, width, height = (float(value) if is_number(value) else math.nan for value in box)
    if width < 0 or height < 0:
        raise DataError(f"{where}: bbox {quoted(box)} has a negative width or height; correct it")
    crowd, ignore = (flag(annotation.get(name), f"{where}: {name}") for name in ("iscrowd", "ignore"))
    corners = _upright((left, top, left + width, top + height), annotation.get("attributes"))
    return BoxRow(where, corners, index_of[int(category)], crowd or ignore)


def _upright(box: tuple[float, float, float, float], attributes: Any) -> tuple[float, float, float, float]:
    """The upright box around one that CVAT turned: its `bbox` is unturned, `attributes.rotation` has the degrees."""
    degrees = attributes.get("rotation") if isinstance(attributes, dict) else None
    if degrees is None or not is_number(degrees) or not degrees % 180:
        return box
    left, top, right, bottom = box
    sine, cosine = abs(math.sin(math.radians(degrees))), abs(math.cos(math.radians(degrees)))
    across, down = (right - left) * cosine + (bottom - top) * sine, (right - left) * sine + (bottom - top) * cosine
    x, y = (left + right) / 2, (top + bottom) / 2
    return x - across / 2, y - down / 2, x + across / 2, y + down / 2
