"""Boxes as shares of the image, where a file should state pixels: refused by every reader, by all boxes of the file."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from dataset_folders import (
    CAR,
    bdd100k,
    coco,
    coco_keypoints,
    coco_tables,
    kitti_object,
    kitti_tracking,
    labelme,
    labelme_shape,
    shift,
    table,
    voc,
    voc_object,
    write,
)
from hydranet.core.dataset import Dataset
from hydranet.core.sample import DataError
from hydranet.datasets.table import Table
from hydranet.io.columns import BoxColumns, LineColumn, PointColumns
from hydranet.io.shares import are_shares

Corners = tuple[float, float, float, float]
SIDES = ("x1", "y1", "x2", "y2")


def coco_boxes(root: Path, boxes: Sequence[Corners]) -> Dataset:
    dataset, tables = coco(root), coco_tables()
    sized = [[x1, y1, x2 - x1, y2 - y1] for x1, y1, x2, y2 in boxes]
    tables["annotations"] = [
        {"id": 40 + i, "image_id": 7, "category_id": 9, "bbox": box} for i, box in enumerate(sized)
    ]
    write(root / "annotations/instances_train2017.json", json.dumps(tables))
    return dataset


def voc_boxes(root: Path, boxes: Sequence[Corners]) -> Dataset:
    dataset = voc(root)
    write(root / "Annotations/a.xml", f"<annotation>{''.join(voc_object('car', box) for box in boxes)}</annotation>")
    return dataset


def bdd_boxes(root: Path, boxes: Sequence[Corners]) -> Dataset:
    dataset = bdd100k(root)
    labels = [{"category": "car", "box2d": dict(zip(SIDES, box, strict=True))} for box in boxes]
    write(root / "det_labels.json", json.dumps([{"name": "a.jpg", "labels": labels}]))
    return dataset


def shift_boxes(root: Path, boxes: Sequence[Corners]) -> Dataset:
    dataset = shift(root)
    file = root / "images/train/front/det_2d.json"
    tree = json.loads(file.read_text())
    for frame in tree["frames"]:
        frame["labels"] = [{"category": "car", "box2d": dict(zip(SIDES, box, strict=True))} for box in boxes]
    write(file, json.dumps(tree))
    return dataset


def _kitti(box: Corners) -> str:
    words = CAR.split()
    return " ".join([*words[:4], *(f"{side:g}" for side in box), *words[8:]])


def kitti_boxes(root: Path, boxes: Sequence[Corners]) -> Dataset:
    dataset = kitti_object(root)
    write(root / "training/label_2/000000.txt", "\n".join(map(_kitti, boxes)))
    return dataset


def tracking_boxes(root: Path, boxes: Sequence[Corners]) -> Dataset:
    dataset = kitti_tracking(root)
    write(root / "label_02/0001.txt", "\n".join(f"0 {i} {_kitti(box)}" for i, box in enumerate(boxes)))
    return dataset


def table_boxes(root: Path, boxes: Sequence[Corners]) -> Dataset:
    table(root)
    write(root / "labels.csv", "\n".join(["image,x1,y1,x2,y2", *(f"a,{','.join(map(str, box))}" for box in boxes)]))
    return Table(str(root), labels={"detection": BoxColumns(SIDES, names=("car",))})


SHARES: list[Corners] = [(0.2, 0.3, 0.45, 0.6), (0.0, 0.0, 1.0, 1.0), (0.5, 0.5, 0.5, 0.75)]
READERS: dict[str, tuple[Callable[[Path, Sequence[Corners]], Dataset], str]] = {
    "coco": (coco_boxes, r"annotation 40: bbox \(0\.2, 0\.3, 0\.25, 0\.3\)"),
    "voc": (voc_boxes, r"a\.xml, object 1: a box \(0\.2, 0\.3, 0\.45, 0\.6\)"),
    "bdd": (bdd_boxes, r"a\.jpg, label 1: a box \(0\.2, 0\.3, 0\.45, 0\.6\)"),
    "shift": (shift_boxes, r"label 1: a box \(0\.2, 0\.3, 0\.45, 0\.6\)"),
    "kitti": (kitti_boxes, r"000000\.txt:1: a box \(0\.2, 0\.3, 0\.45, 0\.6\)"),
    "tracking": (tracking_boxes, r"0001\.txt:1: a box \(0\.2, 0\.3, 0\.45, 0\.6\)"),
    "table": (table_boxes, r"labels\.csv:2: a box \(0\.2, 0\.3, 0\.45, 0\.6\)"),
}


@pytest.mark.parametrize("reader", READERS)
def test_boxes_as_shares_are_refused_with_the_first_and_the_cure(tmp_path: Path, reader: str) -> None:
    make, first = READERS[reader]
    cure = "set relative=True in BoxColumns, or " if reader == "table" else ""
    expected = rf"{first}, and all others .* shares of the image, expected pixels; {cure}multiply by the image's width"
    with pytest.raises(DataError, match=expected):
        make(tmp_path, SHARES)[0]


@pytest.mark.parametrize("reader", READERS)
def test_small_boxes_in_pixels_are_read(tmp_path: Path, reader: str) -> None:
    """One pixel in the corner, alone or beside larger boxes, and a part of that pixel beside larger boxes."""
    make, _ = READERS[reader]
    corner = (1, 1, 1, 1) if reader == "voc" else (0, 0, 1, 1)
    added = 0.5 if reader in ("kitti", "tracking") else 0
    for i, boxes in enumerate([[corner], [corner, (2, 3, 9, 8)], [(0.2, 0.3, 0.45, 0.6), (2, 3, 9, 8)]]):
        read = make(tmp_path / str(i), boxes)[0].labels["detection"]
        assert len(read.xyxy) == len(boxes)
        if i < 2:
            np.testing.assert_allclose(read.xyxy[0], np.array([0, 0, 1, 1]) + added)


def test_boxes_of_persons_and_shapes_of_labelme_as_shares_are_refused(tmp_path: Path) -> None:
    coco_keypoints(tmp_path / "coco")
    file = tmp_path / "coco/annotations/person_keypoints_train2017.json"
    tree = json.loads(file.read_text())
    for one in tree["annotations"]:
        one["bbox"] = [0.25, 0.5, 0.25, 0.5]
    dataset = coco_keypoints(tmp_path / "coco")
    write(file, json.dumps(tree))
    with pytest.raises(DataError, match=r"annotation 0: bbox \(0\.25, 0\.5, 0\.25, 0\.5\), and all others"):
        len(dataset)
    shapes = labelme(tmp_path / "labelme")
    tree = json.loads((tmp_path / "labelme/a.json").read_text())
    tree["shapes"] = [labelme_shape("car", "rectangle", (0.5, 0.25), (0.75, 1.0))]
    write(tmp_path / "labelme/a.json", json.dumps(tree))
    with pytest.raises(DataError, match=r"a\.json: shape 1: points \(0\.5, 0\.25, 0\.75, 1\), and all others"):
        shapes[0]


def test_points_and_lines_of_a_table_as_shares_are_refused(tmp_path: Path) -> None:
    table(tmp_path)
    write(tmp_path / "labels.csv", "image,x0,y0,x1,y1,line\na,,,,,\na,.5,.25,1,1,.1 .9 .2 .5 -1 -1\n")
    with pytest.raises(DataError, match=r"labels\.csv:3: points \(0\.5, 0\.25, 1, 1\), and all others"):
        len(Table(str(tmp_path), labels={"points": PointColumns("x{}", "y{}", count=2)}))
    with pytest.raises(DataError, match=r"labels\.csv:3: a line \(0\.1, 0\.9, 0\.2, 0\.5\), and all others"):
        len(Table(str(tmp_path), labels={"lanes": LineColumn("line")}))


@pytest.mark.parametrize(
    ("numbers", "shares"),
    [([], False), ([0, 1, 1], False), ([0.5, 1.0], True), ([0.5, 1.005, -0.004], True), ([0.5, 1.02], False)],
)
def test_which_numbers_are_shares(numbers: list[float], shares: bool) -> None:
    assert are_shares(numbers) is shares
