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
from hydranet.visualization.draw import Row, composite, draw, gallery_html, palette

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
    with pytest.raises(TypeError, match=r"got a str.*add it to draw"):
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
    color = palette(len(NAMES))[1]
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


def test_gallery_is_one_page_with_its_pictures_in_it(tmp_path):
    tall = np.full((40, 30, 3), 200, dtype=np.uint8)
    rows = [
        Row("frame <1>", tall, {"depth": tall, "box": tall}, {"depth": tall}),
        Row("frame 2", tall, {"depth": tall}),
    ]
    path = gallery_html(rows, tmp_path / "deep" / "gallery.html", title="A & B", note="miou 0.5")
    page = path.read_text()
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
