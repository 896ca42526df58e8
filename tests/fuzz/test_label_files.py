"""Damaged label files: the outcome is a sample or one sentence that names the file, never another error.

HYDRANET_FUZZ multiplies the number of examples (1 = about a thousand in all, seeded).
"""

import json
import os
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from dataset_folders import (
    FOLDERS,
    bdd100k_road_2018,
    coco_tables,
    depth_picture,
    noise,
)
from hydranet.annotations import ScalarMap
from hydranet.core.dataset import Dataset
from hydranet.core.sample import DataError, Sample
from hydranet.core.spec import SpecError
from hydranet.datasets.bdd100k import Bdd100k
from hydranet.datasets.bdd100k_road import Bdd100kRoad
from hydranet.datasets.camvid import CamVid
from hydranet.datasets.cityscapes import Cityscapes
from hydranet.datasets.coco import Coco
from hydranet.datasets.coco_keypoints import CocoKeypoints
from hydranet.datasets.culane import CuLane
from hydranet.datasets.depth_maps import DepthMaps
from hydranet.datasets.face_keypoints import FaceKeypoints
from hydranet.datasets.gtsrb import Gtsrb
from hydranet.datasets.image_list import ImageList
from hydranet.datasets.kitti_object import KittiObject
from hydranet.datasets.kitti_tracking import KittiTracking
from hydranet.datasets.labelme import Labelme
from hydranet.datasets.masks import Masks
from hydranet.datasets.nyuv2 import NyuV2Examples
from hydranet.datasets.pseudo import Pseudo
from hydranet.datasets.shift import Shift
from hydranet.datasets.table import Table
from hydranet.datasets.tusimple import TuSimple
from hydranet.datasets.tusimple_masks import TuSimpleMasks
from hydranet.datasets.voc import Voc
from hydranet.datasets.yolo import Yolo
from hydranet.io.pseudo_label_cache import packed, unpack
from hydranet.io.pseudo_label_index import Made

EXAMPLES = 80
LONGEST_SENTENCE = 400

ODD_WORDS = (
    *("nan", "inf", "-inf", "1e999", "-1", "0", "1e308", "9" * 5000, "²", "٣", "", "true", "null", "0x10", "1_0"),
    *("../../etc/passwd", "a\u0000b", "\u2028", "\ud800", "[]", "{}", "-0.0", "1e-320", ":", '"', "<", ">", "&x;", "%"),
    *("\n", "\r", "\t", "\ufeff", "é", "999999999999999999999", "\x1b[31m"),
)
ODD_VALUES = (
    *(
        None,
        True,
        False,
        -1,
        0,
        1e308,
        -1e308,
        10**30,
        float("nan"),
        float("inf"),
        "",
        "x",
        "7",
        "-1",
        "\u0000",
        "../a",
    ),
    *("../a", "\ud800", [], {}, [[]], [1, 2], [1, 2, 3, 4], {"id": 1}, "a" * 500, 2**63, 2**64, 0.5),
)


@dataclass(frozen=True)
class Reader:
    """A data set and which of its files are damaged. make: its folder; None = the one in FOLDERS."""

    cls: type[Dataset]
    file: str
    kind: str
    make: Callable[[Path], Dataset] | None = None


