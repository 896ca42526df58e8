"""What a view means for the world: distances, directions, cameras; and for boxes, lines, points and tags."""

import numpy as np
import pytest

from fakes import picture
from hydranet.annotations import UNKNOWN_ID, Boxes, Keypoints, NormalMap, Polylines, ScalarMap, Tag
from hydranet.core.sample import Camera, DataError, Sample
from hydranet.transforms.warp import (
    View,
    can_flip,
    crop,
    flip,
    letterbox,
    random_view,
    rotate,
    stretch,
    unwarp,
    warp,
    warp_annotation,
)

H, W = 40, 64
RNG = np.random.default_rng


def zoomed(zoom: float) -> View:
    """The middle of an H x W image, magnified."""
    return random_view((H, W), (H, W), RNG(0), scale=(zoom, zoom), centered=True)


# --- what the view means for the world ------------------------------------------------------------------------------


@pytest.mark.parametrize(("unit", "factor"), [("m", 0.5), ("px", 2.0), ("", 1.0)])
def test_zoom_scales_values_by_their_unit(unit, factor):
    label = ScalarMap(np.full((H, W), 10.0, dtype=np.float32), unit=unit)
    assert np.unique(warp_annotation(label, zoomed(2.0), (H, W)).values) == 10 * factor


@pytest.mark.parametrize(("unit", "factor"), [("m", 1.0), ("px", 0.5), ("", 1.0)])
def test_letterbox_leaves_meters(unit, factor):
    label = ScalarMap(np.full((H, W), 10.0, dtype=np.float32), unit=unit)
    view = letterbox((H, W), (H // 2, W // 2))
    seen = warp_annotation(label, view, (H, W))
    assert np.unique(seen.values) == 10 * factor
    assert np.unique(unwarp(seen, view, (H, W)).values) == 10


def test_sparse_points_survive_shrinking():
    values = np.full((375, 1242), np.nan, dtype=np.float32)
    rng = RNG(0)
    values[rng.random(values.shape) < 0.05] = 20.0
    view = letterbox(values.shape, (94, 320))
    seen = warp_annotation(ScalarMap(values, unit="m"), view, values.shape).values
    rows, columns = np.nonzero(~np.isnan(values))
    x, y = np.floor(view.points(np.stack([columns, rows], -1) + 0.5)).astype(int).T
    assert not np.isnan(seen[y, x]).any()
    assert np.isfinite(seen).sum() == len(set(zip(x.tolist(), y.tolist(), strict=True)))


def test_the_nearest_of_several_points_wins():
    values = np.full((8, 8), np.nan, dtype=np.float32)
    values[0, 0], values[0, 3], values[3, 0] = 30, 10, 20
    for unit, winner in (("m", 10.0), ("px", 30 * 0.25)):
        assert warp_annotation(ScalarMap(values, unit=unit), stretch((8, 8), (2, 2)), (8, 8)).values[0, 0] == winner


def test_labels_are_not_blended_over_an_edge_and_predictions_not_with_the_unknown():
    values = np.where(np.arange(W) < W // 2, 5.0, 50.0).astype(np.float32) * np.ones((H, 1), dtype=np.float32)
    assert set(np.unique(warp_annotation(ScalarMap(values), stretch((H, W), (90, 150)), (H, W)).values)) == {5.0, 50.0}
    values[:10] = np.nan
    big = unwarp(ScalarMap(values), stretch((4 * H, 4 * W), (H, W)), (4 * H, 4 * W)).values
    assert np.isnan(big[:40]).all()
    assert not np.isnan(big[40:]).any()
    assert len(np.unique(big[40:])) > 2


def test_normals_turn_with_the_picture():
    xyz = np.zeros((3, H, W), dtype=np.float32)
    xyz[0], xyz[2] = 0.6, -0.8
    normals = NormalMap(xyz)
    flipped = warp_annotation(normals, flip((H, W)), (H, W)).xyz
    np.testing.assert_allclose(flipped[:, 0, 0], [-0.6, 0, -0.8], atol=1e-6)
    turned = warp_annotation(normals, rotate((H, W), np.pi / 2), (H, W)).xyz
    np.testing.assert_allclose(turned[:, H // 2, W // 2], [0, 0.6, -0.8], atol=1e-6)
    stretched = warp_annotation(normals, stretch((H, W), (H, 2 * W)), (H, W)).xyz
    np.testing.assert_allclose(stretched[:, 0, 0], [0.6, 0, -0.8], atol=1e-6)


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("angle", [0.0, 0.3])
@pytest.mark.parametrize("zoom", [1.0, 1.7])
def test_camera_sees_the_turned_and_nearer_world(mirror, angle, zoom):
    """A point of the world, mirrored, rolled and brought nearer as the labels are, lands where the view puts it."""
    camera = Camera(np.array([[70.0, 0, 30], [0, 70, 22], [0, 0, 1]]))
    view = zoomed(zoom).then(rotate((H, W), angle))
    view = view.then(flip((H, W))) if mirror else view
    seen = warp(Sample(picture(RNG(0), H, W), camera=camera), view).camera
    point = np.array([0.7, -0.4, 9.0])
    pixel = (camera.matrix @ point)[:2] / point[2]
    moved = np.array([*(view.turn @ point[:2]), point[2] / zoom])
    np.testing.assert_allclose((seen.matrix @ moved)[:2] / moved[2], view.points(pixel), atol=1e-9)
    assert seen.matrix[0, 0] == pytest.approx(70 * view.scale[0] / zoom)


def test_horizon_stays_where_the_picture_has_it():
    """tan(pitch) grows with the zoom as the road, brought nearer, gets steeper."""
    camera = Camera(np.array([[70.0, 0, 32], [0, 70, 20], [0, 0, 1]]), height_m=1.5, pitch_rad=0.1)
    view = zoomed(1.5)
    seen = warp(Sample(picture(RNG(0), H, W), camera=camera), view).camera
    horizon = [c.matrix[1, 2] - c.matrix[1, 1] * np.tan(c.pitch_rad) for c in (camera, seen)]
    assert view.points(np.array([0, horizon[0]]))[1] == pytest.approx(horizon[1])
    assert seen.height_m == 1.5


# --- instances and tags ---------------------------------------------------------------------------------------------


def test_boxes_that_leave_are_ignored_then_dropped_and_rows_stay_together():
    xyxy = np.array([[0, 0, 10, 10], [15, 0, 35, 10], [11, 0, 21, 10], [30, 0, 50, 10]], dtype=np.float32)
    label = Boxes(xyxy, np.arange(4), truncation=np.array([0, 0, 0, 0.5], np.float32), track=np.arange(4) + 7)
    seen = warp_annotation(label, crop(0, 20, (H, 20)), (H, W))
    assert seen.label.tolist() == [1, 2, 3]
    assert seen.track.tolist() == [8, 9, 10]
    assert seen.ignore.tolist() == [False, True, False]
    np.testing.assert_allclose(seen.truncation, [0.25, 0.9, 0.75], atol=1e-6)
    np.testing.assert_allclose(seen.xyxy, [[0, 0, 15, 10], [0, 0, 1, 10], [10, 0, 20, 10]])


def test_boxes_that_become_too_small_are_ignored_but_small_labels_stay():
    label = Boxes(np.array([[10.0, 10, 16, 30], [20, 20, 21, 21]]), np.array([0, 1]))
    assert warp_annotation(label, flip((H, W)), (H, W)).ignore is None
    assert warp_annotation(label, stretch((H, W), (H // 4, W // 4)), (H, W)).ignore.tolist() == [True, True]


def test_no_boxes_stay_no_boxes():
    none = Boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
    seen = warp_annotation(none, letterbox((H, W), (32, 32)), (H, W))
    assert seen.xyxy.shape == (0, 4)
    assert seen.label.shape == (0,)


def test_predicted_boxes_are_clipped_to_the_picture():
    view = letterbox((H, W), (W, W))
    found = Boxes(np.array([[5.0, 0, 20, 20], [0, 0, 60, 5]]), np.array([0, 1]), score=np.array([0.9, 0.8]))
    back = unwarp(found, view, (H, W))
    np.testing.assert_allclose(back.xyxy, [[5, 0, 20, 8]])
    assert back.score.tolist() == [0.9]
    assert back.ignore is None


def test_points_outside_become_invalid_and_lines_without_points_go():
    line = np.array([[[5.0, 5], [25, 5]], [[2, 2], [4, 4]]])
    seen = warp_annotation(Polylines(line, np.ones((2, 2), bool), label=np.array([3, 4])), crop(0, 20, (H, 20)), (H, W))
    assert seen.valid.tolist() == [[False, True]]
    assert seen.label.tolist() == [3]
    points = warp_annotation(Keypoints(line, np.full((2, 2), 2)), crop(0, 20, (H, 20)), (H, W))
    assert points.visible.tolist() == [[0, 2], [0, 0]]


def test_left_and_right_keypoints_change_places():
    label = Keypoints(np.array([[[10.0, 5], [20, 6]]]), np.array([[2, 1]]), mirror=(1, 0))
    seen = warp_annotation(label, flip((H, W)), (H, W))
    np.testing.assert_allclose(seen.xy, [[[W - 20, 6], [W - 10, 5]]])
    assert seen.visible.tolist() == [[1, 2]]
    with pytest.raises(DataError, match="expected a permutation of the 2 keypoints"):
        warp_annotation(Keypoints(label.xy, label.visible, mirror=(0, 0)), flip((H, W)), (H, W))


def test_a_sign_without_mirror_image_is_not_flipped():
    image, view = picture(RNG(0), H, W), flip((H, W))
    left, stop, speed = (Tag(np.asarray(i), mirror=(3, 1, -1, 0)) for i in range(3))
    assert warp_annotation(left, view, (H, W)).label == 3
    assert warp_annotation(stop, view, (H, W)).label == 1
    assert can_flip(Sample(image, {"sign": left}))
    assert not can_flip(Sample(image, {"sign": speed}))
    assert can_flip(Sample(image, {"sign": Tag(np.asarray(UNKNOWN_ID), mirror=(-1,))}))
    assert warp_annotation(speed, zoomed(1.2), (H, W)).label == 2
    with pytest.raises(DataError, match="class 2 has no mirror image; do not flip"):
        warp_annotation(speed, view, (H, W))
    with pytest.raises(DataError, match="got class 9, but `mirror` names the counterparts of 4"):
        warp_annotation(Tag(np.asarray(9), mirror=(3, 1, -1, 0)), view, (H, W))
