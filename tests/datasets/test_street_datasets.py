"""Cityscapes and SHIFT: ids, polygons, disparities and depths by hand; what is wrong is named."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from dataset_folders import HEIGHT, WIDTH, cityscapes, noise, shift
from hydranet.core.ledger import Omission
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.datasets.cityscapes import CLASSES, Cityscapes
from hydranet.datasets.shift import Shift

IDS = "gtFine/train/aachen/aachen_000000_000019_gtFine_labelIds.png"
POLYGONS = "gtFine/train/aachen/aachen_000001_000019_gtFine_polygons.json"
DISPARITY = "disparity/train/aachen/aachen_000000_000019_disparity.png"


def test_ids_become_those_that_are_trained(tmp_path: Path) -> None:
    dataset = cityscapes(tmp_path)
    stored = np.full((HEIGHT, WIDTH), 255, np.uint8)
    stored[0, :6] = [0, 7, 8, 10, 26, 33]
    cv2.imwrite(str(tmp_path / IDS), stored)
    ids = dataset[0].labels["semantic"].ids
    assert ids[0, :7].tolist() == [255, 0, 1, 255, 13, 18, 255]
    assert (CLASSES[0], CLASSES[13], CLASSES[18]) == ("road", "car", "bicycle")


def test_polygons_are_drawn_in_order(tmp_path: Path) -> None:
    ids = cityscapes(tmp_path)[1].labels["semantic"].ids
    assert ids[0, 0] == CLASSES.index("road")
    assert ids[3, 3] == CLASSES.index("car"), "of a group"
    assert ids[4, 4] == 255, "a license plate"
    assert (ids[20:] == 255).all(), "the own vehicle"


def test_disparities_are_256ths_and_zero_is_unknown(tmp_path: Path) -> None:
    dataset = cityscapes(tmp_path)
    stored = np.zeros((HEIGHT, WIDTH), np.uint16)
    stored[0, :3] = [1, 257, 2561]
    cv2.imwrite(str(tmp_path / DISPARITY), stored)
    sample = dataset[0]
    disparity = sample.labels["disparity"]
    np.testing.assert_allclose(disparity.values[0, :3], [0, 1, 10])
    assert np.isnan(disparity.values[1:]).all()
    assert disparity.unit == "px"
    assert sample.camera is not None
    assert sample.camera.focal_px == 20
    (tmp_path / DISPARITY).unlink()
    assert set(dataset[0].labels) == {"semantic"}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"imgHeight": HEIGHT + 1}, f"states {WIDTH}x{HEIGHT + 1} pixels, the image has {WIDTH}x{HEIGHT}"),
        ({"objects": [{"label": "boat", "polygon": []}]}, "number 1: label 'boat', expected one of Cityscapes'"),
        ({"objects": [{"label": "car", "polygon": [[1, "x"]]}]}, "point .*, expected two numbers"),
        ({"objects": None}, "objects is a NoneType, expected a list"),
    ],
)
def test_broken_polygons_are_named(tmp_path: Path, change: dict[str, object], sentence: str) -> None:
    dataset = cityscapes(tmp_path)
    file = tmp_path / POLYGONS
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(DataError, match=sentence):
        dataset[1]


def test_maps_of_other_sizes_and_types_are_refused(tmp_path: Path) -> None:
    dataset = cityscapes(tmp_path)
    cv2.imwrite(str(tmp_path / IDS), noise(34)[:-1])
    with pytest.raises(DataError, match="must be of one size"):
        dataset[0]
    cv2.imwrite(str(tmp_path / IDS), np.full((HEIGHT, WIDTH), 40, np.uint8))
    with pytest.raises(DataError, match="holds class ids"):
        dataset[0]
    cityscapes(tmp_path)
    cv2.imwrite(str(tmp_path / DISPARITY), noise())
    with pytest.raises(DataError, match="expected 16 bits per pixel"):
        dataset[0]


def test_images_without_labels_are_refused_or_counted(tmp_path: Path) -> None:
    dataset = cityscapes(tmp_path)
    (tmp_path / POLYGONS).unlink()
    with pytest.raises(DataError, match=r"missing file .*labelIds"):
        dataset[1]
    skipping = replace(dataset, on_error="skip")
    assert len(skipping) == 1
    assert skipping.ledger().count(Omission.IMAGE_LEFT_OUT) == 1
    with pytest.raises(SpecError, match="'vall'"):
        Cityscapes("x", split="vall")


def test_depth_is_a_number_of_24_bits(tmp_path: Path) -> None:
    dataset = shift(tmp_path)
    stored = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    stored[0, :3] = [(0, 0, 1), (0, 1, 0), (1, 0, 0)]  # blue, green, red
    stored[1] = 255
    cv2.imwrite(str(tmp_path / "images/train/front/depth/007b-4e72/00000000_depth_front.png"), stored)
    depth = dataset[0].labels["depth"]
    np.testing.assert_allclose(depth.values[0, :3], np.array([1, 256, 65536]) * 1000 / (2**24 - 1), rtol=1e-6)
    assert np.isnan(depth.values[1]).all(), "the sky"
    assert depth.unit == "m"


def test_shift_classes_boxes_and_camera(tmp_path: Path) -> None:
    dataset = shift(tmp_path)
    stored = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    stored[0, :3, 2] = [1, 7, 22]
    stored[..., :2] = 99
    cv2.imwrite(str(tmp_path / "images/train/front/semseg/007b-4e72/00000000_semseg_front.png"), stored)
    sample = dataset[0]
    ids = sample.labels["semantic"].ids
    names = dataset.classes["semantic"]
    assert [names[i] for i in ids[0, :3]] == ["building", "road", "terrain"]
    assert (ids[1:] == 255).all()
    assert sample.labels["detection"].xyxy.tolist() == [[2, 3, 9, 8]]
    assert dataset.classes["detection"][sample.labels["detection"].label[0]] == "car"
    assert sample.camera is not None
    assert sample.camera.matrix[0, 2] == 16
    assert set(replace(dataset, labels=("depth",))[0].labels) == {"depth"}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": "a.jpg"}, "expected a name such as 00000100_img_front.jpg"),
        ({"name": "x/../../1_img_front.jpg"}, "det_2d.json"),
        ({"intrinsics": {"focal": [1], "center": [0, 0]}}, "expected focal and center, two numbers each"),
        ({"labels": [{"category": "ship", "box2d": {"x1": 0, "y1": 0, "x2": 1, "y2": 1}}]}, "category 'ship'"),
        ({"labels": [{"category": "car"}]}, "label 1: box2d None"),
    ],
)
def test_broken_frames_are_named(tmp_path: Path, change: dict[str, object], sentence: str) -> None:
    dataset = shift(tmp_path)
    file = tmp_path / "images/train/front/det_2d.json"
    tree = json.loads(file.read_text())
    tree["frames"][0] |= change
    file.write_text(json.dumps(tree))
    with pytest.raises(DataError, match=sentence):
        dataset[0]


def test_packed_archives_are_named(tmp_path: Path) -> None:
    dataset = shift(tmp_path)
    place = tmp_path / "images/train/front"
    (place / "depth").rename(place / "packed")
    (place / "depth.zip").touch()
    with pytest.raises(DataError, match=r"no folder .*depth; unpack depth.zip there"):
        len(dataset)


def test_the_real_view(data_root: Path, tmp_path: Path) -> None:
    given = data_root / "shift_vis4d/discrete/images/val/front"
    place = tmp_path / "images/val/front"
    for kind in ("img", "semseg", "depth"):
        zipfile.ZipFile(given / f"{kind}.zip").extractall(place / kind)
    (place / "det_2d.json").write_bytes((given / "det_2d.json").read_bytes())
    dataset = Shift(str(tmp_path), split="val")
    (sample,) = (dataset[i] for i in range(len(dataset)))
    assert sample.size == (800, 1280)
    boxes, depth, ids = (sample.labels[name] for name in ("detection", "depth", "semantic"))
    assert len(boxes.xyxy) == 2
    road = ids.ids == dataset.classes["semantic"].index("road")
    sky = ids.ids == dataset.classes["semantic"].index("sky")
    assert road.mean() > 0.1
    assert np.isnan(depth.values[sky]).mean() > 0.9
    # the road is about a camera's height below: y f / z
    y = np.arange(800)[:, None] + 0.5 - 400
    height = (depth.values * y / 640)[road & (y > 100)]
    assert 1.2 < np.median(height) < 2.0
