"""What helps a function that teaches: tiles for small objects, the consensus of two teachers, the plane of the road."""

import numpy as np
import pytest

from hydranet.annotations import Boxes, ClassMap, NormalMap, ScalarMap
from hydranet.core.sample import Camera, DataError
from hydranet.core.spec import SpecError
from hydranet.distillation.consensus import consensus
from hydranet.distillation.road_plane import plane_depth
from hydranet.distillation.tiles import in_tiles


def bright(rgb: np.ndarray) -> Boxes:
    """Connected bright areas as boxes; those that are small in the image that it sees escape it."""
    from scipy.ndimage import find_objects, label

    places, _ = label(rgb[..., 0] > 100)
    found = [(s[1].start, s[0].start, s[1].stop, s[0].stop) for s in find_objects(places)]
    large = [one for one in found if one[2] - one[0] >= 0.05 * rgb.shape[1]]
    return Boxes(
        np.array(large, np.float32).reshape(-1, 4),
        np.zeros(len(large), int),
        score=np.full(len(large), 0.5, np.float32),
    )


def drawn(*xyxy: tuple[int, int, int, int]) -> np.ndarray:
    image = np.zeros((60, 200, 3), np.uint8)
    for left, top, right, bottom in xyxy:
        image[top:bottom, left:right] = 255
    return image


def test_tiles_find_what_is_small_and_nothing_twice() -> None:
    large, small, between = (10, 10, 40, 30), (150, 40, 155, 45), (62, 5, 92, 15)
    image = drawn(large, small, between)
    assert bright(image).xyxy.tolist() == [list(between), list(large)]
    found = in_tiles(bright, image, columns=3, overlap=0.25)
    assert sorted(map(tuple, found.xyxy.tolist())) == sorted([large, small, between])
    assert found.label.tolist() == [0, 0, 0]
    assert len(in_tiles(bright, drawn(), columns=3).label) == 0


def test_a_box_that_a_tile_cuts_is_left_to_the_others() -> None:
    calls: list[tuple[int, int]] = []

    def everything(rgb: np.ndarray) -> Boxes:
        calls.append(rgb.shape[:2])
        return Boxes(np.array([[0, 0, rgb.shape[1], rgb.shape[0]]], np.float32), np.array([0]), score=np.array([0.9]))

    found = in_tiles(everything, drawn(), rows=2, columns=2, overlap=0.0)
    assert calls == [(60, 200)] + [(30, 100)] * 4
    assert found.xyxy.tolist() == [[0, 0, 200, 60]]
    assert len(calls) == 5
    in_tiles(everything, drawn(), rows=1, columns=1)
    assert len(calls) == 6, "one tile is the whole"
    with pytest.raises(SpecError, match=r"got overlap=0\.95, expected a number from 0 to 0\.9"):
        in_tiles(everything, drawn(), overlap=0.95)


def test_consensus_of_class_maps() -> None:
    one = ClassMap(np.array([[0, 1, 255, 2]], np.uint8), confidence=np.array([[0.9, 0.8, 0.0, 0.7]], np.float32))
    other = ClassMap(np.array([[0, 2, 1, 2]], np.uint8), confidence=np.array([[0.6, 0.9, 0.9, 0.8]], np.float32))
    both = consensus(one, other)
    assert both.ids.tolist() == [[0, 255, 255, 2]]
    np.testing.assert_allclose(both.confidence, [[0.6, 0, 0, 0.7]])
    assert consensus(ClassMap(one.ids), ClassMap(other.ids)).confidence is None
    with pytest.raises(DataError, match=r"got maps of \(1, 4\) and \(2, 4\), expected two of one image"):
        consensus(one, ClassMap(np.zeros((2, 4), np.uint8)))


