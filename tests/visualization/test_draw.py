"""Every kind of annotation can be looked at; drawing needs neither torch nor a screen, and changes no input."""

import base64
import re
import subprocess
import sys

import cv2
import numpy as np
import pytest

from fakes import CLASSES, FAKES, picture
from hydranet.annotations import Annotation, Boxes, ClassMap, Keypoints, NormalMap, Polylines, ScalarMap, Tag
from hydranet.visualization.class_colors import class_colors, line_colors
from hydranet.visualization.draw import Row, captioned, composite, draw, gallery_html, palette

RNG = np.random.default_rng
H, W = 360, 480
NAMES = ("road", "car", "person", "sky")
BLACK = np.zeros((H, W, 3), dtype=np.uint8)


@pytest.mark.parametrize("kind", Annotation.KINDS)
@pytest.mark.parametrize("size", [(H, W), (64, 64), (375, 1242), (192, 640)])
def test_every_kind_is_drawn_on_pictures_of_any_size(kind, size):
    image, label = picture(RNG(0), *size), FAKES[kind](RNG(0), *size)
    before, again = image.copy(), FAKES[kind](RNG(0), *size)
    drawn = draw(image, label, NAMES)
    factor = drawn.shape[0] // size[0]
    assert drawn.dtype == np.uint8
    assert drawn.shape == (factor * size[0], factor * size[1], 3)
    assert factor == 1 or min(size) < 240
    assert (drawn[::factor, ::factor] != image).any()
    np.testing.assert_array_equal(image, before)
    for name in kind.arrays():
        np.testing.assert_array_equal(getattr(label, name), getattr(again, name))


@pytest.mark.parametrize(
    "label",
    [
        ClassMap(np.full((H, W), 255, np.uint8)),
        ScalarMap(np.full((H, W), np.nan, np.float32), unit="m"),
        ScalarMap(np.zeros((H, W), np.float32), unit="m"),
        ScalarMap(np.full((H, W), 3.0, np.float32)),
        ScalarMap(np.full((H, W), -3.0, np.float32), unit="px"),
        NormalMap(np.full((3, H, W), np.nan, np.float32)),
        Boxes(np.zeros((0, 4)), np.zeros(0, np.int64)),
        Boxes(np.array([[-50.0, -9, 900, 700], [0, 0, 1, 1]]), np.array([-1, 9]), ignore=np.array([True, False])),
        Polylines(np.zeros((1, 3, 2)), np.zeros((1, 3), bool)),
        Keypoints(np.zeros((0, 5, 2)), np.zeros((0, 5), int)),
        Tag(np.asarray(255)),
    ],
    ids=lambda label: type(label).__name__,
)
def test_nothing_known_is_drawn_too(label):
    assert draw(BLACK, label).shape == (H, W, 3)


def test_unknown_kind_is_named():
    with pytest.raises(TypeError, match=r"no drawing for a str; add one in visualization/draw\.py"):
        draw(BLACK, "box")


