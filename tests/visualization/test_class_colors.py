"""Colors of classes: by name, as people know them, and apart from each other."""

import itertools

import numpy as np
import pytest

from hydranet.datasets.camvid import CLASSES as CAMVID
from hydranet.datasets.nyuv2 import CLASSES as NYU
from hydranet.datasets.scenes.classes import SEMANTIC
from hydranet.visualization.class_colors import class_colors, colors_of, is_background, line_colors
from hydranet.visualization.primitives import LUMINANCE, lab_of


def test_the_order_of_classes_changes_no_color() -> None:
    names = ["road", "sky", "goose", "armchair", "teapot"]
    by_name = dict(zip(names, class_colors(names), strict=True))
    for order in itertools.permutations(names):
        assert class_colors(order) == [by_name[name] for name in order]


def test_what_people_know_has_its_usual_color() -> None:
    assert class_colors(["road", "sky", "car"]) == [(128, 64, 128), (70, 130, 180), (0, 0, 142)]
    assert class_colors(["Traffic_Sign"]) == class_colors(["sign"])
    assert class_colors(["pavement"]) == class_colors(["sidewalk"])


def test_a_class_keeps_its_color_in_another_list() -> None:
    assert class_colors(["none", "solid", "dashed"])[1:] == class_colors(["solid", "dashed"])


@pytest.mark.parametrize("names", [SEMANTIC, CAMVID, NYU], ids=("scenes", "camvid", "nyuv2"))
def test_classes_of_one_list_can_be_told_apart(names: tuple[str, ...]) -> None:
    lab = lab_of(np.array(class_colors(names)) / 255)
    distance = np.linalg.norm(lab[:, None] - lab, axis=-1) + 1000 * np.eye(len(names))
    assert distance.min() > 10


def test_more_classes_than_colors_are_drawn_all_the_same() -> None:
    assert len(class_colors([f"class number {i}" for i in range(300)])) == 300
    assert len(colors_of(None, ("road",), 4)) == 5
    assert colors_of([(1, 2, 3)], ("road",), 0) == [(1, 2, 3)]


def test_background_is_what_says_so() -> None:
    assert is_background(("no", "yes"), 0)
    assert not is_background(("no", "yes"), 1)
    assert is_background(("none", "solid", "dashed"), 0)
    assert is_background(("drivable", "not drivable"), 1)
    assert not is_background(("road", "non-drivable", "sky"), 1)
    assert not is_background((), 0)


def test_lines_can_be_seen_on_dark_images() -> None:
    colors = line_colors(class_colors(["car", "truck", "bus", "bicycle", "person", "sign"]))
    assert min(np.dot(color, LUMINANCE) for color in colors) > 85
    assert len(set(colors)) == 6
