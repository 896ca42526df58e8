"""BDD100K: lane markings and drivable area of everyday driving, 1280x720."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hydranet.annotations import UNKNOWN_ID, Annotation, ClassMap, Polylines
from hydranet.core.ledger import Ledger, Omission, add_up
from hydranet.core.sample import DataError, Sample
from hydranet.core.spec import SpecError
from hydranet.io.bdd_labels import AREAS, LANE_ASPECTS, LANE_DIRECTIONS, Area, Lane, read_areas, read_lanes
from hydranet.io.box_rows import objects, once, quoted
from hydranet.io.class_map import IdCoding, Values, read_class_map
from hydranet.io.files import FileDataset, check_names, read_json
from hydranet.io.images import read_image
from hydranet.io.line_rows import polylines
from hydranet.io.listing import check_stems, listing
from hydranet.io.poly2d import fill

LABELS = ("drivable", "lanes", "lane_mask")
NO_LINE = "no line"
RELEASES = ("2020", "2018", "2018 by image")
AREA_MASKS = {
    "2020": ("labels/drivable/masks/{split}/{stem}.png", IdCoding(AREAS)),
    "2018": (
        "drivable_maps/labels/{split}/{stem}_drivable_id.png",
        IdCoding(AREAS, values={0: "background", 1: "direct", 2: "alternative", UNKNOWN_ID: None}),
    ),
}
"""Both releases number the classes, and not alike."""
LANE_MASKS = "labels/lane/masks/{split}/{stem}.png"
AREA_JSON = {
    "2020": "labels/drivable/polygons/drivable_{split}.json",
    "2018": "labels/bdd100k_labels_images_{split}.json",
}
LANE_JSON = {"2020": "labels/lane/polygons/lane_{split}.json", "2018": AREA_JSON["2018"]}
ONE_JSON = "labels/100k/{split}/{stem}.json"
BITS = {"category": (0, 3), "style": (4, 1), "direction": (5, 1)}
"""First bit and how many, in the bytes of lane masks; bit 3 says "no line"."""

Shapes = Mapping[str, list[Any] | None]


@dataclass(frozen=True)
class Bdd100kRoad(FileDataset):
    """`drivable`, ids of direct, alternative, background; `lanes`, curves; `lane_mask`, ids, 0 = "no line".

    root:       holds images/100k/SPLIT, and the labels as they were released.
    split:      "train", "val" or "test".    labels: which to read.
    release:    "2020": labels/drivable and labels/lane, masks and polygons; "2018": drivable_maps/labels and
                labels/bdd100k_labels_images_SPLIT.json; "2018 by image": labels/100k/SPLIT/NAME.json. `lane_mask` is in
                that of 2020 alone.
    areas:      whether `drivable` is read from "masks", or drawn from "polygons", later ones over earlier ones.
    aspect:     what the classes of lanes are: "category" (8), "direction" or "style".
    directions: lanes of other directions are left out of `lanes` and counted: stop lines and crosswalks are "vertical".
    images:     folder of the splits' images, relative to root.

    Curves run near to far; each edge of a marking may be one. An image that a label's file does not list has not that
    label; one without any is not part of the data set, and counted. With on_error="skip", a label of which one path
    means nothing is left out whole. Boxes: `Bdd100k`. Yu et al.: BDD100K, CVPR 2020. License BSD 3 (labels), own terms
    (images).
    """

    split: str = "train"
    labels: tuple[str, ...] = ("drivable", "lanes")
    release: Literal["2020", "2018", "2018 by image"] = "2020"
    areas: Literal["masks", "polygons"] = "masks"
    aspect: Literal["category", "direction", "style"] = "category"
    directions: tuple[str, ...] = LANE_DIRECTIONS
    images: str = "images/100k"

    def __post_init__(self) -> None:
        super().__post_init__()
        name = type(self).__name__
        check_names([self.split], ("train", "val", "test"), f"split of {name}")
        check_names(self.labels, LABELS, f"label of {name}")
        check_names([self.release], RELEASES, f"release of {name}")
        check_names([self.areas], ("masks", "polygons"), f"areas of {name}")
        check_names([self.aspect], LANE_ASPECTS, f"aspect of {name}")
        check_names(self.directions, LANE_DIRECTIONS, f"direction of {name}")
        if not self.labels:
            raise SpecError(f"{name} got no labels, expected some of {', '.join(LABELS)}")
        if "lane_mask" in self.labels and self.release != "2020":
            raise SpecError(f"{name}: release {self.release} has no lane masks; take that of 2020, or label lanes")

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        lanes = LANE_ASPECTS[self.aspect]
        names = {"drivable": AREAS, "lanes": lanes, "lane_mask": (NO_LINE, *lanes)}
        return {name: names[name] for name in self.labels}

    @property
    def _drawn(self) -> dict[str, Callable[[Any, str], list[Any]]]:
        """The labels whose paths are in JSON, with what reads them."""
        readers: dict[str, Callable[[Any, str], list[Any]]] = {"lanes": read_lanes}
        if self.areas == "polygons":
            readers["drivable"] = read_areas
        return {name: readers[name] for name in self.labels if name in readers}

    @cached_property
    def _tables(self) -> tuple[tuple[Path, ...], Mapping[str, Shapes], Ledger]:
        """Images; {label: {image name: its shapes, None = left out}}; what is not used."""
        folder = self.folder / self.images / self.split
        if not folder.is_dir():
            raise DataError(f"no folder {folder}; check the root, the split and `images`")
        files = listing(folder, "*")
        check_stems(files.images, folder)
        known = {path.name for path in files.images}
        tables, ledgers = dict[str, Shapes](), [files.ledger]
        if self.release != "2018 by image":
            for label, read in self._drawn.items():
                names = LANE_JSON if label == "lanes" else AREA_JSON
                tables[label], ledger = self._table(
                    self.folder / names[self.release].format(split=self.split), read, known
                )
                ledgers.append(ledger)
        everywhere = set(tables) != set(self.labels)
        listed = known if everywhere else {name for table in tables.values() for name in table}
        images = [path for path in files.images if path.name in listed]
        others = [path.name for path in files.images if path.name not in listed]
        if others:
            ledgers.append(Ledger().noted(Omission.IMAGE_LEFT_OUT, str(folder), "in no label file", *others))
        if not images:
            raise DataError(f"the label files of {self.split} in {self.folder} list none of its images; check the root")
        return tuple(images), tables, add_up(ledgers)

    def _table(
        self, file: Path, read: Callable[[Any, str], list[Any]], known: set[str]
    ) -> tuple[dict[str, list[Any] | None], Ledger]:
        entries = read_json(file)
        entries = entries.get("frames") if isinstance(entries, dict) else entries
        rows = objects(entries, {"name": str}, f"{file}: frames")
        once([row["name"] for row in rows], "frame", str(file))
        table, ledger = dict[str, list[Any] | None](), Ledger()
        for row in rows:
            name, where = row["name"], f"{file}: {quoted(row['name'])[1:-1]}"
            if name not in known and self.on_error == "refuse":
                raise DataError(f"{where} is not among the images of {self.split}; restore it or remove it")
            if name not in known:
                ledger = ledger.noted(Omission.IMAGE_LEFT_OUT, str(file), "no such file", quoted(name)[1:-1])
                continue
            table[name], left_out = self._shapes(read, row.get("labels"), where, str(file))
            ledger += left_out
        return table, ledger

    def _shapes(
        self, read: Callable[[Any, str], list[Any]], labels: Any, where: str, file: str
    ) -> tuple[list[Any] | None, Ledger]:
        try:
            shapes = read(labels, where)
        except DataError as error:
            if self.on_error == "refuse":
                raise
            return None, Ledger().noted(Omission.LABEL_IGNORED, file, "a path that means nothing", str(error)[:160])
        kept = [one for one in shapes if not isinstance(one, Lane) or self._asked_for(one)]
        ledger = Ledger()
        if len(kept) < len(shapes):
            wanted = f"lanes that are not {' or '.join(self.directions) or 'anything'}"
            ledger = ledger.noted(Omission.LABEL_IGNORED, file, wanted, count=len(shapes) - len(kept))
        return kept, ledger

    def _asked_for(self, lane: Lane) -> bool:
        return LANE_DIRECTIONS[lane.ids["direction"]] in self.directions

    def _of_image(self, label: str, path: Path) -> tuple[list[Any] | None, Ledger]:
        """The shapes of an image from its own file."""
        file = self._file(ONE_JSON, path)
        if self.on_error == "skip" and not file.is_file():
            return None, Ledger().noted(Omission.LABEL_IGNORED, str(file.parent), "no such file", file.name)
        tree = read_json(file)
        frames = tree.get("frames") if isinstance(tree, dict) else None
        if not isinstance(frames, list) or len(frames) != 1 or not isinstance(frames[0], dict):
            raise DataError(f"{file}: frames {quoted(frames)}, expected one, with its objects; restore the file")
        return self._shapes(self._drawn[label], frames[0].get("objects"), f"{file}: objects", str(file.parent))

    def _file(self, pattern: str, path: Path) -> Path:
        return self.folder / pattern.format(split=self.split, stem=path.stem)

    def ledger(self) -> Ledger:
        images, tables, ledger = self._tables
        ledger += super().ledger()
        for path in images:
            for label in self.labels:
                if label in self._drawn and label not in tables:
                    ledger += self._left_out(label, path)
                mask = self._mask_of(label, path)
                if mask is not None and self.on_error == "skip" and not mask.is_file():
                    ledger = ledger.noted(Omission.LABEL_IGNORED, str(mask.parent), "no such file", mask.name)
        return ledger

    def _left_out(self, label: str, path: Path) -> Ledger:
        """What an image's own file leaves out; a broken one adds nothing: reading its image names it."""
        try:
            return self._of_image(label, path)[1]
        except DataError:
            return Ledger()

    def _mask_of(self, label: str, path: Path) -> Path | None:
        """The mask that a label is read from; None = it is none."""
        if label == "lane_mask":
            return self._file(LANE_MASKS, path)
        if label == "drivable" and self.areas == "masks":
            return self._file(AREA_MASKS[self.release[:4]][0], path)
        return None

    def __len__(self) -> int:
        return len(self._tables[0])

    def __getitem__(self, index: int) -> Sample:
        images, tables, _ = self._tables
        path = images[index]
        image = read_image(path)
        labels = dict[str, Annotation]()
        for name in self.labels:
            mask = self._mask_of(name, path)
            if mask is None:
                shapes = tables[name].get(path.name) if name in tables else self._of_image(name, path)[0]
                if shapes is not None:
                    labels[name] = self._curves(shapes) if name == "lanes" else drawn(shapes, image.extent.size)
            elif self.on_error == "refuse" or mask.is_file():
                coding = AREA_MASKS[self.release[:4]][1] if name == "drivable" else lane_coding(self.aspect)
                labels[name] = read_class_map(mask, coding, image.extent)
        return Sample(image.rgb, labels, key=path.relative_to(self.folder).as_posix())

    def _curves(self, lanes: list[Lane]) -> Polylines:
        return polylines([lane.points.astype(np.float32) for lane in lanes], [lane.ids[self.aspect] for lane in lanes])


def drawn(areas: list[Area], size: tuple[int, int]) -> ClassMap:
    """Drivable areas as uint8 h w, later ones over earlier ones; the rest is background."""
    ids = np.full(size, AREAS.index("background"), np.uint8)
    for area in areas:
        fill(ids, area.points, area.id)
    return ClassMap(ids)


def lane_coding(aspect: str) -> IdCoding:
    """What the bytes of lane masks mean for one aspect: - - direction style none category category category."""
    names = LANE_ASPECTS[aspect]
    first, width = BITS[aspect]
    values: Values = {
        byte: NO_LINE if byte >> 3 & 1 else names[byte >> first & ((1 << width) - 1)]
        for byte in range(256)
        if byte >> 3 & 1 or byte < 64
    }
    return IdCoding((NO_LINE, *names), values=values)
