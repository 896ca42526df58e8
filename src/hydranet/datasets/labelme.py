"""Shapes that people drew with labelme, one JSON file per image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hydranet.annotations import UNKNOWN_ID, Annotation, ClassMap
from hydranet.core.ledger import Ledger, Omission
from hydranet.core.sample import DataError, Sample
from hydranet.core.spec import SpecError, unknown
from hydranet.io.box_rows import BoxRow, boxes_inside, is_number, objects, quoted, read_rows
from hydranet.io.columns import polylines_of
from hydranet.io.files import ledger_of, read_json
from hydranet.io.images import read_image
from hydranet.io.pairs import PairedFiles
from hydranet.io.polygon import fill
from hydranet.io.shares import refuse_shares
from hydranet.io.stated_size import stated_size

Reading = Literal["boxes", "mask", "lines"]
SHAPES: Mapping[str, tuple[str, ...]] = {
    "boxes": ("rectangle", "polygon", "circle"),
    "mask": ("polygon", "rectangle", "circle"),
    "lines": ("linestrip", "line"),
}
"""The types of shapes that each reading uses."""

AS_BOXES: Mapping[str, Reading] = {"detection": "boxes"}
AS_LINES: Mapping[str, Reading] = {"lanes": "lines"}
"""Usual readings."""

LEAST_POINTS = {"polygon": 3, "rectangle": 2, "circle": 2, "linestrip": 2, "line": 2}
FARTHEST_PX = 1e6
"""A point this far from its image is none."""


@dataclass(frozen=True, eq=False)
class Shape:
    """One shape: name of its class, type, points (float p 2, pixels from the image's corner), and where it is from."""

    where: str
    label: str
    type: str
    points: np.ndarray

    def outline(self) -> np.ndarray:
        """float p 2: the corners of what it encloses."""
        if self.type == "rectangle":
            (left, top), (right, bottom) = self.points.min(0), self.points.max(0)
            return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
        if self.type == "circle":
            radius = np.linalg.norm(self.points[1] - self.points[0])
            angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
            return self.points[0] + radius * np.stack([np.cos(angle), np.sin(angle)], 1)
        return self.points


@dataclass(frozen=True)
class Labelme(PairedFiles):
    """labelme: rectangles, polygons, circles and lines.

    root, images, labels, rename, ending: which JSON file belongs to which image, see `io.pairs`.
    names:      the classes, in the order of ids.
    read:       {name of a label: "boxes" (around rectangles, polygons, circles), "mask" (a class per pixel, later
                shapes over earlier ones) or "lines"}.
    background: the class of pixels outside all shapes, for masks; None = they are unknown.

    Shapes of other types, and of classes that `names` does not have, are left out and counted.
    Wada: labelme, https://github.com/wkentaro/labelme.
    """

    images: str = "."
    labels: str = "."
    names: tuple[str, ...] = ()
    read: Mapping[str, Reading] = field(default_factory=lambda: dict(AS_BOXES))
    background: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.names:
            raise SpecError(
                "Labelme got no names; give the classes in the order of ids, such as names=('car', 'person')"
            )
        for name, reading in self.read.items():
            if reading not in SHAPES:
                raise SpecError(unknown(str(reading), SHAPES, f"reading of label {name!r}"))
        if self.background is not None and self.background not in self.names:
            raise SpecError(unknown(self.background, self.names, "class (in background)"))

    def label_suffixes(self) -> tuple[str, ...]:
        return (".json",)

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        return dict.fromkeys(self.read, self.names)

    @cached_property
    def _used(self) -> set[str]:
        return {kind for reading in self.read.values() for kind in SHAPES[reading]}

    def ledger(self) -> Ledger:
        """What is left out of all files; reads every one; a broken one is named when its image is read."""
        files = [path for path in self.pairs.labels if path is not None]
        return super().ledger() + ledger_of(files, lambda path: self._shapes(path)[2])

    def _shapes(self, file: Path) -> tuple[list[Shape], tuple[int, int] | None, Ledger]:
        """The shapes of a file that are used, the image's height and width as it states them, and what is left out."""
        tree = read_json(file)
        if not isinstance(tree, dict) or "shapes" not in tree:
            raise DataError(f"{file} has no 'shapes', expected the JSON of labelme; restore or remove it")
        shapes, ledger = list[Shape](), Ledger()
        for i, entry in enumerate(objects(tree["shapes"], {"label": str}, f"{file}: shapes"), start=1):
            where, kind = f"{file}: shape {i}", str(entry.get("shape_type") or "polygon")
            if kind not in self._used or entry["label"] not in self.names:
                reason = "of a class that names does not have" if kind in self._used else "of a shape that is not read"
                ledger = ledger.noted(Omission.LABEL_IGNORED, str(file.parent), reason, entry["label"][:40])
                continue
            try:
                shapes.append(Shape(where, entry["label"], kind, _points(entry.get("points"), kind, where)))
            except DataError as error:
                if self.on_error == "refuse":
                    raise
                reason = "a shape that means nothing"
                ledger = ledger.noted(Omission.LABEL_IGNORED, str(file.parent), reason, str(error)[:160])
        refuse_shares(((shape.where, shape.points.ravel().tolist()) for shape in shapes), "points")
        stated = stated_size(tree.get("imageHeight"), tree.get("imageWidth"), str(file))
        return shapes, stated, ledger

    def __getitem__(self, index: int) -> Sample:
        path, file = self.frames[index], self.label_file(index)
        image = read_image(path)
        shapes, stated, _ = self._shapes(file)
        size = image.extent.size
        if stated is not None and stated != size:
            raise DataError(
                f"{file} states {stated[1]}x{stated[0]} pixels, the image has {size[1]}x{size[0]} upright; label it "
                "again, or restore the image"
            )
        labels, ledger = dict[str, Annotation](), Ledger()
        for name, reading in self.read.items():
            used = [shape for shape in shapes if shape.type in SHAPES[reading]]
            labels[name], left_out = self._label(reading, used, size, str(file.parent))
            ledger += left_out
        return Sample(image.rgb, labels, key=path.relative_to(self.folder).as_posix(), ledger=ledger)

    def _label(
        self, reading: Reading, used: Sequence[Shape], size: tuple[int, int], folder: str
    ) -> tuple[Annotation, Ledger]:
        """The shapes as one label, and what was left out of it."""
        if reading == "lines":
            lines = [shape.points.astype(np.float32) for shape in used]
            return polylines_of(lines, np.array([self.names.index(shape.label) for shape in used], np.int64)), Ledger()
        if reading == "boxes":
            rows, empty = read_rows(used, self._box, folder, self.on_error)
            boxes, outside = boxes_inside(rows, size, folder, self.on_error)
            return boxes, empty + outside
        ids = np.full(size, UNKNOWN_ID if self.background is None else self.names.index(self.background), np.uint8)
        for shape in used:
            fill(ids, shape.outline(), self.names.index(shape.label))
        beside = [shape.where for shape in used if _is_outside(shape.outline(), size)]
        ledger = Ledger()
        if beside:
            ledger = ledger.noted(Omission.LABEL_IGNORED, folder, "a shape outside its image", *beside)
        return ClassMap(ids), ledger

    def _box(self, shape: Shape) -> BoxRow:
        outline = shape.outline()
        (left, top), (right, bottom) = outline.min(0).tolist(), outline.max(0).tolist()
        return BoxRow(shape.where, (left, top, right, bottom), self.names.index(shape.label))


def _is_outside(outline: np.ndarray, size: tuple[int, int]) -> bool:
    """Whether an outline lies beside an image of `size` (height, width)."""
    return bool((outline.max(0) <= 0).any() or (outline.min(0) >= size[::-1]).any())


def _points(value: Any, kind: str, where: str) -> np.ndarray:
    """float p 2. Raises DataError for anything but enough points of two finite numbers."""
    least = LEAST_POINTS[kind]
    good = isinstance(value, list) and len(value) >= least
    good = good and all(isinstance(p, list) and len(p) == 2 and all(map(is_number, p)) for p in value)
    if not good:
        raise DataError(f"{where}: points {quoted(value)}, expected {least} or more [x, y]; correct it")
    points = np.array(value, dtype=np.float64)
    if np.abs(points).max() > FARTHEST_PX:
        raise DataError(f"{where}: points {quoted(value)}, expected pixels of the image; correct it")
    return points
