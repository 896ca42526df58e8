"""Boxes keep their ids: through a crossing, a gap, few frames per second, and the ground truth of KITTI."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hydranet.annotations import Boxes, Quantity
from hydranet.deploy.messages import message
from hydranet.deploy.video.assignment import assign
from hydranet.deploy.video.tracking import Sort, Tracks
from hydranet.visualization.draw import draw


def boxes(*centers: tuple[float, float], label: tuple[int, ...] = (), size: float = 40) -> Boxes:
    xy = np.array(centers, np.float32).reshape(-1, 2)
    given = np.array(label or [0] * len(xy), np.int64)
    return Boxes(np.concatenate([xy - size / 2, xy + size / 2], 1), given, score=np.full(len(xy), 0.9, np.float32))


def test_two_boxes_that_cross_keep_their_ids() -> None:
    """Two walkers pass each other, one a little lower; their order in the list changes from frame to frame."""
    tracker = Sort()
    for t in range(40):
        walkers = [(20 + 8 * t, 100.0), (332 - 8 * t, 112.0)]
        turned = t % 2
        ids = tracker.update(boxes(*(walkers[::-1] if turned else walkers)), t / 10)
        assert ids.dtype == np.int64
        assert (ids[::-1] if turned else ids).tolist() == [1, 2], t


def test_a_box_out_of_sight() -> None:
    """Three frames away: the same one. Two seconds away: another one."""
    tracker = Sort(keep_s=1.0)
    assert tracker.update(boxes((50, 50)), 0.0).tolist() == [1]
    for i in range(3):
        assert tracker.update(boxes(), 0.1 + i / 10).tolist() == []
    assert tracker.update(boxes((52, 50)), 0.4).tolist() == [1]
    for i in range(20):
        tracker.update(boxes(), 0.5 + i / 10)
    assert tracker.update(boxes((52, 50)), 2.5).tolist() == [2]


@pytest.mark.parametrize("hidden_frames", [0, 8])
@pytest.mark.parametrize("speed_px_s", [0, 50, 200])
def test_a_box_at_constant_speed_hidden_for_less_than_a_second(speed_px_s: float, hidden_frames: int) -> None:
    """It comes back five widths further on; whether frames without a box were shown to the tracker is no matter."""
    tracker = Sort()
    for i in range(10):
        assert tracker.update(boxes((50 + speed_px_s * i / 10, 100)), i / 10).tolist() == [1]
    for i in range(hidden_frames):
        tracker.update(boxes(), 1.0 + i / 10)
    assert tracker.update(boxes((50 + speed_px_s * 1.7, 100)), 1.7).tolist() == [1]


def test_the_id_of_a_box_that_left_is_not_given_to_another() -> None:
    tracker = Sort()
    for i in range(10):
        tracker.update(boxes((50 + 5 * i, 100)), i / 10)
    assert tracker.update(boxes((95, 100)), 5.9).tolist() == [2]  # no call in between: time counts, not calls
    assert tracker.update(boxes((95, 100), (300, 100)), 6.0).tolist() == [2, 3]


@pytest.mark.parametrize("fps", [4, 10, 25])
@pytest.mark.parametrize("sizes_per_s", [0.0, 1.0, 2.5, -2.5])
def test_few_frames_per_second(fps: float, sizes_per_s: float) -> None:
    """From the first frame on, up to 2.5 of its own sizes per second, next to one that stands still."""
    tracker = Sort()
    for i in range(3 * int(fps)):
        ids = tracker.update(boxes((500 + 40 * sizes_per_s * i / fps, 100), (500, 160)), i / fps)
        assert ids.tolist() == [1, 2], i


def test_uneven_times() -> None:
    """Frames that were dropped lie between; a time that runs backward counts as the last one."""
    tracker = Sort()
    for time_s in (0, 0.04, 0.08, 0.4, 0.44, 1.2, 1.24, 1.9):
        assert tracker.update(boxes((50 + 120 * time_s, 100)), time_s).tolist() == [1], time_s
    assert tracker.update(boxes((50 + 120 * 1.9, 100)), 1.5).tolist() == [1]


def test_an_id_never_changes_its_class() -> None:
    tracker = Sort()
    assert tracker.update(boxes((50, 50), (50, 50), label=(0, 3)), 0).tolist() == [1, 2]
    assert tracker.update(boxes((51, 50), (51, 50), label=(3, 0)), 0.1).tolist() == [2, 1]
    assert tracker.update(boxes((52, 50), label=(1,)), 0.2).tolist() == [3]


def test_ids_reach_predictions_json_and_images() -> None:
    tracks = Tracks()
    tracked = tracks({"cars": boxes((50, 50), (150, 50)), "speed": Quantity(np.float32(3))}, 0.0)
    cars = tracked["cars"]
    assert isinstance(cars, Boxes)
    assert isinstance(tracked["speed"], Quantity)
    assert [row["track"] for row in message(cars)["boxes"]] == [1, 2]
    image = np.zeros((400, 400, 3), np.uint8)
    assert not np.array_equal(draw(image, cars), draw(image, replace(cars, track=None)))
    assert np.array_equal(draw(image, replace(cars, track=np.array([-1, -1]))), draw(image, replace(cars, track=None)))


@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (2, 5), (6, 4), (12, 12), (0, 3)])
def test_assignment_equals_scipy(shape: tuple[int, int]) -> None:
    from scipy.optimize import linear_sum_assignment

    rng = np.random.default_rng(sum(shape))
    for _ in range(20):
        costs = rng.normal(0, 10, shape)
        pairs = assign(costs)
        rows, columns = linear_sum_assignment(costs)
        assert len(pairs) == len(rows)
        assert sum(costs[pair] for pair in pairs) == pytest.approx(costs[rows, columns].sum())


def test_assignment_leaves_out_what_is_not_allowed() -> None:
    inf = np.inf
    assert assign(np.array([[1.0, inf], [0.0, inf]])) == [(1, 0)]
    assert assign(np.array([[1.0, 5.0], [0.0, inf]])) == [(0, 1), (1, 0)]  # two pairs, though one is cheaper
    assert assign(np.full((2, 2), inf)) == []


@pytest.mark.parametrize(("stride", "most_switches"), [(1, 1), (2, 4)])
def test_kitti_ground_truth(data_root: Path, stride: int, most_switches: int) -> None:
    """Ids of the tracker against those of the annotators, on the true boxes of 31 frames with 15 objects, at 10 Hz and
    with every second frame left out."""
    path = data_root / "kitti_tracking" / "label_02" / "0001.txt"
    if not path.is_file():
        pytest.skip("needs KITTI tracking 0001")
    rows = [line.split() for line in path.read_text().splitlines()]
    rows = [row for row in rows if row[2] != "DontCare"]
    names = sorted({row[2] for row in rows})
    tracker, last, switches, pairs = Sort(), {}, 0, {}
    for frame in range(0, 31, stride):
        here = [row for row in rows if row[0] == str(frame)]
        xyxy = np.array([row[6:10] for row in here], np.float64)
        ids = tracker.update(Boxes(xyxy, np.array([names.index(row[2]) for row in here])), frame / 10)
        for row, track in zip(here, ids.tolist(), strict=True):
            switches += last.get(row[1], track) != track
            last[row[1]] = track
            pairs[row[1], track] = pairs.get((row[1], track), 0) + 1
    assert switches <= most_switches
    assert idf1(pairs) > {1: 0.99, 2: 0.93}[stride]


def idf1(pairs: dict[tuple[str, int], int]) -> float:
    """IDF1 (Ristani et al. 2016) where every box is found: the best one-to-one naming's share of the boxes."""
    from scipy.optimize import linear_sum_assignment

    true, tracked = sorted({t for t, _ in pairs}), sorted({f for _, f in pairs})
    counts = np.array([[pairs.get((t, f), 0) for f in tracked] for t in true])
    return float(counts[linear_sum_assignment(-counts)].sum() / counts.sum())