def test_classes_get_the_callers_colors_and_the_unknown_stays_gray():
    ids = np.zeros((H, W), dtype=np.uint8)
    ids[:, W // 2 :] = 255
    gray = np.full((H, W, 3), 100, dtype=np.uint8)
    drawn = draw(gray, ClassMap(ids), NAMES, colors=[(255, 0, 0)] * CLASSES)
    assert drawn[50, 50, 0] > drawn[50, 50, 1] + 100
    assert np.ptp(drawn[50, -50]) == 0
    two = draw(gray, ClassMap((ids == 255).astype(np.uint8)), NAMES)
    assert (two[50, 50] != two[50, -50]).any()


def test_the_background_of_a_map_shows_the_image() -> None:
    ids = np.zeros((H, W), dtype=np.uint8)
    ids[:, W // 2 :] = 1
    image = picture(RNG(0), H, W)
    for names in (("no", "yes"), ("none", "own lane", "other lane"), ("not drivable", "drivable")):
        drawn = draw(image, ClassMap(ids), names)
        np.testing.assert_array_equal(drawn[:, : W // 2 - 2], image[:, : W // 2 - 2])
        assert (drawn[:, W // 2 + 2 :] != image[:, W // 2 + 2 :]).any(-1).mean() > 0.9
    drawn = draw(image, ClassMap(ids), ("non-drivable", "drivable", "sky"))
    assert (drawn[:, : W // 2 - 2] != image[:, : W // 2 - 2]).any(-1).mean() > 0.9, (
        "one class of several is no background"
    )


def test_borders_of_a_letterboxed_image_are_no_class() -> None:
    ids = np.full((H, W), 255, dtype=np.uint8)
    ids[:, 100:-100] = 2
    drawn = draw(np.full((H, W, 3), 114, np.uint8), ClassMap(ids), NAMES)
    assert np.ptp(drawn[:, :98].reshape(-1, 3), axis=0).max() == 0
    assert len(np.unique(drawn[:, :98])) == 1, "gray, as padding is, and darker"


def test_meters_have_one_scale_whatever_the_image_holds() -> None:
    near, far = np.full((H, W), 5.0, np.float32), np.full((H, W), 5.0, np.float32)
    far[:, W // 2 :] = 300.0
    one, other = (draw(BLACK, ScalarMap(values, unit="m")) for values in (near, far))
    np.testing.assert_array_equal(one[:, : W // 2], other[:, : W // 2])
    inside = draw(BLACK, ScalarMap(near, unit="m"), range_m=(0.5, 10.0))
    assert inside[0, 0, 2] > one[0, 0, 2], "5 m is far in a room"
    with pytest.raises(ValueError, match=r"got range_m=\(9, 3\), expected 0 <= nearest < farthest in meters"):
        draw(BLACK, ScalarMap(near, unit="m"), range_m=(9, 3))


def test_near_is_warm_and_far_is_cold():
    values = np.linspace(80, 2, H, dtype=np.float32)[:, None].repeat(W, 1)
    drawn = draw(BLACK, ScalarMap(values, unit="m")).astype(int)
    far, near = drawn[10, W // 2], drawn[H - 60, W // 2]
    assert far[2] > far[0]
    assert near[0] > near[2]


def test_sparse_points_are_visible_and_the_nearest_is_on_top():
    values = np.full((H, W), np.nan, dtype=np.float32)
    values[100, 100], values[100, 101] = 2.0, 80.0
    drawn = draw(BLACK, ScalarMap(values, unit="m")).astype(int)
    assert (drawn[90:110, 90:110].sum(-1) > 0).sum() >= 5
    red, _, blue = drawn[100, 100]
    assert red > blue


def test_a_normal_that_faces_the_camera_is_blue():
    xyz = np.zeros((3, H, W), dtype=np.float32)
    xyz[2] = -1
    assert draw(BLACK, NormalMap(xyz))[5, 5].tolist() == [128, 128, 255]
    xyz[1], xyz[2] = -1, 0
    assert draw(BLACK, NormalMap(xyz))[5, 5].tolist() == [128, 255, 128]


def test_box_is_drawn_where_it_is_in_its_classs_color():
    label = Boxes(np.array([[100.0, 150, 300, 250]]), np.array([1]), score=np.array([0.5]))
    drawn = draw(BLACK, label, NAMES)
    color = line_colors(class_colors(NAMES))[1]
    for y, x in ((200, 100), (200, 299), (150, 250), (249, 250)):
        assert (drawn[y - 1 : y + 2, x - 1 : x + 2] == color).all(-1).any()
    assert not drawn[170:240, 110:290].any()
    assert not drawn[260:].any()


def test_padding_rows_are_not_drawn():
    assert not draw(BLACK, Boxes(np.array([[9.0, 9, 90, 90]]), np.array([-1]))).any()
    lines = Polylines(np.array([[[9.0, 9], [90, 90]]]), np.ones((1, 2), bool), label=np.array([-1]))
    assert not draw(BLACK, lines).any()
    assert not draw(BLACK, Keypoints(np.full((1, 1, 2), 50.0), np.zeros((1, 1), int))).any()


def test_palette_is_stable_and_distinct():
    colors = palette(20)
    assert palette(7) == colors[:7]
    lab = cv2.cvtColor(np.array([colors], dtype=np.float32) / 255, cv2.COLOR_RGB2Lab)[0]
    distance = np.linalg.norm(lab[:, None] - lab, axis=-1) + 1000 * np.eye(20)
    assert distance.min() > 25
    with pytest.raises(ValueError, match="got 200 classes to color, expected at most 144"):
        palette(200)


def test_composite_shows_every_drawing():
    image = np.full((H, W, 3), 10, dtype=np.uint8)
    drawn = {f"task {i}": np.full((H, W, 3), 60 * (i + 1), dtype=np.uint8) for i in range(3)}
    sheet = composite(image, drawn)
    for value in (10, 60, 120, 180):
        assert (sheet == value).all(-1).sum() >= H * W
    assert sheet.shape[1] > 2 * W
    assert composite(image, {}).shape[1] >= W


def test_composite_keeps_legends_and_is_no_wider_than_a_screen() -> None:
    image = np.full((720, 1280, 3), 10, dtype=np.uint8)
    legend = np.full((40, 1280, 3), 250, dtype=np.uint8)
    tall = np.concatenate([np.full_like(image, 90), legend])
    sheet = composite(image, {"a": tall, "b": tall, "c": np.full_like(image, 30)})
    assert 1900 < sheet.shape[1] <= 1920
    assert (sheet == 250).all(-1).any()
    width = (1920 - 4) // 2 - 4
    assert (sheet == 10).all(-1).sum() == pytest.approx(width * width * 720 / 1280, rel=0.01)


@pytest.mark.parametrize("kind", Annotation.KINDS)
def test_a_legend_lies_below_the_image_and_not_over_it(kind: type[Annotation]) -> None:
    image, label = picture(RNG(0), H, W), FAKES[kind](RNG(0), H, W)
    other = FAKES[kind](RNG(1), H, W)
    drawn, both = draw(image, label, NAMES), captioned(image, label, NAMES)
    np.testing.assert_array_equal(both[:H], drawn)
    assert both.shape[1:] == drawn.shape[1:]
    assert both.shape == captioned(image, other, NAMES).shape, "frames of a video have one size"
    assert (len(both) > H) == (kind in (ClassMap, ScalarMap, NormalMap, Polylines))


def test_a_legend_names_every_class_as_long_as_there_is_room() -> None:
    few, many = (
        captioned(BLACK, ClassMap(np.zeros((H, W), np.uint8)), [f"class {i}" for i in range(n)]) for n in (9, 250)
    )
    assert H < len(few) < len(many) < H + H // 2


def test_gallery_is_one_page_with_its_pictures_in_it():
    tall = np.full((40, 30, 3), 200, dtype=np.uint8)
    rows = [
        Row("frame <1>", tall, {"depth": tall, "box": tall}, {"depth": tall}),
        Row("frame 2", tall, {"depth": tall}),
    ]
    page = gallery_html(rows, title="A & B", note="miou 0.5")
    assert "frame &lt;1&gt;" in page
    assert "A &amp; B" in page
    assert "miou 0.5" in page
    pictures = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    assert len(pictures) == 4 + 2
    decoded = cv2.imdecode(np.frombuffer(base64.b64decode(pictures[0]), np.uint8), cv2.IMREAD_COLOR)
    assert decoded.shape == tall.shape
    assert "http" not in page


@pytest.mark.parametrize("module", ["hydranet.visualization.draw", "hydranet.transforms.warp"])
def test_no_torch_is_needed(module):
    check = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
