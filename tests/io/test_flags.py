"""Yes and no in label files: every usual spelling, and a sentence for the others."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from dataset_folders import bdd100k, coco, coco_keypoints, coco_tables, voc, voc_object, write
from hydranet.annotations import Boxes, Keypoints
from hydranet.core.dataset import Dataset
from hydranet.core.sample import DataError
from hydranet.datasets.bdd100k import Bdd100k
from hydranet.datasets.coco import Coco
from hydranet.datasets.coco_keypoints import CocoKeypoints
from hydranet.datasets.voc import Voc
from hydranet.io.flags import flag

YES, NO = (1, 1.0, True, "1", "1.0", "true", "True", " TRUE "), (0, 0.0, False, "0", "0.0", "false", "False", "", None)


def test_every_usual_spelling() -> None:
    assert [flag(value, "a") for value in YES] == [True] * len(YES)
    assert [flag(value, "a") for value in NO] == [False] * len(NO)


@pytest.mark.parametrize("value", [2, -1, 0.5, float("nan"), "yes", "2", "Unspecified", [], [1], {}])
def test_anything_else_is_one_sentence(value: object) -> None:
    with pytest.raises(DataError, match=r"^a\.json: iscrowd is .*, expected 0, 1, true or false; correct it$"):
        flag(value, "a.json: iscrowd")


def coco_flag(root: Path, value: object, name: str) -> Dataset:
    coco(root)
    annotation = {"id": 1, "image_id": 7, "category_id": 9, "bbox": [2, 3, 10, 5], name: value}
    write(root / "annotations/instances_train2017.json", json.dumps({**coco_tables(), "annotations": [annotation]}))
    return Coco(str(root))


def person_flag(root: Path, value: object) -> Dataset:
    file = root / coco_keypoints(root).annotations
    tree = json.loads(file.read_text())
    tree["annotations"] = [{**tree["annotations"][0], "iscrowd": value}]
    write(file, json.dumps(tree))
    return CocoKeypoints(str(root))


def voc_flag(root: Path, value: object) -> Dataset:
    voc(root)
    box = voc_object("car", (3, 4, 10, 12)).replace("<difficult>0<", f"<difficult>{value}<")
    write(root / "Annotations/a.xml", f"<annotation>{box}</annotation>")
    return Voc(str(root), names=("bike", "car"))


def bdd_flag(root: Path, value: object) -> Dataset:
    bdd100k(root)
    box = {"x1": 2, "y1": 3, "x2": 10, "y2": 5}
    label = {"category": "car", "box2d": box, "attributes": {"crowd": value}}
    write(root / "det_labels.json", json.dumps([{"name": "a.jpg", "labels": [label]}]))
    return Bdd100k(str(root))


FLAGS: dict[str, tuple[Callable[[Path, object], Dataset], str]] = {
    "coco": (partial(coco_flag, name="iscrowd"), "annotation 1: iscrowd"),
    "coco ignore": (partial(coco_flag, name="ignore"), "annotation 1: ignore"),
    "coco keypoints": (person_flag, "annotation 0: iscrowd"),
    "voc": (voc_flag, "object 1: difficult"),
    "bdd": (bdd_flag, "label 1: crowd"),
}


@pytest.mark.parametrize("kind", FLAGS)
def test_readers_know_text_from_truth(tmp_path: Path, kind: str) -> None:
    make, place = FLAGS[kind]
    for value, expected in (("0", False), ("False", False), ("1", True), ("True", True), ("1.0", True), (0.0, False)):
        (label,) = make(tmp_path, value)[0].labels.values()
        assert isinstance(label, Boxes | Keypoints)
        assert np.asarray(label.ignore).tolist() == [expected], value
    with pytest.raises(DataError, match=rf"{place} is 'perhaps', expected 0, 1, true or false; correct it"):
        make(tmp_path, "perhaps")[0]
