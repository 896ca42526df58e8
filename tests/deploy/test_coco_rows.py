"""Boxes and points as COCO's annotations: what is not known is a number, too, and the JSON is one."""

import json

import numpy as np

from hydranet.annotations import Boxes, Keypoints
from hydranet.deploy.coco_rows import box_rows, point_rows
from hydranet.serving.web.coco import coco


def test_boxes_have_corner_sides_and_area() -> None:
    boxes = Boxes(np.float32([[1, 2, 4.5, 4]]), np.array([2]), score=np.float32([0.5]))
    assert box_rows(boxes) == [{"category_id": 2, "score": 0.5, "bbox": [1, 2, 3.5, 2], "area": 7.0}]


def test_what_coco_has_no_words_for_is_kept() -> None:
    boxes = Boxes(
        np.float32([[1, 2, 4, 4], [0, 0, 9, 9]]),
        np.array([0, 1]),
        score=np.float32([0.5, 0.25]),
        track=np.array([7, 3]),
        distance_m=np.float32([12.3456, np.nan]),
        value=np.float32([np.inf, 31]),
        value_unit="years",
    )
    first, second = box_rows(boxes)
    assert (first["track_id"], first["distance_m"], first["value"], first["value_unit"]) == (7, 12.346, None, "years")
    assert (second["track_id"], second["distance_m"], second["value"]) == (3, None, 31.0)
    answer = json.loads(json.dumps(coco({"cars": boxes}, {"cars": ("car", "bus")}, (20, 30), "a.png"), allow_nan=False))
    assert [row["distance_m"] for row in answer["annotations"]] == [12.346, None]
    points = Keypoints(np.float32([[[0, 0], [2, 2]]]), np.array([[2, 2]]), track=np.array([5]))
    assert point_rows(points)[0]["track_id"] == 5


def test_unknown_points_are_zeros_and_not_part_of_the_box() -> None:
    nan = np.nan
    points = Keypoints(np.float32([[[5, 6], [nan, nan], [8, 10]], [[nan, nan]] * 3]), np.array([[2, 0, 1], [0, 0, 0]]))
    first, second = point_rows(points)
    assert first["keypoints"] == [5, 6, 2, 0, 0, 0, 8, 10, 1]
    assert (first["num_keypoints"], first["bbox"], first["area"]) == (2, [5, 6, 3, 4], 12)
    assert (second["num_keypoints"], second["bbox"], second["area"]) == (0, [0, 0, 0, 0], 0)
    answer = coco({"pose": points}, {}, (20, 30), "a.png")
    assert json.loads(json.dumps(answer, allow_nan=False))["annotations"][0]["bbox"] == [5, 6, 3, 4]


def test_an_area_of_its_own_stays() -> None:
    points = Keypoints(np.float32([[[0, 0], [2, 2]]]), np.array([[2, 2]]), area=np.float32([77]))
    assert point_rows(points)[0]["area"] == 77
