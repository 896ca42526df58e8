"""The labels of a scene agree with one another, with the camera and with the solids they were drawn from."""

from functools import cache

import cv2
import numpy as np
import pytest

from hydranet.core.sample import Camera, Sample
from hydranet.datasets.scenes.camera import Lens
from hydranet.datasets.scenes.classes import LANE_MARKING, PAVEMENT, PLACE, ROAD, SEMANTIC, TERRAIN, VEHICLE
from hydranet.datasets.scenes.dataset import Scenes
from hydranet.datasets.scenes.labels import HIDDEN, OCCLUSION_STEPS
from hydranet.datasets.scenes.road import CARRIAGEWAY
from hydranet.datasets.scenes.things import in_world
from hydranet.datasets.scenes.view import View
from hydranet.datasets.scenes.world import build
from hydranet.transforms.warp import flip, warp

SCENES = Scenes(seed=21)
INDICES = range(8)


@cache
def drawn(index: int) -> tuple[View, Sample]:
    return SCENES.view(index), SCENES[index]


def points_of(sample: Sample) -> np.ndarray:
    """float64 h w 3: the points that the depth label speaks of, in camera axes."""
    h, w = sample.size
    assert sample.camera is not None
    x, y = np.meshgrid(np.arange(w) + 0.5, np.arange(h) + 0.5)
    rays = np.stack([x, y, np.ones_like(x)], axis=-1) @ np.linalg.inv(sample.camera.matrix).T
    return rays * sample.labels["depth"].values.astype(np.float64)[..., None]


def down_of(camera: Camera) -> np.ndarray:
    assert camera.pitch_rad is not None
    return np.array([0, np.cos(camera.pitch_rad), np.sin(camera.pitch_rad)])


def check_normals(sample: Sample) -> None:
    """Cross products of neighboring points give the normals inside smooth regions."""
    points, given = points_of(sample), sample.labels["normals"].xyz.transpose(1, 2, 0)
    across, along = points[1:-1, 2:] - points[1:-1, :-2], points[2:, 1:-1] - points[:-2, 1:-1]
    found = np.cross(along, across)
    found /= np.linalg.norm(found, axis=-1, keepdims=True)
    smooth = cv2.erode(1 - sample.labels["edges"].ids, np.ones((3, 3)))[1:-1, 1:-1] > 0
    smooth &= np.nan_to_num(points[1:-1, 1:-1, 2], nan=np.inf) < 60
    assert smooth.mean() > 0.2
    cosine = np.sum(found * given[1:-1, 1:-1], axis=-1)[smooth]
    assert np.quantile(cosine, 0.001) > 0.999


def check_lanes(sample: Sample) -> None:
    """Polylines run over pixels of their own class of the mask, near to far, on the ground."""
    lanes, mask = sample.labels["lanes"], sample.labels["lane_mask"].ids
    for points, valid, label in zip(lanes.points, lanes.valid, lanes.label, strict=True):
        x, y = points[valid].T
        assert np.all(np.diff(y) <= 0)
        assert np.all(mask[np.floor(y).astype(int), np.floor(x).astype(int)] == label + 1)


def check_keypoints(sample: Sample) -> None:
    """Keypoints in the image lie in a box of a vehicle."""
    boxes, points = sample.labels["detection"], sample.labels["keypoints"]
    vehicles = boxes.xyxy[boxes.label < 3]
    assert len(vehicles) == len(points.xy)
    for xy, visible in zip(points.xy, points.visible, strict=True):
        inside = (vehicles[:, None, :2] - 1e-3 <= xy) & (xy <= vehicles[:, None, 2:] + 1e-3)
        assert (inside.all(-1) | (visible == 0)).all(axis=1).any()


@pytest.mark.parametrize("index", INDICES)
def test_depth_and_normals_agree(index: int) -> None:
    check_normals(drawn(index)[1])


