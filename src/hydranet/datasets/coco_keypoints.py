"""Persons' keypoints in a COCO JSON file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from hydranet.annotations import Keypoints
from hydranet.core.ledger import Ledger, Omission, add_up
from hydranet.core.sample import DataError, Sample
from hydranet.io.box_rows import is_number, json_numbers, objects, once, quoted
from hydranet.io.files import FileDataset, read_json
from hydranet.io.flags import flag
from hydranet.io.images import read_image
from hydranet.io.missing_file import named_by
from hydranet.io.paths import OutsideFolder, inside
from hydranet.io.point_rows import known_inside
from hydranet.io.shares import coco_boxes, refuse_shares, where_of
from hydranet.io.stated_size import stated_size

MOST_POINTS = 1024


@dataclass(frozen=True)
class Person:
    """One annotation, checked.

    xy: k rows of x and y.    visible: k; 0, 1, 2.    xyxy: left, top, right, bottom.    crowd: a group, to be ignored.
    """

    xy: tuple[tuple[float, float], ...]
    visible: tuple[int, ...]
    xyxy: tuple[float, float, float, float]
    area: float
    crowd: bool


@dataclass(frozen=True)
class Tables:
    """The file, checked.

    images:  path, and (height, width) where stated; in the file's order.    persons: by image, in that order.
    names:   of the points, in their order.    ledger: what was left out.
    """

    images: tuple[tuple[Path, tuple[int, int] | None], ...]
    persons: tuple[tuple[Person, ...], ...]
    names: tuple[str, ...]
    ledger: Ledger


@dataclass(frozen=True)
class CocoKeypoints(FileDataset):
    """Label "keypoints": all instances of one category, in the layout of COCO's person_keypoints files.

    root:        the folder.    annotations: JSON file, relative to root.    images: folder of the images.
    category:    whose points are read; annotations of other categories are left out.

    Left and right counterparts follow from the names of the points ("left_eye", "right_eye"). Points of v = 0 are
    unknown, 1 hidden, 2 visible; crowds are ignored. A person without a single known point keeps its box: it is neither
    background nor measured. Lin et al.: Microsoft COCO, ECCV 2014.
    """

    annotations: str = "annotations/person_keypoints_train2017.json"
    images: str = "train2017"
    category: str = "person"

    @cached_property
    def mirror(self) -> tuple[int, ...]:
        """For each point the index of its left-right counterpart."""
        return mirror_of(self._tables.names)

    @cached_property
    def _tables(self) -> Tables:
        file = self.folder / self.annotations
        tree = read_json(file)
        for name in ("images", "annotations", "categories"):
            if not isinstance(tree, dict) or not isinstance(tree.get(name), list):
                raise DataError(f"{file} has no list {name!r}; expected the JSON of COCO's keypoints")
        number, names = _category(tree["categories"], self.category, file)
        images: dict[int, tuple[Path, tuple[int, int] | None]] = {}
        for i, entry in enumerate(objects(tree["images"], {"id": int, "file_name": str}, f"{file}: images"), start=1):
            where = f"{file}: images, number {i}"
            try:
                path = inside(self.folder / self.images, entry["file_name"], follow_links=True)
            except OutsideFolder as error:
                raise DataError(f"{where}: {error}") from error
            if entry["id"] in images:
                raise DataError(f"{where}: image id {quoted(entry['id'])} occurs more than once; remove one")
            images[entry["id"]] = path, stated_size(entry.get("height"), entry.get("width"), where)
        if not images:
            raise DataError(f"{file} lists no images; check the annotations file")
        once([path.as_posix() for path, _ in images.values()], "file_name", str(file))
        persons, ledger = self._persons(tree["annotations"], images, (number, names), file)
        kept = dict(images)
        if self.on_error == "skip":
            kept = {key: image for key, image in images.items() if image[0].is_file()}
            missing = [path.name for key, (path, _) in images.items() if key not in kept]
            if missing:
                where = str(self.folder / self.images)
                ledger = ledger.noted(Omission.IMAGE_LEFT_OUT, where, "no such file", *missing)
        return Tables(tuple(kept.values()), tuple(tuple(persons[key]) for key in kept), names, ledger)

    def _persons(
        self, annotations: Any, images: Mapping[int, Any], category: tuple[int, Sequence[str]], file: Path
    ) -> tuple[dict[int, list[Person]], Ledger]:
        """By image the persons, and what was left out."""
        number, names = category
        persons: dict[int, list[Person]] = {key: [] for key in images}
        others, ledgers = 0, [Ledger()]
        entries = objects(annotations, {}, f"{file}: annotations")
        refuse_shares(coco_boxes(entries, file), "bbox")
        for i, entry in enumerate(entries, start=1):
            where = where_of(entry, i, file)
            try:
                image = entry.get("image_id")
                if not isinstance(image, int) or image not in persons:
                    raise DataError(f"{where}: no image has id {quoted(image)}; correct or remove it")
                if entry.get("category_id") != number:
                    others += 1
                    continue
                persons[image].append(parse_person(entry, len(names), where))
            except DataError as error:
                if self.on_error == "refuse":
                    raise
                reason = "a row that means nothing"
                ledgers.append(Ledger().noted(Omission.LABEL_IGNORED, str(file), reason, str(error)[:160]))
        if others:
            ledgers.append(Ledger().noted(Omission.LABEL_IGNORED, str(file), "of another category", count=others))
        return persons, add_up(ledgers)

    def ledger(self) -> Ledger:
        return super().ledger() + self._tables.ledger

    def __len__(self) -> int:
        return len(self._tables.images)

    def __getitem__(self, index: int) -> Sample:
        path, stated = self._tables.images[index]
        with named_by(self.folder / self.annotations):
            image = read_image(path)
        size = image.extent.size
        if image.extent.orientation != 1 or stated not in (None, size):
            written = "no size" if stated is None else f"{stated[1]}x{stated[0]} pixels"
            raise DataError(
                f"{self.folder / self.annotations} states {written} for {path.name}, the image has {size[1]}x{size[0]} "
                f"and EXIF orientation {image.extent.orientation}; points fit the labeled image alone: restore it"
            )
        persons, count = self._tables.persons[index], len(self._tables.names)
        xy = np.array([person.xy for person in persons], np.float32).reshape(-1, count, 2)
        visible = np.array([person.visible for person in persons], np.int64).reshape(-1, count)
        key = path.relative_to(self.folder).as_posix()
        known, ledger = known_inside(xy, visible, size, str(self.folder / self.annotations), [key] * len(persons))
        label = Keypoints(
            xy,
            known,
            area=np.array([person.area for person in persons], np.float32),
            xyxy=np.array([person.xyxy for person in persons], np.float32).reshape(-1, 4),
            ignore=np.array([person.crowd for person in persons], bool),
            mirror=self.mirror,
        )
        return Sample(image.rgb, {"keypoints": label}, key=key, ledger=ledger)


def mirror_of(names: Sequence[str]) -> tuple[int, ...]:
    """Counterparts by name: "left_x" and "right_x"; itself where there is none."""
    other = [name.replace("left", "right") if "left" in name else name.replace("right", "left") for name in names]
    return tuple(names.index(one) if one in names else i for i, one in enumerate(other))


def _category(entries: Any, wanted: str, file: Path) -> tuple[int, tuple[str, ...]]:
    """The id of the category and the names of its points. Raises DataError."""
    every = objects(entries, {"id": int, "name": str}, f"{file}: categories")
    chosen = [entry for entry in every if entry["name"] == wanted]
    if len(chosen) != 1:
        raise DataError(f"{file} has {len(chosen)} categories {wanted!r}, expected one; check the file and `category`")
    names = chosen[0].get("keypoints")
    if not isinstance(names, list) or not 0 < len(names) <= MOST_POINTS or not all(isinstance(n, str) for n in names):
        raise DataError(f"{file}: category {wanted!r} has keypoints {quoted(names)}, expected their names; restore it")
    once(names, "keypoint", f"{file}: category {wanted!r}")
    return chosen[0]["id"], tuple(names)


def parse_person(entry: Mapping[str, Any], count: int, where: str) -> Person:
    """One annotation of `count` points; bbox is left, top, width, height. Raises DataError."""
    values = json_numbers(entry.get("keypoints"), 3 * count, f"{where}: keypoints")
    visible = tuple(values[2::3])
    if any(one not in (0, 1, 2) for one in visible) or any(not abs(value) < 1e6 for value in values):
        raise DataError(f"{where}: keypoints hold a visibility or a place that cannot be; expected 0, 1, 2 and pixels")
    known = sum(one > 0 for one in visible)
    if entry.get("num_keypoints", known) != known:
        raise DataError(
            f"{where}: num_keypoints {quoted(entry['num_keypoints'])}, but {known} points have v > 0; correct it"
        )
    left, top, width, height = json_numbers(entry.get("bbox"), 4, f"{where}: bbox")
    area = entry.get("area", width * height)
    if not (0 <= width < 1e6 and 0 <= height < 1e6 and abs(left) < 1e6 and abs(top) < 1e6):
        raise DataError(
            f"{where}: bbox {quoted(entry['bbox'])}, expected left, top, width, height in pixels; correct it"
        )
    if not is_number(area) or not 0 <= area < 1e12:
        raise DataError(f"{where}: area {quoted(area)}, expected square pixels; correct it")
    return Person(
        tuple(zip(values[0::3], values[1::3], strict=True)),
        tuple(int(one) for one in visible),
        (left, top, left + width, top + height),
        float(area),
        flag(entry.get("iscrowd"), f"{where}: iscrowd"),
    )
