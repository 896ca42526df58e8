"""Data sets of boxes in JSON, XML and text."""

import json
from pathlib import Path

import numpy as np
import pytest

from dataset_folders import HEIGHT, WIDTH, bdd100k, coco, coco_tables, kitti_object, noise, voc, voc_object, write, yolo
from hydranet.annotations import Boxes
from hydranet.core.dataset import Dataset
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.datasets.bdd100k import Bdd100k
from hydranet.datasets.coco import Coco
from hydranet.datasets.subset import Subset
from hydranet.datasets.voc import Voc, read_objects
from hydranet.datasets.yolo import Yolo
from hydranet.io.box_rows import once
from hydranet.io.files import read_json


def boxes(dataset: Dataset, index: int) -> Boxes:
    label = dataset[index].labels["detection"]
    assert isinstance(label, Boxes)
    return label


def test_bdd100k_names_of_both_releases(tmp_path: Path) -> None:
    dataset = bdd100k(tmp_path)
    label = boxes(dataset, 0)
    assert [dataset.classes["detection"][i] for i in label.label[:2]] == ["car", "person"]
    assert label.ignore.tolist() == [False, False, True]
    assert label.xyxy[0].tolist() == [2.5, 3, 9, 8]
    assert [len(boxes(dataset, i).label) for i in (1, 2)] == [0, 0]


def test_voc_counts_from_one(tmp_path: Path) -> None:
    label = boxes(voc(tmp_path), 0)
    assert label.xyxy.tolist() == [[0, 0, WIDTH, HEIGHT], [2, 3, 10, 12]]
    assert label.label.tolist() == [1, 0]
    assert label.ignore.tolist() == [False, True]


def test_coco_classes_are_in_the_order_of_ids(tmp_path: Path) -> None:
    dataset = coco(tmp_path)
    assert dataset.classes["detection"] == ("cat", "dog")
    label = boxes(dataset, 0)
    assert label.xyxy.tolist() == [[2, 3, 12, 8], [0, 0, 4, 5]]
    assert label.label.tolist() == [1, 0]
    assert label.ignore.tolist() == [False, True]
    assert len(boxes(dataset, 1).label) == 0


def test_yolo_is_in_shares_of_the_picture(tmp_path: Path) -> None:
    label = boxes(yolo(tmp_path), 0)
    assert label.xyxy.tolist() == [[12, 6, 20, 18], [0, 0, 8, 6]], "the second one is clipped"
    assert label.label.tolist() == [1, 0]


def bad_coco(root: Path, **changes: object) -> Coco:
    dataset, tables = coco(root), coco_tables()
    tables["annotations"][0] |= changes
    write(root / "annotations/instances_train2017.json", json.dumps(tables))
    return dataset


def bad_bdd(root: Path, **changes: object) -> Bdd100k:
    dataset = bdd100k(root)
    label = {"category": "car", "box2d": {"x1": 1, "y1": 1, "x2": 9, "y2": 9}} | changes
    write(root / "det_labels.json", json.dumps([{"name": "a.jpg", "labels": [label]}]))
    return dataset


def bad_voc(root: Path, text: str) -> Voc:
    dataset = voc(root)
    write(root / "Annotations/a.xml", f"<annotation>\n{text}\n</annotation>")
    return dataset


def bad_yolo(root: Path, text: str) -> Yolo:
    dataset = yolo(root)
    write(root / "labels/train/a.txt", text)
    return dataset


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda r: bad_coco(r, category_id=5),
            r"instances_train2017.json: annotation 1: category_id 5, expected one of",
        ),
        (lambda r: bad_coco(r, bbox=[1, 2, 3]), r"annotation 1: bbox \[1, 2, 3\], expected four numbers"),
        (lambda r: bad_coco(r, bbox=[5, 2, -3, 3]), r"annotation 1: bbox \[5, 2, -3, 3\] has a negative width"),
        (lambda r: bad_coco(r, bbox=[99, 2, 8, 3]), r"annotation 1: box .* is outside its image of 32x24"),
        (
            lambda r: bad_bdd(r, category="cat"),
            r"det_labels.json: a.jpg, label 1: category 'cat', expected one of person",
        ),
        (lambda r: bad_bdd(r, box2d={"x1": 1}), r"a.jpg, label 1: box2d .*expected numbers x1"),
        (lambda r: bad_bdd(r, box2d={"x1": 9, "y1": 1, "x2": 2, "y2": 3}), r"a.jpg, label 1: box .* has no area"),
        (
            lambda r: bad_voc(r, voc_object("tram", (1, 1, 5, 5))),
            r"a.xml, object 1: class 'tram', expected one of bike",
        ),
        (lambda r: bad_voc(r, voc_object("car", (8, 1, 5, 5))), r"a.xml, object 1: box \(7, 0, 5, 5\) has no area"),
        (lambda r: bad_voc(r, "<object><name>car</name></object>"), r"object 1 has no bndbox, expected xmin"),
        (lambda r: bad_voc(r, "<object>"), r"broken XML in .*a.xml: mismatched tag: line 3"),
        (lambda r: bad_yolo(r, "1 .5 .5 .1 .1\n2 .5 .5 .1 .1"), r"a.txt:2: class 2, expected 0\.\.1"),
        (lambda r: bad_yolo(r, "1 .5 .5 .1"), r"a.txt:1: 4 numbers, expected class, x, y"),
        (lambda r: bad_yolo(r, "1 .5 .5 nan .1"), r"a.txt:1: box .* not finite"),
        (lambda r: bad_yolo(r, "1 2.5 .5 .1 .1"), r"a.txt:1: box .* is outside its image"),
    ],
)
def test_bad_boxes_are_named_by_file_and_place(tmp_path: Path, make, message: str) -> None:
    dataset = make(tmp_path)
    with pytest.raises(DataError, match=message):
        dataset[0]


