"""BDD100K: boxes of road users, signs and lights in everyday driving."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from hydranet.annotations import NO_BOX
from hydranet.core.ledger import Ledger, Omission, add_up
from hydranet.core.sample import DataError, Sample
from hydranet.io.box_rows import BoxRow, OnError, boxes_inside, is_number, objects, once, quoted, read_rows
from hydranet.io.files import FileDataset, read_json
from hydranet.io.flags import flag
from hydranet.io.images import read_image
from hydranet.io.paths import OutsideFolder, inside
from hydranet.io.shares import refuse_shares, stated_sides

CLASSES = ("person", "rider", "car", "truck", "bus", "train", "motor", "bike", "traffic light", "traffic sign")
ALIASES = {"pedestrian": "person", "motorcycle": "motor", "bicycle": "bike"}
"""Names of the 2020 release mapped to those of 2018."""
IGNORED = ("other person", "other vehicle", "trailer")
SIDES = ("x1", "y1", "x2", "y2")
OTHER_SHAPES = ("poly2d", "rle", "box3d", "graph")
"""What a label of the Scalabel format may hold instead of a box."""


@dataclass(frozen=True)
class BddFrame:
    """One entry of the label file: the image and its boxes."""

    path: Path
    rows: tuple[BoxRow, ...]


@dataclass(frozen=True)
class Bdd100k(FileDataset):
    """BDD100K: boxes of 10 classes at 1280x720; "other person", "other vehicle" and "trailer" are ignored.

    root:        the folder.
    annotations: file relative to root: [{name, labels: [{category, box2d: {x1, y1, x2, y2}}]}] (Scalabel). A frame
                 whose list is empty or null shows nothing; an image that is not listed is not part of the data set.
    images:      folder of the images, relative to root.

    Yu et al.: BDD100K, CVPR 2020. License BSD 3 (labels), own terms (images).
    """

    annotations: str = "det_labels.json"
    images: str = "images"

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        return {"detection": CLASSES}

    @cached_property
    def _tables(self) -> tuple[tuple[BddFrame, ...], Ledger]:
        """The whole file, checked when it is first asked for."""
        file = self.folder / self.annotations
        entries = read_json(file)
        if isinstance(entries, dict):
            entries = entries.get("frames")
        if not isinstance(entries, list) or not entries:
            raise DataError(f"{file} holds no list of frames with names; check the root and the annotations file")
        frames, ledgers = [], []
        for entry in objects(entries, {"name": str}, f"{file}: frames"):
            where = f"{file}: {quoted(entry['name'])[1:-1]}"
            try:
                path = inside(self.folder / self.images, entry["name"], follow_links=True)
            except OutsideFolder as error:
                raise DataError(f"{file}: {error}") from error
            labels = entry.get("labels")
            boxes = [
                (i, label)
                for i, label in enumerate(objects([] if labels is None else labels, {}, where), start=1)
                if not _is_no_box(label)
            ]
            rows, ledger = _rows(boxes, where, str(file), self.on_error)
            frames.append(BddFrame(path, tuple(rows)))
            ledgers.append(ledger)
        refuse_shares(stated_sides(row for frame in frames for row in frame.rows), "a box")
        once([frame.path.as_posix() for frame in frames], "frame", str(file))
        if self.on_error == "skip":
            missing = [frame.path.name for frame in frames if not frame.path.is_file()]
            frames = [frame for frame in frames if frame.path.is_file()]
            if missing:
                where = str(self.folder / self.images)
                ledgers.append(Ledger().noted(Omission.IMAGE_LEFT_OUT, where, "no such file", *missing))
        return tuple(frames), add_up(ledgers)

    def ledger(self) -> Ledger:
        return super().ledger() + self._tables[1]

    def __len__(self) -> int:
        return len(self._tables[0])

    def __getitem__(self, index: int) -> Sample:
        frame = self._tables[0][index]
        image = read_image(frame.path)
        file, key = str(self.folder / self.annotations), frame.path.relative_to(self.folder).as_posix()
        boxes, ledger = boxes_inside(frame.rows, image.extent.size, file, self.on_error)
        return Sample(image.rgb, {"detection": boxes}, key=key, ledger=ledger)


def _rows(
    labels: Sequence[tuple[int, dict[str, Any]]], where: str, file: str, on_error: OnError
) -> tuple[list[BoxRow], Ledger]:
    return read_rows(labels, lambda item: parse_label(item[1], f"{where}, label {item[0]}"), file, on_error)


def _is_no_box(label: Mapping[str, Any]) -> bool:
    """Whether a label is a lane, an area or a mask, as the file's other fields say."""
    return label.get("box2d") is None and any(label.get(name) is not None for name in OTHER_SHAPES)


def parse_label(label: Mapping[str, Any], where: str) -> BoxRow:
    """One object with its box2d; corners are pixel edges. Raises DataError that says where."""
    category, box = label.get("category"), label.get("box2d")
    if box is None:
        keys = quoted(sorted(label))
        raise DataError(
            f"{where} has no box2d (keys: {keys}), expected one, or one of {', '.join(OTHER_SHAPES)}; correct it"
        )
    name = ALIASES.get(str(category), str(category))
    if not isinstance(box, dict) or not all(is_number(box.get(side)) for side in SIDES):
        raise DataError(f"{where}: box2d {quoted(box)}, expected numbers x1, y1, x2, y2; correct it")
    xyxy = (float(box["x1"]), float(box["y1"]), float(box["x2"]), float(box["y2"]))
    if name in IGNORED:
        return BoxRow(where, xyxy, NO_BOX, ignore=True)
    if name not in CLASSES:
        raise DataError(f"{where}: category {quoted(category)}, expected one of {', '.join(CLASSES)}; correct it")
    attributes = label.get("attributes")
    crowd = isinstance(attributes, dict) and flag(attributes.get("crowd"), f"{where}: crowd")
    return BoxRow(where, xyxy, CLASSES.index(name), ignore=crowd)
