"""SHIFT: synthetic drives with depth, classes and boxes on the same image."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from hydranet.annotations import Annotation, ClassMap, ScalarMap
from hydranet.core.ledger import Ledger, Omission, add_up
from hydranet.core.sample import Camera, DataError, Sample
from hydranet.io.box_rows import BoxRow, boxes_inside, is_number, objects, once, quoted, read_rows
from hydranet.io.class_map import UNLISTED, IdCoding, check_size
from hydranet.io.files import FileDataset, check_names, read_json
from hydranet.io.images import read_map, read_unturned
from hydranet.io.paths import OutsideFolder, inside
from hydranet.io.shares import refuse_shares, stated_sides

CLASSES = (
    *("building", "fence", "other", "pedestrian", "pole", "road line", "road", "sidewalk", "vegetation", "vehicle"),
    *("wall", "traffic sign", "sky", "ground", "bridge", "rail track", "guard rail", "traffic light", "static"),
    *("dynamic", "water", "terrain"),
)
"""Of ids 1 to 22; 0 is unlabeled."""
CODING = IdCoding(CLASSES, values={0: None, **dict(enumerate(CLASSES, start=1))})

OBJECTS = ("pedestrian", "car", "truck", "bus", "motorcycle", "bicycle")
FARTHEST_M, NOTHING_M = 1000.0, 999.0
"""What the greatest stored depth means; from where on nothing stands there: the sky is stored as 999.9997 m."""
LABELS = ("detection", "semantic", "depth")
FOLDERS = {"semantic": "semseg", "depth": "depth"}
"""Of the labels that are images."""
SIDES = ("x1", "y1", "x2", "y2")


@dataclass(frozen=True)
class ShiftFrame:
    """One entry of det_2d.json: where its files are, its boxes and its camera."""

    video: str
    name: str
    rows: tuple[BoxRow, ...]
    camera: Camera | None


@dataclass(frozen=True)
class Shift(FileDataset):
    """Labels "detection" (6 classes), "semantic" (22 classes) and "depth" in meters, of one view.

    root:   holds images/SPLIT/VIEW/det_2d.json (Scalabel) and, unpacked from the archives beside it, img, semseg and
            depth, each VIDEO/00000100_img_front.jpg and so on. Such as ".../shift/discrete".
    split:  "train", "val", "test".    view: "front", "center", "left_90" ...
    labels: which labels to read: leave out those whose archives were not downloaded.

    Depth: 1000 (R + 256 G + 65536 B) / (2^24 - 1) m, unknown from 999 m on (the sky). Class ids are in the red channel.
    Sun et al.: SHIFT, CVPR 2022. CC BY-NC-SA 4.0.
    """

    split: str = "train"
    view: str = "front"
    labels: tuple[str, ...] = LABELS

    def __post_init__(self) -> None:
        super().__post_init__()
        check_names([self.split], ("train", "val", "test"), f"split of {type(self).__name__}")
        check_names(self.labels, LABELS, f"labels of {type(self).__name__}")

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        every = {"detection": OBJECTS, "semantic": CLASSES}
        return {name: names for name, names in every.items() if name in self.labels}

    @cached_property
    def _place(self) -> Path:
        try:
            place = inside(self.folder, f"images/{self.split}/{self.view}", follow_links=True)
        except OutsideFolder as error:
            raise DataError(f"{self.folder}: {error}") from error
        for kind in ("img", *(FOLDERS[name] for name in self.labels if name in FOLDERS)):
            if not (place / kind).is_dir():
                packed = f"unpack {kind}.zip there" if (place / f"{kind}.zip").is_file() else "check root and view"
                raise DataError(f"no folder {place / kind}; {packed}")
        return place

    @cached_property
    def _table(self) -> tuple[tuple[ShiftFrame, ...], Ledger]:
        file = self._place / "det_2d.json"
        tree = read_json(file)
        entries = tree.get("frames") if isinstance(tree, dict) else tree
        if not isinstance(entries, list) or not entries:
            raise DataError(f"{file} holds no list of frames; check the root, the split and the view")
        frames, ledgers = [], []
        for entry in objects(entries, {"name": str, "videoName": str}, f"{file}: frames"):
            where = f"{file}: {quoted(entry['videoName'])[1:-1]}/{quoted(entry['name'])[1:-1]}"
            if f"_img_{self.view}." not in entry["name"]:
                raise DataError(f"{where}: expected a name such as 00000100_img_{self.view}.jpg; correct it")
            given = entry.get("labels")
            items = list(enumerate(objects([] if given is None else given, {}, where), start=1))
            rows, ledger = read_rows(items, partial(_box, where), str(file), self.on_error)
            frames.append(ShiftFrame(entry["videoName"], entry["name"], tuple(rows), _camera(entry, where)))
            ledgers.append(ledger)
        refuse_shares(stated_sides(row for frame in frames for row in frame.rows), "a box")
        once([f"{frame.video}/{frame.name}" for frame in frames], "frame", str(file))
        if self.on_error == "skip":
            missing = [frame for frame in frames if not self._file(frame, "img").is_file()]
            frames = [frame for frame in frames if frame not in missing]
            if missing:
                names = [f"{frame.video}/{frame.name}" for frame in missing]
                where = str(self._place / "img")
                ledgers.append(Ledger().noted(Omission.IMAGE_LEFT_OUT, where, "no such file", *names))
        return tuple(frames), add_up(ledgers)

    def _file(self, frame: ShiftFrame, kind: str) -> Path:
        """The file of one kind ("img", "semseg", "depth"). Raises DataError for a name that leads elsewhere."""
        name = frame.name
        if kind != "img":
            stem = name.rpartition(".")[0]
            name = stem.replace(f"_img_{self.view}", f"_{kind}_{self.view}") + ".png"
        try:
            return inside(self._place / kind, f"{frame.video}/{name}", follow_links=True)
        except OutsideFolder as error:
            raise DataError(f"{self._place / 'det_2d.json'}: {error}") from error

    def ledger(self) -> Ledger:
        return super().ledger() + self._table[1]

    def __len__(self) -> int:
        return len(self._table[0])

    def __getitem__(self, index: int) -> Sample:
        frame = self._table[0][index]
        path = self._file(frame, "img")
        image = read_unturned(path)
        size = image.shape[0], image.shape[1]
        labels, ledger = dict[str, Annotation](), Ledger()
        if "detection" in self.labels:
            file = str(self._place / "det_2d.json")
            labels["detection"], ledger = boxes_inside(frame.rows, size, file, self.on_error)
        if "semantic" in self.labels:
            labels["semantic"] = read_classes(self._file(frame, "semseg"), size)
        if "depth" in self.labels:
            labels["depth"] = read_depth(self._file(frame, "depth"), size)
        return Sample(image, labels, frame.camera, key=path.relative_to(self.folder).as_posix(), ledger=ledger)


def _channels(file: Path, size: tuple[int, int]) -> np.ndarray:
    """uint8 h w 3 or 4, RGB first. Raises DataError."""
    stored = read_map(file)
    if stored.dtype != np.uint8 or stored.ndim != 3 or stored.shape[2] < 3:
        raise DataError(f"{file} holds {stored.dtype} {stored.shape}, expected red, green and blue bytes; restore it")
    check_size(file, stored, size)
    return stored


def read_classes(file: Path, size: tuple[int, int]) -> ClassMap:
    """Ids from the red channel. Raises DataError for one that SHIFT does not have."""
    red = np.ascontiguousarray(_channels(file, size)[..., 0])
    ids = cv2.LUT(red, CODING.table)
    if (ids == UNLISTED).any():
        foreign = np.unique(red[ids == UNLISTED]).tolist()
        raise DataError(f"{file} holds class ids {foreign[:20]}, expected 0..{len(CLASSES)}; restore it")
    return ClassMap(ids)


def read_depth(file: Path, size: tuple[int, int]) -> ScalarMap:
    """Meters along the camera's axis, NaN where nothing stands. Raises DataError."""
    red, green, blue = _channels(file, size)[..., :3].astype(np.float64).transpose(2, 0, 1)
    meters = FARTHEST_M * (red + 256 * green + 65536 * blue) / (2**24 - 1)
    return ScalarMap(np.where(meters < NOTHING_M, meters, np.nan).astype(np.float32), unit="m")


