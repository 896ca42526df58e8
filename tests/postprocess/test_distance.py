"""Distances of boxes from a depth map of the same image."""

import math
from dataclasses import replace

import numpy as np
import pytest

from hydranet.annotations import Boxes, ClassMap, ScalarMap
from hydranet.core.batch import stack
from hydranet.deploy.messages import message
from hydranet.postprocess.distance import distances, with_distances
from hydranet.transforms.view import View
from hydranet.transforms.warp import unwarp, warp_annotation
from hydranet.visualization.draw_instances import box_title

CAR = Boxes(np.array([[10.0, 10, 30, 20]]), np.array([0]), np.array([0.9], np.float32))


def scene() -> np.ndarray:
    """A car at 12 m in front of a road and a wall at 40 m; the box of the car has them at its border."""
    meters = np.full((40, 60), 40.0, np.float32)
    meters[12:18, 14:26] = 12.0
    return meters


def test_the_middle_of_a_box_counts_not_what_shows_at_its_border() -> None:
    assert np.median(scene()[10:20, 10:30]) == 40
    assert distances(CAR.xyxy, scene()).tolist() == [12]


def test_unknown_pixels_and_a_few_wild_ones_do_not_matter() -> None:
    meters = scene()
    meters[12:15] = np.nan
    meters[17, 15:20] = 0.1
    meters[16, 15] = np.inf
    assert distances(CAR.xyxy, meters).tolist() == [12]


def test_where_the_middle_is_unknown_the_whole_box_counts() -> None:
    meters = scene()
    meters[12:18, 14:26] = np.nan
    assert distances(CAR.xyxy, meters).tolist() == [40]


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ([20.2, 15.1, 20.4, 15.3], 12),  # smaller than a pixel
        ([-2.0, 10, 42, 20], 12),  # reaches out of the image: its middle counts
        ([100.0, 100, 120, 110], math.nan),  # outside
        ([-30.0, -30, -10, -10], math.nan),
        ([59.8, 39.8, 60.0, 40.0], 40),  # smaller than a pixel, in the last one
    ],
)
def test_boxes_of_any_size_and_place(box: list[float], expected: float) -> None:
    np.testing.assert_equal(distances(np.array([box]), scene()), np.float32([expected]))


def test_no_box_has_no_distance() -> None:
    assert distances(np.zeros((0, 4)), scene()).shape == (0,)


def test_answers_get_distances_where_a_head_gives_meters() -> None:
    answers = {"cars": CAR, "road": ClassMap(np.zeros((40, 60), np.uint8)), "depth": ScalarMap(scene(), "m")}
    complete = with_distances(answers)
    assert complete["cars"].distance_m.tolist() == [12]
    assert complete["road"] is answers["road"]
    for other in ({"cars": CAR}, {"cars": CAR, "disparity": ScalarMap(scene(), "px")}):
        assert with_distances(other)["cars"].distance_m is None


def test_a_distance_is_written_drawn_and_unknown_where_nobody_knows() -> None:
    two = Boxes(np.tile(CAR.xyxy, (2, 1)), np.array([0, 0]), distance_m=np.array([12.3456, np.nan], np.float32))
    assert [row["distance_m"] for row in message(two, ("car",))["boxes"]] == [12.346, None]
    assert "distance_m" not in message(CAR, ("car",))["boxes"][0]
    assert [box_title(two, i, ("car",)) for i in range(2)] == ["car 12.3 m", "car"]
    assert box_title(replace(CAR, distance_m=np.array([5.0])), 0, ("car",)) == "car 0.90 5.0 m"


def test_a_distance_is_divided_by_a_zoom_like_all_meters() -> None:
    box = replace(CAR, distance_m=np.array([12.0], np.float32))
    zoomed = View(np.diag([2.0, 2, 1]), (80, 120), 2.0)
    assert warp_annotation(box, zoomed, (40, 60)).distance_m.tolist() == [6]
    assert unwarp(warp_annotation(box, zoomed, (40, 60)), zoomed, (40, 60)).distance_m.tolist() == [12]


def test_stacked_beside_boxes_without_one_it_is_unknown() -> None:
    stacked = stack([replace(CAR, distance_m=np.array([12.0], np.float32)), CAR])
    assert stacked.distance_m[0].tolist() == [12]
    assert stacked.distance_m[1].isnan().all()