READERS = {
    "yolo": Reader(Yolo, "labels/train/a.txt", "text"),
    "voc": Reader(Voc, "Annotations/a.xml", "text"),
    "coco": Reader(Coco, "annotations/instances_train2017.json", "json"),
    "coco bytes": Reader(Coco, "annotations/instances_train2017.json", "text"),
    "city classes": Reader(Cityscapes, "gtFine/train/aachen/aachen_000000_000019_gtFine_labelIds.png", "image"),
    "city polygons": Reader(Cityscapes, "gtFine/train/aachen/aachen_000001_000019_gtFine_polygons.json", "json"),
    "city disparity": Reader(Cityscapes, "disparity/train/aachen/aachen_000000_000019_disparity.png", "image"),
    "city camera": Reader(Cityscapes, "camera/train/aachen/aachen_000000_000019_camera.json", "json"),
    "shift boxes": Reader(Shift, "images/train/front/det_2d.json", "json"),
    "shift depth": Reader(Shift, "images/train/front/depth/007b-4e72/00000000_depth_front.png", "image"),
    "shift classes": Reader(Shift, "images/train/front/semseg/007b-4e72/00000000_semseg_front.png", "image"),
    "coco keypoints": Reader(CocoKeypoints, "annotations/person_keypoints_train2017.json", "json"),
    "face keypoints": Reader(FaceKeypoints, "training_keypoints.csv", "text"),
    "bdd": Reader(Bdd100k, "det_labels.json", "json"),
    "bdd bytes": Reader(Bdd100k, "det_labels.json", "text"),
    "bdd lanes": Reader(Bdd100kRoad, "labels/lane/polygons/lane_train.json", "json"),
    "bdd lanes bytes": Reader(Bdd100kRoad, "labels/lane/polygons/lane_train.json", "text"),
    "bdd lane mask": Reader(Bdd100kRoad, "labels/lane/masks/train/a.png", "image"),
    "bdd drivable mask": Reader(Bdd100kRoad, "labels/drivable/masks/train/a.png", "image"),
    "bdd of 2018": Reader(Bdd100kRoad, "labels/100k/train/a.json", "json", bdd100k_road_2018),
    "kitti labels": Reader(KittiObject, "training/label_2/000000.txt", "text"),
    "kitti calibration": Reader(KittiObject, "training/calib/000000.txt", "text"),
    "kitti depth": Reader(KittiObject, "training/depth_velo/000000.png", "image"),
    "tracking labels": Reader(KittiTracking, "label_02/0001.txt", "text"),
    "culane lines": Reader(CuLane, "driver_1/clip/a.lines.txt", "text"),
    "culane list": Reader(CuLane, "list/train_gt.txt", "text"),
    "tusimple": Reader(TuSimple, "label_data_0313.json", "text"),
    "tusimple instances": Reader(TuSimpleMasks, "gt_instance_image/0000.png", "image"),
    "class map": Reader(CamVid, "trainannot/a.png", "image"),
    "normals": Reader(NyuV2Examples, "three/norm_gt_000433.png", "image"),
    "signs": Reader(Gtsrb, "Final_Training/Images/00033/GT-00033.csv", "text"),
    "index of a cache": Reader(Pseudo, "cache/index.json", "json"),
    "masks": Reader(Masks, "masks/a.png", "image"),
    "numbers in png": Reader(DepthMaps, "depth/a.png", "image"),
    "numbers in tiff": Reader(DepthMaps, "depth/clip/b.tiff", "bytes"),
    "numbers in npy": Reader(DepthMaps, "depth/clip/c.npy", "bytes"),
    "table": Reader(Table, "labels.csv", "text"),
    "labelme": Reader(Labelme, "a.json", "json"),
    "labelme bytes": Reader(Labelme, "a.json", "text"),
    "list of images": Reader(ImageList, "train.txt", "text"),
    "boxes of a cache": Reader(Pseudo, "cache/cars/b.png.json", "json"),
}


def damaged_text(data: bytes, dice: random.Random) -> bytes:
    """Words replaced, lines doubled or cut, bytes flipped."""
    for _ in range(dice.randint(1, 3)):
        action = dice.randrange(5)
        if action < 2:
            words = re.split(rb"([\s<>:,\[\]{}]+)", data)
            words[dice.randrange(len(words))] = dice.choice(ODD_WORDS).encode("utf-8", "surrogatepass")
            data = b"".join(words)
        elif action == 2 and data:
            place = dice.randrange(len(data))
            data = data[:place] + bytes([dice.randrange(256)]) + data[place + 1 :]
        elif action == 3:
            data = data[: dice.randrange(len(data) + 1)]
        else:
            lines = data.splitlines(keepends=True) or [b""]
            lines.insert(dice.randrange(len(lines)), dice.choice(lines) * dice.randint(1, 3))
            data = b"".join(lines)
    return data


def damaged_json(tree: object, dice: random.Random) -> object:
    """One value somewhere replaced, removed or renamed."""
    if isinstance(tree, dict) and tree and dice.random() < 0.9:
        key = dice.choice(list(tree))
        action = dice.random()
        if action < 0.6:
            return {**tree, key: damaged_json(tree[key], dice)}
        rest = {name: value for name, value in tree.items() if name != key}
        return rest if action < 0.75 else {**rest, f"{key}x": tree[key]} if action < 0.9 else {**tree, key: tree}
    if isinstance(tree, list) and tree and dice.random() < 0.9:
        place = dice.randrange(len(tree))
        return [*tree[:place], damaged_json(tree[place], dice), *tree[place + 1 :]]
    return dice.choice(ODD_VALUES)


def damaged_image(data: bytes, dice: random.Random) -> bytes:
    """Bytes flipped, most of them in the header; an image of another type or size; a part cut off."""
    action = dice.randrange(5)
    if action == 0:
        dtype, shape = dice.choice([np.uint8, np.uint16]), dice.choice([(24, 32), (32, 24), (1, 1), (24, 32, 3)])
        return cv2.imencode(".png", np.full(shape, dice.randrange(256), dtype))[1].tobytes()
    if action == 1:
        return data[: dice.randrange(len(data) + 1)]
    bent = bytearray(data)
    for _ in range(dice.randint(1, 6)):
        place = dice.randrange(min(len(bent), 60)) if dice.random() < 0.7 else dice.randrange(len(bent))
        bent[place] = dice.randrange(256)
    return bytes(bent)


