"""COCO files as many tools write them: ids as text or with gaps, names with folders or from Windows."""

import json
from pathlib import Path

import pytest

from dataset_folders import coco, coco_tables, noise, write
from hydranet.core.sample import DataError
from hydranet.datasets.coco import Coco, parse_annotation


def changed(root: Path, **first: object) -> Coco:
    """A COCO folder whose first image entry has other fields."""
    coco(root)
    tables = coco_tables()
    tables["images"][0] |= first
    write(root / "annotations/instances_train2017.json", json.dumps(tables))
    return Coco(str(root))


@pytest.mark.parametrize("kind", [str, float, int])
def test_ids_may_be_text_or_numbers_on_either_side(tmp_path: Path, kind: type) -> None:
    coco(tmp_path)
    tables = coco_tables()
    for annotation in tables["annotations"]:
        annotation["image_id"] = kind(annotation["image_id"])
        annotation["category_id"] = kind(annotation["category_id"])
    if kind is float:
        tables["annotations"][0] |= {"image_id": 7.0, "category_id": 9.0}
    write(tmp_path / "annotations/instances_train2017.json", json.dumps(tables))
    if kind is str:
        for annotation in tables["annotations"]:
            annotation["image_id"] = str(annotation["image_id"])
    dataset = Coco(str(tmp_path))
    assert dataset.classes["detection"] == ("cat", "dog"), "ids have gaps and are sorted as numbers"
    assert dataset[0].labels["detection"].label.tolist() == [1, 0]


def test_names_may_come_from_windows_or_be_absolute_inside_the_folder(tmp_path: Path) -> None:
    write(tmp_path / "train2017/city/a.jpg", noise(channels=3))
    assert changed(tmp_path, file_name="city\\a.jpg")[0].key == "train2017/city/a.jpg"
    assert changed(tmp_path, file_name=f"{tmp_path}/train2017/city/a.jpg")[0].key == "train2017/city/a.jpg"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("/etc/a.jpg", "that is absolute"),
        ("../../a.jpg", r"with '\.\.' in it"),
        ("..\\..\\a.jpg", r"with '\.\.' in it"),
        ("C:\\data\\a.jpg", "with a backslash or a drive"),
        ("a\u0000.jpg", "with characters that cannot be printed"),
        ("\ud800.jpg", "with characters that cannot be printed"),
        ("", "that is empty or no text"),
        ("a" * 300 + ".jpg", "that is too long"),
    ],
)
def test_names_never_lead_out_of_the_folder(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(DataError, match=rf"images, number 1: got file name .* {reason}, expected a relative path"):
        len(changed(tmp_path, file_name=name))


@pytest.mark.parametrize(
    ("table", "entry", "message"),
    [
        ("images", {"id": True, "file_name": "a.jpg"}, "images, number 1: id True, expected a whole number or text"),
        ("categories", {"id": "car", "name": "car"}, "categories, number 1: id 'car', expected a whole number"),
        (
            "annotations",
            {"image_id": [7], "category_id": 9, "bbox": [1, 2, 3, 4]},
            r"annotation number 1: no image has id \[7\]",
        ),
        (
            "annotations",
            {"image_id": 7, "category_id": "dog", "bbox": [1, 2, 3, 4]},
            r"annotation number 1: category_id 'dog', expected one of \[2, 9\]",
        ),
    ],
)
def test_ids_of_another_kind_are_named(tmp_path: Path, table: str, entry: dict, message: str) -> None:
    coco(tmp_path)
    write(tmp_path / "annotations/instances_train2017.json", json.dumps({**coco_tables(), table: [entry]}))
    with pytest.raises(DataError, match=message):
        len(Coco(str(tmp_path)))


def test_an_annotation_of_no_image_can_be_skipped(tmp_path: Path) -> None:
    coco(tmp_path)
    tables = coco_tables()
    tables["annotations"][0]["image_id"] = 5
    write(tmp_path / "annotations/instances_train2017.json", json.dumps(tables))
    dataset = Coco(str(tmp_path), on_error="skip")
    assert len(dataset[0].labels["detection"].label) == 1
    assert "of an image that is not listed" in dataset.ledger().sentences()[0]


def test_a_box_that_cvat_turned_becomes_the_upright_one_around_it() -> None:
    def corners(**attributes: object) -> tuple[float, ...]:
        given = {"category_id": 3, "bbox": [10, 20, 8, 4], "attributes": {"occluded": False, **attributes}}
        return parse_annotation(given, {3: 0}, "here").xyxy

    assert corners() == corners(rotation=0.0) == corners(rotation=180) == corners(rotation="?") == (10, 20, 18, 24)
    assert corners(rotation=90.0) == pytest.approx((12, 18, 16, 26))
    assert corners(rotation=-30) == corners(rotation=330) == pytest.approx((9.536, 18.268, 18.464, 25.732), abs=1e-3)