def _camera(entry: Mapping[str, Any], where: str) -> Camera | None:
    """The camera that a frame states, or None. Raises DataError for a broken one."""
    given = entry.get("intrinsics")
    if given is None:
        return None
    focal, center = (given.get(name) if isinstance(given, dict) else None for name in ("focal", "center"))
    for pair in (focal, center):
        if not isinstance(pair, list) or len(pair) != 2 or not all(map(is_number, pair)):
            raise DataError(f"{where}: intrinsics {quoted(given)}, expected focal and center, two numbers each")
    assert isinstance(focal, list)
    assert isinstance(center, list)
    try:
        return Camera(np.array([[focal[0], 0, center[0]], [0, focal[1], center[1]], [0, 0, 1]], np.float64))
    except DataError as error:
        raise DataError(f"{where}: {error}") from error


def _box(where: str, item: tuple[int, dict[str, Any]]) -> BoxRow:
    number, label = item
    where = f"{where}, label {number}"
    box, category = label.get("box2d"), label.get("category")
    if not isinstance(box, dict) or not all(is_number(box.get(side)) for side in SIDES):
        raise DataError(f"{where}: box2d {quoted(box)}, expected numbers x1, y1, x2, y2; correct it")
    if category not in OBJECTS:
        raise DataError(f"{where}: category {quoted(category)}, expected one of {', '.join(OBJECTS)}; correct it")
    x1, y1, x2, y2 = (float(box[side]) for side in SIDES)
    return BoxRow(where, (x1, y1, x2, y2), OBJECTS.index(category))