def damaged_bytes(data: bytes, dice: random.Random) -> bytes:
    """Bytes flipped, most of them at the beginning, or a part cut off."""
    if dice.randrange(4) == 0:
        return data[: dice.randrange(len(data) + 1)]
    bent = bytearray(data)
    for _ in range(dice.randint(1, 6)):
        bent[dice.randrange(min(len(bent), 130)) if dice.random() < 0.8 else dice.randrange(len(bent))] = (
            dice.randrange(256)
        )
    return bytes(bent)


def outcome(work: Callable[[], object], file: Path) -> None:
    """Runs; anything but a result, or one sentence that names the file or its folder, fails."""
    try:
        work()
    except (DataError, SpecError) as error:
        text = str(error)
        assert text.isprintable(), repr(text)
        names = (file.name, file.parent.name, file.stem)
        assert any(name in text for name in names), text
        # the folder of the test is not the reader's fault
        assert len(text.replace(str(file.parents[2]), "")) < LONGEST_SENTENCE, text


def damaged(reader: Reader, data: bytes, dice: random.Random) -> bytes:
    if reader.kind == "image":
        return damaged_image(data, dice)
    if reader.kind == "bytes":
        return damaged_bytes(data, dice)
    if reader.kind == "json":
        tree = json.loads(data)
        for _ in range(dice.randint(1, 3)):
            tree = damaged_json(tree, dice)
        return json.dumps(tree).encode()
    return damaged_text(data, dice)


def fuzz(test: Callable[..., None]) -> Callable[..., None]:
    """A seeded run of EXAMPLES examples times HYDRANET_FUZZ; a random seed beyond one."""
    factor = float(os.environ.get("HYDRANET_FUZZ", "1"))
    options = settings(
        max_examples=max(1, round(EXAMPLES * factor)),
        derandomize=factor <= 1,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    return options(given(st.integers(0, 2**48))(test))


@pytest.mark.parametrize("name", READERS)
def test_a_damaged_label_file_is_a_sample_or_a_sentence(tmp_path: Path, name: str) -> None:
    reader = READERS[name]
    dataset = (reader.make or FOLDERS[reader.cls])(tmp_path)
    file = tmp_path / reader.file
    whole = file.read_bytes()

    @fuzz
    def run(seed: int) -> None:
        file.write_bytes(damaged(reader, whole, random.Random(seed)))
        for on_error in ("refuse", "skip"):
            fresh = _again(dataset, on_error)
            outcome(lambda fresh=fresh: _read(fresh), file)
            outcome(lambda fresh=fresh: fresh.ledger().sentences(), file)

    run()


def _again(dataset: Dataset, on_error: str) -> Dataset:
    """The data set without what it has read before."""
    from dataclasses import fields, replace

    options = {"on_error": on_error} if "on_error" in {one.name for one in fields(dataset)} else {}
    return replace(dataset, **options)


def _read(dataset: Dataset) -> None:
    for index in range(min(len(dataset), 3)):
        assert isinstance(dataset[index], Sample)


def test_damaged_arrays_of_a_cache(tmp_path: Path) -> None:
    made = Made("ScalarMap", metadata={"unit": "px"})
    label = ScalarMap(np.ones((24, 32), np.float32), unit="px")
    whole = packed(label, made)
    file = tmp_path / "deep/cache/a.npz"
    file.parent.mkdir(parents=True)

    @fuzz
    def run(seed: int) -> None:
        dice = random.Random(seed)
        bent = bytearray(whole)
        for _ in range(dice.randint(1, 8)):
            bent[dice.randrange(len(bent))] = dice.randrange(256)
        file.write_bytes(bent[: dice.choice([len(bent), dice.randrange(len(bent))])])
        outcome(lambda: unpack(file, made, (24, 32)), file)

    run()


@pytest.mark.parametrize("kind", ["ScalarMap", "NormalMap", "ClassMap"])
def test_damaged_maps_of_a_cache(tmp_path: Path, kind: str) -> None:
    made = Made(kind, ("a", "b"), {"unit": "m"} if kind == "ScalarMap" else {})
    pixels = {"ScalarMap": depth_picture(), "NormalMap": noise(channels=3), "ClassMap": noise(2)}[kind]
    whole = cv2.imencode(".png", pixels)[1].tobytes()
    file = tmp_path / "deep/cache/a.png"
    file.parent.mkdir(parents=True)

    @fuzz
    def run(seed: int) -> None:
        file.write_bytes(damaged_image(whole, random.Random(seed)))
        outcome(lambda: unpack(file, made, (24, 32)), file)

    run()


def test_the_tables_that_are_damaged_are_whole_before() -> None:
    assert set(coco_tables()) == {"images", "annotations", "categories"}
