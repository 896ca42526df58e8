"""PASCAL VOC's average precision and the one-class scores of road networks."""

import numpy as np
import pytest

from hydranet.annotations import Boxes
from hydranet.core.spec import SpecError
from hydranet.metrics.voc import average_precision, road_scores, voc_scores
from hydranet.tasks.detection.task import Detection

CLASSES = ("car", "person")


def boxes(lefts: list[float], labels: list[int], scores: list[float] | None = None, ignore: list[bool] | None = None):
    left = np.array(lefts, np.float32)
    return Boxes(
        np.stack((left, left * 0, left + 10, left * 0 + 10), 1),
        np.array(labels, int),
        None if scores is None else np.array(scores, np.float32),
        None if ignore is None else np.array(ignore, bool),
    )


def test_average_precision_by_hand() -> None:
    # right, wrong, right of three objects: precision 1 up to recall 1/3, then 2/3 up to 2/3, then nothing
    found = average_precision(np.array([0.9, 0.8, 0.7]), np.array([True, False, True]), 3)
    assert found == pytest.approx(1 / 3 + 2 / 3 / 3)
    assert np.isnan(average_precision(np.zeros(0), np.zeros(0, bool), 0))
    assert average_precision(np.zeros(0), np.zeros(0, bool), 3) == 0


def test_detections_of_one_score_enter_together() -> None:
    score = np.array([0.5, 0.5])
    assert average_precision(score, np.array([True, False]), 1) == average_precision(score, np.array([False, True]), 1)


def test_a_box_is_found_once_and_difficult_ones_do_not_count() -> None:
    truth = boxes([0, 50], [0, 0], ignore=[False, True])
    assert voc_scores([(boxes([0, 50], [0, 0], [0.5, 0.9]), truth)], CLASSES)["voc_ap50/car"] == 1
    twice = boxes([0, 1, 100], [0, 0, 0], [0.9, 0.8, 0.7])
    there = boxes([0, 100], [0, 0])
    assert voc_scores([(twice, there)], CLASSES)["voc_ap50/car"] == pytest.approx(0.5 + 0.5 * 2 / 3)


def test_the_mean_is_over_classes_that_occur() -> None:
    scores = voc_scores([(boxes([0], [0], [0.9]), boxes([0], [0]))], CLASSES)
    assert scores["voc_ap50"] == 1
    assert np.isnan(scores["voc_ap50/person"])


def test_road_scores_take_every_class_for_one_and_count_from_a_stated_confidence() -> None:
    truth = boxes([0, 50, 100, 150], [0, 1, 0, 1])
    seen = boxes([0, 50, 100], [1, 0, 0], [0.9, 0.5, 0.05])
    scores = road_scores([(seen, truth)], CLASSES)
    assert scores["road_recall"] == 0.5
    assert scores["road_ap50"] == 0.75


def test_more_scores_are_asked_for_by_word_and_stated() -> None:
    task = Detection("boxes", CLASSES, extra_metrics=("kitti", "voc", "road"))
    truth = boxes([0, 50], [0, 1])
    scores = task.score(task.measure(truth, truth))
    assert {"ap50", "kitti_r40/car/easy", "voc_ap50", "road_recall"} <= set(scores)
    assert {"kitti", "voc", "road"} <= set(task.protocol())
    with pytest.raises(SpecError, match="did you mean 'kitti'"):
        Detection("boxes", CLASSES, extra_metrics=("kiti",))