@pytest.mark.parametrize("index", INDICES)
def test_normals_face_the_camera_and_have_unit_length(index: int) -> None:
    sample = drawn(index)[1]
    normals, points = sample.labels["normals"].xyz, points_of(sample)
    sky = sample.labels["semantic"].ids == SEMANTIC.index("sky")
    assert np.array_equal(np.isnan(normals), np.broadcast_to(sky, normals.shape))
    assert np.allclose(np.linalg.norm(normals, axis=0)[~sky], 1, atol=1e-5)
    assert np.all(np.einsum("chw,hwc->hw", normals, points)[~sky] < 0)


@pytest.mark.parametrize("index", INDICES)
def test_the_ground_lies_as_far_below_the_camera_as_it_says(index: int) -> None:
    sample = drawn(index)[1]
    ground = np.isin(sample.labels["semantic"].ids, (ROAD, LANE_MARKING, PAVEMENT, TERRAIN))
    assert sample.camera is not None
    below = (points_of(sample) @ down_of(sample.camera))[ground]
    near = sample.labels["depth"].values[ground] < 100
    assert np.allclose(below[near], sample.camera.height_m, rtol=1e-4)


@pytest.mark.parametrize("index", INDICES)
def test_lanes_agree_with_mask(index: int) -> None:
    check_lanes(drawn(index)[1])


@pytest.mark.parametrize("index", INDICES)
def test_visible_lane_points_have_the_depth_of_the_ground(index: int) -> None:
    sample = drawn(index)[1]
    lanes, camera = sample.labels["lanes"], sample.camera
    assert camera is not None
    xy = lanes.points[lanes.valid]
    column, row = np.floor(xy).astype(int).T
    rays = np.column_stack([xy, np.ones(len(xy))]) @ np.linalg.inv(camera.matrix).T
    expected = camera.height_m / (rays @ down_of(camera))
    shown = np.isin(sample.labels["semantic"].ids[row, column], (ROAD, LANE_MARKING))
    assert np.allclose(sample.labels["depth"].values[row, column][shown], expected[shown], rtol=1e-3)


@pytest.mark.parametrize("index", INDICES)
def test_drivable_area_and_painted_lines_lie_on_the_road(index: int) -> None:
    labels = drawn(index)[1].labels
    ids = labels["semantic"].ids
    assert np.isin(ids[labels["drivable"].ids > 0], (ROAD, LANE_MARKING)).all()


@pytest.mark.parametrize("index", INDICES)
def test_boxes_contain_their_pixels_tightly(index: int) -> None:
    view, sample = drawn(index)
    boxes, size = sample.labels["detection"], np.array(sample.size[::-1])
    owner = view.faces.thing.take(view.raster.face)
    boxed = [k for k, thing in enumerate(view.world.things) if thing.box >= 0 and (owner == k).any()]
    assert len(boxed) == len(boxes.xyxy)
    for k, box, label, occlusion, ignore in zip(
        boxed, boxes.xyxy, boxes.label, boxes.occlusion, boxes.ignore, strict=True
    ):
        rows, columns = np.nonzero(owner == k)
        assert view.world.things[k].box == label
        assert np.all(box[2:] > box[:2])
        assert np.all(box >= 0)
        assert np.all(box <= np.concatenate([size, size]))
        low, high = np.array([columns.min(), rows.min()]) + 0.5, np.array([columns.max(), rows.max()]) + 0.5
        assert np.all(box[:2] <= low + 1e-3)
        assert np.all(high <= box[2:] + 1e-3)
        share = len(rows) / view.raster.covered[k]
        assert occlusion == sum(share < step for step in OCCLUSION_STEPS)
        assert ignore or share >= HIDDEN
        if share == 1 and len(rows) > 80:
            assert np.all(low - box[:2] < 2)
            assert np.all(box[2:] - high < 2)


@pytest.mark.parametrize("index", INDICES)
def test_truncation_is_the_part_outside_the_picture(index: int) -> None:
    boxes = drawn(index)[1].labels["detection"]
    h, w = SCENES.size
    inside = (boxes.xyxy > 0).all(1) & (boxes.xyxy < (w, h, w, h)).all(1)
    assert np.all(boxes.truncation[inside] == 0)
    assert np.all(boxes.truncation[~inside] > 0)
    assert np.all(boxes.truncation < 1)