def test_consensus_of_numbers_and_normals() -> None:
    one = ScalarMap(np.array([[10.0, 10.0, np.nan, -1.0, 5.0]], np.float32), unit="m")
    other = ScalarMap(np.array([[11.0, 12.0, 3.0, -1.0, np.inf]], np.float32), unit="m")
    np.testing.assert_allclose(consensus(one, other).values, [[10.5, np.nan, np.nan, np.nan, np.nan]])
    with pytest.raises(DataError, match="got numbers in 'm' and 'px', expected one unit"):
        consensus(one, ScalarMap(other.values, unit="px"))
    turned = [np.array([np.sin(a), 0, -np.cos(a)], np.float32).reshape(3, 1, 1) for a in np.radians([0.0, 18.0, 25.0])]
    np.testing.assert_allclose(
        consensus(NormalMap(turned[0]), NormalMap(turned[1])).xyz.ravel(),
        [np.sin(np.radians(9)), 0, -np.cos(np.radians(9))],
        atol=1e-6,
    )
    assert np.isnan(consensus(NormalMap(turned[0]), NormalMap(turned[2])).xyz).all()
    assert np.isnan(consensus(NormalMap(turned[0]), NormalMap(np.full((3, 1, 1), np.nan, np.float32))).xyz).all()


def test_consensus_of_boxes() -> None:
    one = Boxes(np.array([[0, 0, 10, 10], [50, 0, 60, 10]], np.float32), np.array([0, 1]), score=np.array([0.9, 0.8]))
    other = Boxes(
        np.array([[50, 0, 60, 10], [1, 0, 11, 10], [90, 0, 99, 9]], np.float32),
        np.array([0, 0, 1]),
        score=np.array([0.7, 0.5, 0.4]),
    )
    both = consensus(one, other)
    assert both.xyxy.tolist() == [[0, 0, 10, 10], [50, 0, 60, 10], [50, 0, 60, 10], [90, 0, 99, 9]]
    assert both.label.tolist() == [0, 1, 0, 1]
    assert both.ignore.tolist() == [False, True, True, True]
    np.testing.assert_allclose(both.score[:1], [0.7])
    none = Boxes(np.zeros((0, 4), np.float32), np.zeros(0, int))
    assert consensus(none, none).xyxy.shape == (0, 4)
    assert consensus(one, none).ignore.tolist() == [True, True]
    marked = Boxes(one.xyxy, one.label, ignore=np.array([True, False]), annotated_classes=np.array([True, False]))
    both = consensus(marked, Boxes(one.xyxy, one.label))
    assert both.ignore.tolist() == [True, False]
    assert both.annotated_classes.tolist() == [True, False]
    with pytest.raises(DataError, match="got ignored regions from a detector on tiles"):
        in_tiles(lambda rgb: marked, drawn())
    with pytest.raises(DataError, match="got a Boxes and a ClassMap, expected two of one kind"):
        consensus(one, ClassMap(np.zeros((1, 1), np.uint8)))


def test_the_plane_of_the_road() -> None:
    camera = Camera(np.array([[500.0, 0, 60], [0, 500.0, 40], [0, 0, 1]]), height_m=1.5)
    road = np.ones((100, 120), bool)
    road[:, :10] = False
    depth = plane_depth(road, camera).values
    assert np.isnan(depth[:52]).all(), "above the horizon, or beyond 60 m"
    assert depth[53, 60] == pytest.approx(500 * 1.5 / 13.5)
    assert depth[99, 60] == pytest.approx(500 * 1.5 / 59.5)
    assert np.isnan(depth[:, :10]).all()


def test_the_plane_from_a_tilted_camera_by_rays() -> None:
    pitch = 0.1
    camera = Camera(np.array([[300.0, 0, 50], [0, 300.0, 30], [0, 0, 1]]), height_m=2.0, pitch_rad=pitch)
    depth = plane_depth(np.ones((80, 100), bool), camera, farthest_m=500).values
    point = np.array([3.0, 2.0, 20.0])  # right, down, ahead of a level camera, on the road
    c, s = np.cos(pitch), np.sin(pitch)
    seen = np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) @ point
    row = 30 + 300 * seen[1] / seen[2] - 0.5
    below, above = depth[int(np.floor(row)), 50], depth[int(np.ceil(row)), 50]
    assert min(below, above) <= seen[2] <= max(below, above)
    with pytest.raises(DataError, match="got a camera None m above the road"):
        plane_depth(np.ones((2, 2), bool), Camera.centered(10, (2, 2)))