@pytest.mark.parametrize(
    ("make", "file"),
    [
        (bdd100k, "det_labels.json"),
        (coco, "annotations/instances_train2017.json"),
        (voc, "Annotations/a.xml"),
        (yolo, "labels/train/a.txt"),
        (bdd100k, "images/a.jpg"),
        (
            coco,
            "train2017/a.jpg, for an image that .*instances_train2017.json names; restore it",
        ),
    ],
)
def test_a_missing_file_is_named_and_never_an_empty_picture(tmp_path: Path, make, file: str) -> None:
    dataset = make(tmp_path)
    (tmp_path / file.partition(",")[0]).unlink()
    with pytest.raises(DataError, match=f"missing file .*{file}"):
        dataset[0]


def test_label_files_of_another_kind(tmp_path: Path) -> None:
    write(tmp_path / "broken.json", '[\n{"name": }]')
    write(tmp_path / "other.json", '{"names": []}')
    with pytest.raises(DataError, match=r"broken JSON in .*broken.json: .* at line 2, column 10"):
        len(Bdd100k(str(tmp_path), annotations="broken.json"))
    with pytest.raises(DataError, match=r"other.json holds no list of frames"):
        len(Bdd100k(str(tmp_path), annotations="other.json"))
    with pytest.raises(DataError, match=r"other.json has no list 'images'"):
        len(Coco(str(tmp_path), annotations="other.json"))
    write(tmp_path / "none.json", '{"images": [], "annotations": [], "categories": []}')
    with pytest.raises(DataError, match=r"none.json lists no images"):
        len(Coco(str(tmp_path), annotations="none.json"))


@pytest.mark.parametrize("kind", [Voc, Yolo])
def test_names_are_needed(kind: type[Voc] | type[Yolo]) -> None:
    with pytest.raises(SpecError, match="got no names; give the classes in the order of ids"):
        kind("anywhere")


def test_subsets(tmp_path: Path) -> None:
    whole = kitti_object(tmp_path)
    part = Subset(whole, "1-99")
    assert len(part) == 2
    assert part.classes == whole.classes
    assert np.array_equal(part[0].image, whole[1].image)
    with pytest.raises(DataError, match="none of the 3 samples is at '7-9'"):
        len(Subset(whole, "7-9"))


# --- real data ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dataset", "count"),
    [
        (Bdd100k("bdd100k"), 1198),
        (Coco("bdd100k_vis4d/detect", annotations="annotation_coco.json", images="images"), 4),
        (
            Voc(
                "carla_det",
                names=("vehicle", "bike", "motobike", "traffic_light", "traffic_sign"),
                images="images/train",
                annotations="labels/train",
            ),
            None,
        ),
    ],
    ids=["bdd100k", "coco", "carla"],
)
def test_real_folders(data_root: Path, monkeypatch: pytest.MonkeyPatch, dataset: Dataset, count: int | None) -> None:
    monkeypatch.setenv("HYDRANET_DATA", str(data_root))
    total = sum(len(boxes(dataset, i).label) for i in range(len(dataset)))
    assert total == count if count else total > 400


def test_unused_picture_is_not_part_of_bdd100k(tmp_path: Path) -> None:
    dataset = bdd100k(tmp_path)
    write(tmp_path / "images/not_listed.jpg", noise(channels=3))
    assert len(dataset) == 3


@pytest.mark.parametrize("text", ['["a", "b"]', "[1, 2]", '[{"name": 3}]'])
def test_a_list_of_something_else_is_named(tmp_path: Path, text: str) -> None:
    write(tmp_path / "det_labels.json", text)
    with pytest.raises(DataError, match=r"det_labels.json: frames, number 1: got .*, expected an object with name"):
        len(Bdd100k(str(tmp_path)))


@pytest.mark.parametrize(
    ("table", "rows"),
    [("images", ["a.jpg"]), ("images", [{"id": 1}]), ("annotations", ["x"]), ("categories", [{"name": "car"}])],
)
def test_tables_of_something_else_are_named(tmp_path: Path, table: str, rows: list) -> None:
    dataset = coco(tmp_path)
    write(tmp_path / "annotations/instances_train2017.json", json.dumps({**coco_tables(), table: rows}))
    with pytest.raises(DataError, match=f"instances_train2017.json: {table}, number 1: got .*, expected an object"):
        dataset[0]


def test_what_names_one_thing_occurs_once() -> None:
    once([1, "1", 2], "image id", "labels.json")
    with pytest.raises(DataError, match="image id 2 occurs more than once, expected each once; remove one"):
        once([1, 2, 2], "image id", "labels.json")


def test_json_that_is_nested_without_end_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "deep.json").write_text("[" * 100_000)
    with pytest.raises(DataError, match="nested too deeply"):
        read_json(tmp_path / "deep.json")


def test_xml_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text("<html></html>")
    with pytest.raises(DataError, match="holds <html>, expected <annotation>"):
        read_objects(tmp_path / "a.xml", ("car",))
    (tmp_path / "b.xml").write_text("<annotation><object><name>car</name></object></annotation>")
    with pytest.raises(DataError, match="object 1 has no bndbox"):
        read_objects(tmp_path / "b.xml", ("car",))
