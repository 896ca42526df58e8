"""Labels that mean nothing are found when their file is read: refused, or left out and counted."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dataset_folders import (
    CAR,
    bdd100k,
    camvid,
    coco,
    coco_tables,
    idd_lite,
    kitti_object,
    kitti_tracking,
    labelme,
    labelme_shape,
    noise,
    nyuv2,
    shift,
    voc,
    voc_object,
    write,
    yolo,
)
from hydranet.core.dataset import Dataset
from hydranet.core.ledger import Omission
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.data.check import check
from hydranet.datasets.bdd100k import Bdd100k
from hydranet.datasets.camvid import CamVid
from hydranet.datasets.coco import Coco
from hydranet.datasets.kitti_object import KittiObject
from hydranet.datasets.kitti_tracking import KittiTracking
from hydranet.datasets.labelme import Labelme
from hydranet.datasets.shift import Shift
from hydranet.datasets.table import Table
from hydranet.datasets.voc import Voc
from hydranet.datasets.yolo import Yolo
from hydranet.io.box_rows import BoxRow, boxes_inside
from hydranet.io.columns import BoxColumns

NAMES = ("bike", "car")


def coco_boxes(root: Path, *boxes: object) -> None:
    coco(root)
    tables = coco_tables()
    tables["annotations"] = [
        {"id": i, "image_id": 7, "category_id": 9, "bbox": box} for i, box in enumerate(boxes, start=1)
    ]
    write(root / "annotations/instances_train2017.json", json.dumps(tables))


def bdd_boxes(root: Path, *boxes: tuple[float, ...]) -> None:
    bdd100k(root)
    labels = [{"category": "car", "box2d": dict(zip(("x1", "y1", "x2", "y2"), box, strict=True))} for box in boxes]
    write(root / "det_labels.json", json.dumps([{"name": "a.jpg", "labels": labels}]))


def voc_boxes(root: Path, *boxes: tuple[float, ...]) -> None:
    voc(root)
    write(root / "Annotations/a.xml", f"<annotation>{''.join(voc_object('car', box) for box in boxes)}</annotation>")


def yolo_boxes(root: Path, *lines: str) -> None:
    yolo(root)
    write(root / "labels/train/a.txt", "\n".join(lines))


def kitti_boxes(root: Path, *lines: str) -> None:
    kitti_object(root)
    write(root / "training/label_2/000000.txt", "\n".join(lines))


def tracking_boxes(root: Path, *lines: str) -> None:
    kitti_tracking(root)
    write(root / "label_02/0001.txt", "\n".join(f"0 3 {line}" for line in lines))


FLAT, TURNED = CAR.replace("20.00", "4.00"), CAR.replace("20.00", "3.00")
BESIDE = CAR.replace("4.00", "40.00").replace("20.00", "50.00")
READERS: dict[str, tuple[Callable[..., None], type[Dataset], dict[str, object], tuple[object, object, object]]] = {
    # a good box, one without width, one that means nothing
    "coco": (coco_boxes, Coco, {}, ([2, 3, 10, 5], [2, 3, 0, 5], [2, 3, -4, 5])),
    "bdd": (bdd_boxes, Bdd100k, {}, ((2, 3, 10, 5), (2, 3, 2, 5), (9, 3, 2, 5))),
    "voc": (voc_boxes, Voc, {"names": NAMES}, ((3, 4, 10, 12), (3, 4, 2, 12), (9, 4, 2, 12))),
    "yolo": (yolo_boxes, Yolo, {"names": NAMES}, ("0 .5 .5 .1 .1", "0 .5 .5 0 .1", "0 .5 .5 16 12")),
    "kitti": (kitti_boxes, KittiObject, {"labels": ("detection",)}, (CAR, FLAT, TURNED)),
    "tracking": (tracking_boxes, KittiTracking, {"labels": ("detection",)}, (CAR, FLAT, TURNED)),
}


OUTSIDE = {
    "coco": [200, 3, 10, 5],
    "bdd": (200, 3, 210, 8),
    "voc": (200, 3, 210, 8),
    "yolo": "0 1.5 .5 .1 .1",
    "kitti": BESIDE,
    "tracking": BESIDE,
}
"""A box that lies beside its image."""


@pytest.mark.parametrize("kind", READERS)
def test_a_box_without_width_is_left_out_and_counted(tmp_path: Path, kind: str) -> None:
    make, cls, options, (good, flat, _) = READERS[kind]
    make(tmp_path, good, flat, good)
    dataset = cls(str(tmp_path), **options)
    assert len(dataset[0].labels["detection"].label) == 2
    ledger = dataset.ledger()
    assert ledger.count(Omission.LABEL_IGNORED) == 1
    assert "a box without width or height" in ledger.sentences()[0]


@pytest.mark.parametrize("kind", READERS)
def test_a_box_that_means_nothing_is_refused_or_skipped(tmp_path: Path, kind: str) -> None:
    make, cls, options, (good, _, wrong) = READERS[kind]
    make(tmp_path, good, wrong)
    with pytest.raises(DataError, match="correct it"):
        cls(str(tmp_path), **options)[0]
    dataset = cls(str(tmp_path), **options, on_error="skip")
    assert len(dataset[0].labels["detection"].label) == 1
    ledger = dataset.ledger()
    assert ledger.count(Omission.LABEL_IGNORED) == 1
    assert "a row that means nothing" in ledger.sentences()[0]
    with pytest.raises(SpecError, match=f"no on_error of {cls.__name__} is called 'ignore'"):
        cls(str(tmp_path), **options, on_error="ignore")


@pytest.mark.parametrize("kind", READERS)
def test_a_box_outside_its_image_is_refused_or_counted(tmp_path: Path, kind: str) -> None:
    make, cls, options, (good, _, _) = READERS[kind]
    make(tmp_path, good, OUTSIDE[kind], OUTSIDE[kind])
    with pytest.raises(DataError, match=r"outside its image of 32x24; remove it"):
        cls(str(tmp_path), **options)[0]
    sample = cls(str(tmp_path), **options, on_error="skip")[0]
    assert len(sample.labels["detection"].label) == 1
    (entry,) = sample.ledger.ranked()
    assert (entry.what, entry.reason, entry.count) == (Omission.LABEL_IGNORED, "a box outside its image", 2)


def test_boxes_outside_are_counted_by_shift_tables_and_labelme(tmp_path: Path) -> None:
    shift(tmp_path / "shift")
    file = tmp_path / "shift/images/train/front/det_2d.json"
    tree = json.loads(file.read_text())
    tree["frames"][0]["labels"] = [{"category": "car", "box2d": {"x1": 90, "y1": 3, "x2": 99, "y2": 9}}]
    write(file, json.dumps(tree))
    write(tmp_path / "table/images/a.png", noise(channels=3))
    write(tmp_path / "table/labels.csv", "image,x1,y1,x2,y2\na.png,90,3,99,9\n")
    labelme(tmp_path / "labelme")
    shapes = [labelme_shape("car", "rectangle", (90, 3), (99, 9)), labelme_shape("car", "rectangle", (4, 3), (4, 9))]
    tree = json.loads((tmp_path / "labelme/a.json").read_text())
    write(tmp_path / "labelme/a.json", json.dumps({**tree, "shapes": shapes}))
    reads = {"detection": "boxes", "semantic": "mask"}
    columns = BoxColumns(("x1", "y1", "x2", "y2"), names=("car",))
    for dataset, reasons in (
        (Shift(str(tmp_path / "shift"), labels=("detection",), on_error="skip"), {"a box outside its image": 1}),
        (
            Table(str(tmp_path / "table"), labels={"detection": columns}, on_error="skip"),
            {"a box outside its image": 1},
        ),
        (
            Labelme(str(tmp_path / "labelme"), names=("road", "car"), read=reads, background="road", on_error="skip"),
            {"a box outside its image": 1, "a box without width or height": 1, "a shape outside its image": 1},
        ),
    ):
        sample = dataset[0]
        assert len(sample.labels["detection"].label) == 0
        assert {entry.reason: entry.count for entry in sample.ledger.ranked()} == reasons


def test_a_check_of_data_says_boxes_outside(tmp_path: Path) -> None:
    yolo_boxes(tmp_path, "0 .5 .5 .1 .1", OUTSIDE["yolo"])
    *_, last = check(Yolo(str(tmp_path), names=NAMES, on_error="skip"))
    assert last.report is not None
    (entry,) = last.report.ledger.ranked()
    assert (entry.reason, entry.count) == ("a box outside its image", 1)


THIN = {
    "coco": [16, 3, 1e-9, 5],
    "bdd": (16, 3, 16 + 1e-9, 8),
    "voc": (17, 4, 16 + 1e-9, 12),
    "yolo": "0 .5 .5 1e-9 .1",
    "kitti": CAR.replace("4.00", "19.999999999"),
    "tracking": CAR.replace("4.00", "19.999999999"),
}
"""A box that is thinner than a step of float32."""


@pytest.mark.parametrize("kind", READERS)
def test_a_box_thinner_than_a_step_of_float32_is_an_empty_one(tmp_path: Path, kind: str) -> None:
    make, cls, options, (good, _, _) = READERS[kind]
    make(tmp_path, good, THIN[kind])
    dataset = cls(str(tmp_path), **options)
    assert len(dataset[0].labels["detection"].label) == 1
    (entry,) = dataset.ledger().ranked()
    assert (entry.reason, entry.count) == ("a box without width or height", 1)
    *_, last = check(dataset)
    assert last.report is not None
    assert last.report.broken == ()


def test_a_box_at_the_border_that_rounds_onto_it_is_outside() -> None:
    edge = BoxRow("a:1", (32 - 1e-9, 3, 40, 9), 0)
    with pytest.raises(DataError, match=r"a:1: box \(32, 3, 40, 9\) is outside its image of 32x24; remove it"):
        boxes_inside([edge], (24, 32), "a", "refuse")
    boxes, ledger = boxes_inside([edge], (24, 32), "a", "skip")
    assert len(boxes.label) == 0
    assert [entry.reason for entry in ledger.ranked()] == ["a box outside its image"]


def test_a_row_that_is_empty_in_pixels_alone_is_counted() -> None:
    boxes, ledger = boxes_inside([BoxRow("a:1", (30, 3, 30 + 1e-7, 9), 0)], (24, 32), "a", "refuse")
    assert len(boxes.label) == 0
    assert [(entry.reason, entry.count) for entry in ledger.ranked()] == [("a box without width or height", 1)]


def test_boxes_in_pixels_are_no_shares(tmp_path: Path) -> None:
    yolo_boxes(tmp_path, "0 .5 .5 16 12")
    with pytest.raises(DataError, match=r"a.txt:1: a box of 16 x 12 images, expected shares from 0 to 1"):
        Yolo(str(tmp_path), names=NAMES)[0]


def test_a_coco_file_is_checked_when_it_is_read(tmp_path: Path) -> None:
    coco_boxes(tmp_path, [2, 3, 10, 5], [2, 3, "wide", 5])
    with pytest.raises(DataError, match=r"annotation 2: bbox \[2, 3, 'wide', 5\], expected four numbers"):
        len(Coco(str(tmp_path)))
    coco_boxes(tmp_path, [2, 3, 10, float("nan")])
    with pytest.raises(DataError, match=r"annotation 1: box .* not finite"):
        len(Coco(str(tmp_path)))


def test_corners_instead_of_width_and_height_are_noticed(tmp_path: Path) -> None:
    coco_boxes(tmp_path, [2, 3, 30, 20], [10, 8, 31, 22], [1, 1, 9, 9])
    tables = json.loads((tmp_path / "annotations/instances_train2017.json").read_text())
    for image in tables["images"]:
        image |= {"width": 32, "height": 24}
    write(tmp_path / "annotations/instances_train2017.json", json.dumps(tables))
    with pytest.raises(DataError, match="boxes leave their images as left, top, width, height and fit as left, top, r"):
        len(Coco(str(tmp_path)))


def test_images_without_their_label_file_are_refused_or_counted(tmp_path: Path) -> None:
    for make, cls, options, file in (
        (yolo, Yolo, {"names": NAMES}, "labels/train/a.txt"),
        (voc, Voc, {"names": NAMES}, "Annotations/a.xml"),
        (camvid, CamVid, {}, "trainannot/a.png"),
    ):
        root = tmp_path / cls.__name__
        make(root)
        (root / file).unlink()
        with pytest.raises(DataError, match="missing file"):
            cls(str(root), **options)[0]
        dataset = cls(str(root), **options, on_error="skip")
        assert [dataset[i].key.endswith("b.png") or dataset[i].key.endswith("b.jpg") for i in range(len(dataset))] == [
            True
        ]
        assert dataset.ledger().count(Omission.IMAGE_LEFT_OUT) == 1
        assert "without a label file" in dataset.ledger().sentences()[0]


def test_no_label_file_at_all_is_an_error_even_when_skipping(tmp_path: Path) -> None:
    yolo(tmp_path)
    with pytest.raises(DataError, match=r"none of the 2 images in .* has a label file; check the root"):
        len(Yolo(str(tmp_path), names=NAMES, labels="nowhere", on_error="skip"))


def test_listed_images_that_are_not_there(tmp_path: Path) -> None:
    for make, cls, file in ((coco, Coco, "train2017/a.jpg"), (bdd100k, Bdd100k, "images/a.jpg")):
        root = tmp_path / cls.__name__
        make(root)
        count = len(cls(str(root)))
        (root / file).unlink()
        dataset = cls(str(root), on_error="skip")
        assert len(dataset) == count - 1
        assert dataset.ledger().count(Omission.IMAGE_LEFT_OUT) == 1
        assert "no such file" in dataset.ledger().sentences()[0]


def test_a_misspelt_box_is_no_label_without_box(tmp_path: Path) -> None:
    bdd100k(tmp_path)
    label = {"category": "car", "box2D": {"x1": 1, "y1": 1, "x2": 9, "y2": 9}}
    write(tmp_path / "det_labels.json", json.dumps([{"name": "a.jpg", "labels": [label]}]))
    with pytest.raises(DataError, match=r"label 1 has no box2d \(keys: \['box2D', 'category'\]\), expected one"):
        Bdd100k(str(tmp_path))[0]


def test_frames_of_tracking_are_numbers(tmp_path: Path) -> None:
    dataset = kitti_tracking(tmp_path)
    write(tmp_path / "image_02/0001/first.png", noise(channels=3))
    with pytest.raises(DataError, match=r"first.png is no frame number, expected names such as 000012.png"):
        len(KittiTracking(str(tmp_path)))
    assert isinstance(dataset, KittiTracking)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("P2: nan 0 15.5 0 0 20 11.5 0 0 0 1 0", "has focal lengths nan and 20 in P2|is not finite"),
        ("P2: inf 0 15.5 0 0 20 11.5 0 0 0 1 0", "has a number for P2 that is not finite"),
        ("P2: 0 0 15.5 0 0 20 11.5 0 0 0 1 0", "has focal lengths 0 and 20 in P2, expected more than 0"),
        ("P2: 20 0 15.5 0 0 -20 11.5 0 0 0 1 0", "has focal lengths 20 and -20 in P2, expected more than 0"),
    ],
)
def test_a_camera_without_a_focal_length_is_refused(tmp_path: Path, line: str, message: str) -> None:
    dataset = kitti_object(tmp_path)
    file = tmp_path / "training/calib/000000.txt"
    write(file, "\n".join([line, *file.read_text().splitlines()[1:]]))
    with pytest.raises(DataError, match=message):
        dataset[0]


def test_points_that_are_not_finite_are_left_out_of_a_scan(tmp_path: Path) -> None:
    kitti_object(tmp_path)
    points = np.array([[1e30, 1, 1, 0], [np.inf, 0, 0, 0], [10, 0, 0, 0]], np.float32)
    points.tofile(tmp_path / "training/velodyne/000000.bin")
    depth = KittiObject(str(tmp_path), depth="velodyne", labels=("depth",))[0].labels["depth"]
    assert np.isfinite(depth.values).sum() == 1


def ghosts(dataset: Dataset) -> list[tuple[int, tuple[str, ...]]]:
    entries = dataset.ledger().ranked()
    return [(one.count, one.examples) for one in entries if one.reason == "a label file without an image"]


def test_label_files_without_an_image_are_counted(tmp_path: Path) -> None:
    boxes = yolo(tmp_path / "yolo")
    write(tmp_path / "yolo/labels/train/classes.txt", "car\nperson\n")
    write(tmp_path / "yolo/labels/train/notes.txt", "")
    write(tmp_path / "yolo/labels/train/deep/c.TXT", "1 0.5 0.5 0.25 0.5\n")
    assert ghosts(boxes) == [(1, ("deep/c.TXT",))]
    objects = voc(tmp_path / "voc")
    write(tmp_path / "voc/Annotations/build.xml", "<project/>")
    write(tmp_path / "voc/Annotations/c.xml", f"<annotation>{voc_object('car', (1, 1, 4, 4))}</annotation>")
    assert ghosts(objects) == [(1, ("c.xml",))]
    labelme(tmp_path / "labelme")
    shapes = Labelme(str(tmp_path / "labelme"), names=("car", "road", "lane"))
    write(tmp_path / "labelme/deep/c.json", json.dumps({"shapes": [labelme_shape("car", "rectangle", (1, 1), (4, 4))]}))
    assert ghosts(shapes) == [(1, ("deep/c.json",))]


@pytest.mark.parametrize(
    ("make", "file"),
    [
        (camvid, "trainannot/zz.png"),
        (idd_lite, "gtFine/train/zz/9_label.png"),
        (kitti_object, "training/label_2/009999.txt"),
        (nyuv2, "train/label40/9999.png"),
    ],
)
def test_so_are_those_of_official_layouts(tmp_path: Path, make: Callable[[Path], Dataset], file: str) -> None:
    assert ghosts(make(tmp_path / "whole")) == []
    make(tmp_path)
    write(tmp_path / file, "" if file.endswith("txt") else noise())
    assert ghosts(make(tmp_path)) == [(1, (file,))]


def test_images_without_labels_are_not_label_files(tmp_path: Path) -> None:
    boxes = Yolo(yolo(tmp_path).root, names=("car", "person"), on_error="skip")
    write(tmp_path / "images/train/c.png", noise(channels=3))
    assert ghosts(boxes) == []
    assert [one.reason for one in boxes.ledger().ranked()] == ["without a label file"]
