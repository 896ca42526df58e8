"""BDD100K: boxes of road users, signs and lights in everyday driving."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from hydranet.annotations import NO_BOX
from hydranet.core.sample import DataError, Sample
from hydranet.io.box_rows import BoxRow, boxes_of, objects, once
from hydranet.io.files import FileDataset, read_json, read_rgb

CLASSES = ("person", "rider", "car", "truck", "bus", "train", "motor", "bike", "traffic light", "traffic sign")
ALIASES = {"pedestrian": "person", "motorcycle": "motor", "bicycle": "bike"}
"""Names of the 2020 release mapped to those of 2018."""
IGNORED = ("other person", "other vehicle", "trailer")


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
    def frames(self) -> list[dict[str, Any]]:
        """The entries of the label file, in its order."""
        path = self.folder / self.annotations
        entries = read_json(path)
        if isinstance(entries, dict):
            entries = entries.get("frames")
        if not isinstance(entries, list) or not entries:
            raise DataError(f"{path} holds no list of frames with names; check the root and the annotations file")
        frames = objects(entries, {"name": str}, f"{path}: frames")
        once([frame["name"] for frame in frames], "frame", str(path))
        return frames

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Sample:
        frame = self.frames[index]
        path: Path = self.folder / self.images / frame["name"]
        image = read_rgb(path)
        where = f"{self.folder / self.annotations}: {frame['name']}"
        labels = enumerate(objects(frame.get("labels") or [], {}, where), start=1)
        rows = [parse_label(label, f"{where}, label {i}") for i, label in labels if label.get("box2d")]
        key = path.relative_to(self.folder).as_posix()
        return Sample(image, {"detection": boxes_of(rows, image.shape[:2])}, key=key)


def parse_label(label: Mapping[str, Any], where: str) -> BoxRow:
    """One object with its box2d; corners are pixel edges. Raises DataError that says where."""
    category, box = label.get("category"), label["box2d"]
    name = ALIASES.get(str(category), str(category))
    try:
        xyxy = (float(box["x1"]), float(box["y1"]), float(box["x2"]), float(box["y2"]))
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{where}: box2d {box}, expected numbers x1, y1, x2, y2; correct it") from error
    if name in IGNORED:
        return BoxRow(where, xyxy, NO_BOX, ignore=True)
    if name not in CLASSES:
        raise DataError(f"{where}: category {category!r}, expected one of {', '.join(CLASSES)}; correct it")
    attributes = label.get("attributes")
    crowd = isinstance(attributes, dict) and bool(attributes.get("crowd"))
    return BoxRow(where, xyxy, CLASSES.index(name), ignore=crowd)
