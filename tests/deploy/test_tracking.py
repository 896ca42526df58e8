"""Boxes keep their ids: through a crossing, a gap, and the ground truth of a KITTI sequence."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hydranet.annotations import Boxes, Quantity
from hydranet.deploy.messages import message
from hydranet.deploy.video.tracking import Sort, Tracks
from hydranet.visualization.draw import draw

pytest.importorskip("similari")

KITTI = Path(__file__).parents[3] / "shared" / "data" / "kitti_tracking" / "label_02" / "0001.txt"


def boxes(*centers: tuple[float, float], label: tuple[int, ...] = (), size: float = 40) -> Boxes:
    xy = np.array(centers, np.float32).reshape(-1, 2)
    given = np.array(label or [0] * len(xy), np.int64)
    return Boxes(np.concatenate([xy - size / 2, xy + size / 2], 1), given, score=np.full(len(xy), 0.9, np.float32))


def test_two_boxes_that_cross_keep_their_ids() -> None:
    """Two walkers pass each other, one a little lower; their order in the list changes from frame to frame."""
    tracker = Sort(fps=10)
    for t in range(40):
        walkers = [(20 + 8 * t, 100.0), (332 - 8 * t, 112.0)]
        turned = t % 2
        ids = tracker.update(boxes(*(walkers[::-1] if turned else walkers)))
        assert ids.dtype == np.int64
        assert (ids[::-1] if turned else ids).tolist() == [1, 2], t


def test_a_box_out_of_sight() -> None:
    """Three frames away: the same one. Two seconds away: another one."""
    tracker = Sort(fps=10, keep_s=1.0)
    assert tracker.update(boxes((50, 50))).tolist() == [1]
    for _ in range(3):
        assert tracker.update(boxes()).tolist() == []
    assert tracker.update(boxes((52, 50))).tolist() == [1]
    for _ in range(20):
        tracker.update(boxes())
    assert tracker.update(boxes((52, 50))).tolist() == [2]


def test_an_id_never_changes_its_class() -> None:
    tracker = Sort()
    assert tracker.update(boxes((50, 50), (50, 50), label=(0, 3))).tolist() == [1, 2]
    assert tracker.update(boxes((51, 50), (51, 50), label=(3, 0))).tolist() == [2, 1]
    assert tracker.update(boxes((52, 50), label=(1,))).tolist() == [3]


def test_ids_reach_predictions_json_and_pictures() -> None:
    tracks = Tracks(fps=10)
    seen = tracks({"cars": boxes((50, 50), (150, 50)), "speed": Quantity(np.float32(3))})
    cars = seen["cars"]
    assert isinstance(cars, Boxes)
    assert isinstance(seen["speed"], Quantity)
    assert [row["track"] for row in message(cars)["boxes"]] == [1, 2]
    image = np.zeros((400, 400, 3), np.uint8)
    assert not np.array_equal(draw(image, cars), draw(image, replace(cars, track=None)))
    assert np.array_equal(draw(image, replace(cars, track=np.array([-1, -1]))), draw(image, replace(cars, track=None)))


@pytest.mark.skipif(not KITTI.is_file(), reason="needs KITTI tracking 0001 beside the repository")
def test_kitti_ground_truth() -> None:
    """Ids of the tracker against those of the annotators, on the true boxes of 31 frames at 10 Hz with 15 objects."""
    rows = [line.split() for line in KITTI.read_text().splitlines()]
    rows = [row for row in rows if row[2] != "DontCare"]
    names = sorted({row[2] for row in rows})
    tracker, last, switches, pairs = Sort(fps=10), {}, 0, {}
    for frame in range(31):
        here = [row for row in rows if row[0] == str(frame)]
        xyxy = np.array([row[6:10] for row in here], np.float64)
        ids = tracker.update(Boxes(xyxy, np.array([names.index(row[2]) for row in here])))
        for row, found in zip(here, ids.tolist(), strict=True):
            switches += last.get(row[1], found) != found
            last[row[1]] = found
            pairs[row[1], found] = pairs.get((row[1], found), 0) + 1
    assert len(last) == 15
    assert switches <= 1
    assert idf1(pairs) > 0.99


def idf1(pairs: dict[tuple[str, int], int]) -> float:
    """IDF1 (Ristani et al. 2016) where every box is found: the best one-to-one naming's share of the boxes."""
    from scipy.optimize import linear_sum_assignment

    true, found = sorted({t for t, _ in pairs}), sorted({f for _, f in pairs})
    counts = np.array([[pairs.get((t, f), 0) for f in found] for t in true])
    return float(counts[linear_sum_assignment(-counts)].sum() / counts.sum())
