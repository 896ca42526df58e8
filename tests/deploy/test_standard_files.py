"""Predictions in formats of others: the numbers in the files are the predictions'."""

import csv
import json
from pathlib import Path

import cv2
import numpy as np

from hydranet.annotations import Boxes, ClassMap, Keypoints, NormalMap, Polylines, Quantity, ScalarMap, Tag
from hydranet.deploy.standard_files import StandardFiles

NAMES = {"area": ("road", "car"), "cars": ("car", "bus"), "sign": ("stop", "yield"), "line": ("solid",)}


def test_every_kind_has_its_file(tmp_path: Path) -> None:
    meters = np.full((4, 6), 2.5, np.float32)
    meters[0, 0], meters[0, 1] = np.nan, 1e6
    normals = np.zeros((3, 4, 6), np.float32)
    normals[2] = -1
    normals[:, 0, 0] = np.nan
    points = np.array([[[1.0, 2], [3, 5], [np.nan, np.nan]]])
    files = StandardFiles(tmp_path, NAMES)
    for name in ("a", "deep/b"):
        files.add(
            name,
            (4, 6),
            {
                "area": ClassMap(np.array([[0, 1, 255, 0, 0, 0]] * 4, np.uint8)),
                "far": ScalarMap(meters, "m"),
                "up": NormalMap(normals),
                "cars": Boxes(np.array([[1.0, 2, 4, 6]]), np.array([1]), np.array([0.75])),
                "joints": Keypoints(points, np.array([[2, 1, 0]]), score=np.array([0.5])),
                "line": Polylines(np.array([[[1.0, 2], [3, 4]]]), np.array([[True, True]]), np.array([0])),
                "sign": Tag(np.array(1), np.array([0.2, 0.8])),
                "age": Quantity(np.array(31.25), "years"),
            },
        )
    lines = files.close()
    assert len(lines) == 8
    assert all(str(tmp_path) in line for line in lines)
    read = {
        name: cv2.imread(str(tmp_path / name / "deep/b.png"), cv2.IMREAD_UNCHANGED) for name in ("area", "far", "up")
    }
    assert read["area"][0].tolist() == [0, 1, 255, 0, 0, 0]
    assert read["far"].dtype == np.uint16
    assert read["far"][0].tolist() == [0, 65535, 640, 640, 640, 640]
    assert read["up"][0, 0].tolist() == [0, 0, 0]
    assert read["up"][1, 1].tolist() == [0, 128, 128], "blue, green, red of (0, 0, -1)"
    said = json.loads((tmp_path / "far/format.json").read_text())
    assert (said["pixels"], said["unit"], said["scale"]) == ("value in m x 256 in 16 bits, 0 = unknown", "m", 1 / 256)
    assert (said["least"], said["greatest"], said["pixels_beyond"]) == (1 / 256, 65535 / 256, 2)
    (line,) = (line for line in lines if "/far/" in line)
    assert line.endswith(
        "0 = unknown; 2 pixels were cut to 0.004 .. 255.996 m, which is all that 16 bits hold: --arrays keeps them"
    )
    coco = json.loads((tmp_path / "cars.coco.json").read_text())
    assert [image["file_name"] for image in coco["images"]] == ["a", "deep/b"]
    assert coco["categories"][1] == {"id": 2, "name": "bus"}
    second = coco["annotations"][1]
    assert (second["image_id"], second["category_id"], second["bbox"], second["score"]) == (2, 2, [1, 2, 3, 4], 0.75)
    joints = json.loads((tmp_path / "joints.coco.json").read_text())["annotations"][0]
    assert joints["keypoints"] == [1, 2, 2, 3, 5, 1, 0, 0, 0]
    assert joints["bbox"] == [1, 2, 2, 3]
    rows = {
        name: list(csv.DictReader((tmp_path / f"{name}.csv").read_text().splitlines()))
        for name in ("line", "sign", "age")
    }
    assert rows["line"][0] == {"image": "a", "class": "solid", "score": "1.0", "points": "1.00 2.00 3.00 4.00"}
    assert rows["sign"][1] == {"image": "deep/b", "class": "yield", "class_id": "1", "probability": "0.8"}
    assert rows["age"][0] == {"image": "a", "value": "31.25", "unit": "years"}


def test_a_table_of_lines_has_its_columns_where_none_was_found(tmp_path: Path) -> None:
    files = StandardFiles(tmp_path, NAMES)
    files.add("a", (4, 6), {"line": Polylines(np.zeros((0, 2, 2)), np.zeros((0, 2), bool))})
    files.close()
    assert (tmp_path / "line.csv").read_text() == "image,class,score,points\n"


def test_pycocotools_reads_the_boxes(tmp_path: Path) -> None:
    from pycocotools.coco import COCO

    files = StandardFiles(tmp_path, NAMES)
    files.add("a", (4, 6), {"cars": Boxes(np.array([[1.0, 2, 4, 6]]), np.array([1]), np.array([0.75]))})
    files.close()
    assert COCO(str(tmp_path / "cars.coco.json")).loadAnns([1])[0]["category_id"] == 2


def test_disparities_beyond_the_steps_and_below_zero_are_counted(tmp_path: Path) -> None:
    files = StandardFiles(tmp_path, {})
    values = np.array([[-0.5, 0.0, 0.001, 255.996, 256.0, 400.0, np.nan, np.inf]], np.float32)
    files.add("a", (1, 8), {"shift": ScalarMap(values, "px")})
    (line,) = files.close()
    stored = cv2.imread(str(tmp_path / "shift/a.png"), cv2.IMREAD_UNCHANGED)
    assert stored.tolist() == [[1, 1, 1, 65535, 65535, 65535, 0, 0]]
    assert "value in px x 256" in line
    assert "3 pixels were cut to 0.004 .. 255.996 px" in line