@pytest.mark.parametrize("index", INDICES)
def test_keypoints_lie_in_boxes_and_seen_ones_on_vehicles(index: int) -> None:
    sample = drawn(index)[1]
    check_keypoints(sample)
    points, vehicles = sample.labels["keypoints"], sample.labels["semantic"].ids == VEHICLE
    near = cv2.dilate(vehicles.astype(np.uint8), np.ones((5, 5))) > 0
    column, row = np.floor(points.xy[points.visible == 2]).astype(int).T
    assert near[row, column].all()
    assert sorted(points.mirror) == list(range(8))


@pytest.mark.parametrize("index", INDICES)
def test_a_flipped_sample_agrees_with_itself(index: int) -> None:
    sample = drawn(index)[1]
    flipped = warp(sample, flip(sample.size))
    check_normals(flipped)
    check_keypoints(flipped)
    lanes, mask = flipped.labels["lanes"], flipped.labels["lane_mask"].ids
    column, row = np.floor(lanes.points[lanes.valid]).clip(0, (SCENES.size[1] - 1, SCENES.size[0] - 1)).astype(int).T
    assert np.all(mask[row, column] > 0)


@pytest.mark.parametrize("index", INDICES)
def test_keypoints_carry_the_boxes_of_their_vehicles(index: int) -> None:
    labels = drawn(index)[1].labels
    boxes, points = labels["detection"], labels["keypoints"]
    vehicles = boxes.label < 3
    np.testing.assert_array_equal(points.xyxy, boxes.xyxy[vehicles])
    np.testing.assert_array_equal(points.ignore, boxes.ignore[vehicles])
    np.testing.assert_allclose(points.area, np.prod(points.xyxy[:, 2:] - points.xyxy[:, :2], axis=1))


def test_the_nearest_vehicle_is_the_largest_that_counts() -> None:
    counts = []
    for index in INDICES:
        labels = drawn(index)[1].labels
        every, one = labels["keypoints"], labels["nearest_vehicle"]
        counts.append(len(one.xy))
        if len(one.xy):
            best = every.area[~every.ignore].argmax()
            np.testing.assert_array_equal(one.xy[0], every.xy[~every.ignore][best])
            assert one.mirror == every.mirror
        else:
            assert every.ignore.all()
    assert 1 in counts


@pytest.mark.parametrize("index", INDICES)
def test_place_and_width_are_those_of_the_road(index: int) -> None:
    view, sample = drawn(index)
    assert PLACE[int(sample.labels["place"].label)] == view.world.kind
    width = sample.labels["road_width"]
    across = np.diff(view.world.road.edges_m)[[s in CARRIAGEWAY for s in view.world.road.strips[1:-1]]]
    assert float(width.value) == pytest.approx(across.sum(), abs=1e-4)
    assert width.unit == "m"


def test_depth_is_continuous_in_the_camera_height() -> None:
    low, high = (
        Scenes(seed=21, jitter=0, camera_height_m=h, labels=("depth", "semantic"))[2].labels for h in (1.5, 1.503)
    )
    road = (low["semantic"].ids == ROAD) & (high["semantic"].ids == ROAD)
    assert road.mean() > 0.1
    ratio = high["depth"].values[road] / low["depth"].values[road]
    assert np.allclose(ratio, 1.503 / 1.5, rtol=1e-4)
    changed = np.abs(np.nan_to_num(high["depth"].values) - np.nan_to_num(low["depth"].values)) > 1
    assert changed.mean() < 0.02


def test_nothing_stands_behind_the_camera() -> None:
    for index in range(40):
        points = in_world(build(np.random.default_rng(index)).things).points
        for pitch in (-0.125, 0.125):  # the steepest that options and jitter allow
            assert Lens(192, 640, 370, 1.5, pitch).to_camera(points)[..., 2].min() > 0.1
