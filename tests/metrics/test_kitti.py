"""KITTI scores equal a slow, literal restatement of the benchmark's rules (the devkit's computeStatistics)."""

from dataclasses import replace

import numpy as np
import pytest

from hydranet.annotations import OTHER_CLASS, Boxes, rows
from hydranet.data.class_table import class_table
from hydranet.metrics.coco import PerImage
from hydranet.metrics.kitti import DIFFICULTIES, kitti_scores
from hydranet.tasks.detection.task import Detection

CLASSES = ("Car", "Van", "Pedestrian", "Person_sitting", "Cyclist", "Truck")
SCORED = ("Car", "Pedestrian", "Cyclist")
SIMILAR = {"Car": "Van", "Pedestrian": "Person_sitting"}


def overlap(a: np.ndarray, b: np.ndarray, of_first: bool = False) -> float:
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0.0
    first, second = (a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1])
    return w * h / (first if of_first else first + second - w * h)


def clean(image: PerImage, name: str, level: int) -> tuple[list, list, list, list]:
    """The devkit's flags: -1 another class, 0 counts, 1 ignored; and the DontCare regions."""
    seen, truth = image
    height, occlusion, truncation = ((40, 0, 0.15), (25, 1, 0.3), (25, 2, 0.5))[level]
    objects, flags, care = [], [], []
    for i, box in enumerate(truth.xyxy.astype(float)):
        if truth.label[i] < 0:
            care.append(box)
            continue
        kind = CLASSES[truth.label[i]]
        hard = box[3] - box[1] <= height or truth.occlusion[i] > occlusion or truth.truncation[i] > truncation
        valid = 1 if kind == name else 0 if SIMILAR.get(name) == kind else -1
        objects.append(box)
        flags.append(0 if valid == 1 and not hard else 1 if valid == 0 or (valid == 1 and hard) else -1)
    small = [box[3] - box[1] < height for box in seen.xyxy.astype(float)]
    found = [1 if s else 0 if CLASSES[k] == name else -1 for s, k in zip(small, seen.label, strict=True)]
    return objects, flags, found, care


def statistics(image: PerImage, name: str, level: int, least: float, threshold: float | None) -> tuple[int, int, list]:
    """True positives, false positives and the scores of true positives; threshold None = look for thresholds."""
    objects, flags, found, care = clean(image, name, level)
    boxes, score = image[0].xyxy.astype(float), image[0].score.astype(float)
    counting = threshold is not None
    low = [counting and s < threshold for s in score]
    assigned, right, hits = [False] * len(boxes), 0, []
    for box, flag in zip(objects, flags, strict=True):
        if flag == -1:
            continue
        index, valid, largest, small = -1, -1e7, 0.0, False
        for j in range(len(boxes)):
            if found[j] == -1 or assigned[j] or low[j]:
                continue
            iou = overlap(boxes[j], box)
            if not counting and iou > least and score[j] > valid:
                index, valid = j, score[j]
            elif counting and iou > least and (iou > largest or small) and found[j] == 0:
                largest, index, valid, small = iou, j, 1, False
            elif counting and iou > least and valid == -1e7 and found[j] == 1:
                index, valid, small = j, 1, True
        if valid == -1e7:
            continue
        assigned[index] = True
        if flag == 0 and found[index] == 0:
            right += 1
            hits.append(score[index])
    wrong = sum(not (assigned[j] or found[j] != 0 or low[j]) for j in range(len(boxes)))
    for region in care:
        for j in range(len(boxes)):
            if assigned[j] or found[j] != 0 or low[j]:
                continue
            if overlap(boxes[j], region, of_first=True) > least:
                assigned[j] = True
                wrong -= 1
    return right, wrong, hits


def restated(images: list[PerImage], name: str, level: int) -> tuple[float, float]:
    least = 0.7 if name in ("Car", "Van") else 0.5
    count = sum(clean(image, name, level)[1].count(0) for image in images)
    if not count:
        return float("nan"), float("nan")
    hits = sorted((h for image in images for h in statistics(image, name, level, least, None)[2]), reverse=True)
    limits, wanted = [], 0.0
    for i, hit in enumerate(hits):
        left = (i + 1) / count
        right = (i + 2) / count if i < len(hits) - 1 else left
        if right - wanted < wanted - left and i < len(hits) - 1:
            continue
        limits.append(hit)
        wanted += 1 / 40
    precision = [0.0] * 41
    for i, limit in enumerate(limits):
        pairs = [statistics(image, name, level, least, limit)[:2] for image in images]
        right, wrong = sum(p[0] for p in pairs), sum(p[1] for p in pairs)
        precision[i] = right / (right + wrong) if right + wrong else 0.0
    for i in range(len(limits)):
        precision[i] = max(precision[i:])
    return sum(precision[1:]) / 40, sum(precision[::4]) / 11


def drive(seed: int, count: int = 12) -> list[PerImage]:
    """Images with boxes of every class and difficulty, DontCare regions, near misses, doubles and false alarms."""
    rng, images = np.random.default_rng(seed), []
    for _ in range(count):
        n = int(rng.integers(0, 9))
        corner, size = rng.uniform(0, 400, (n, 2)), rng.uniform(18, 90, (n, 2))
        there = np.concatenate((corner, corner + size), 1).astype(np.float32)
        label = rng.choice([0, 0, 0, 1, 2, 2, 3, 4, 5, -1], n)
        pick = rng.integers(0, n, 2 * n)
        found = there[pick] + rng.normal(0, 2.5, (2 * n, 4)).astype(np.float32)
        guess = np.where(rng.random(2 * n) < 0.8, np.maximum(label[pick], 0), rng.integers(0, 6, 2 * n))
        score = np.round(rng.random(2 * n), 2).astype(np.float32)
        truth = Boxes(
            there,
            label,
            ignore=label < 0,
            truncation=rng.choice([0, 0, 0.2, 0.4, 0.6], n),
            occlusion=rng.integers(0, 4, n) * (rng.random(n) < 0.4),
        )
        images.append((Boxes(found, guess, score), truth))
    return images


@pytest.mark.parametrize("seed", range(6))
def test_equals_the_rules_stated_literally(seed: int) -> None:
    images = drive(seed)
    scores = kitti_scores(images, CLASSES)
    for name in ("Car", "Pedestrian", "Cyclist"):
        for level, difficulty in enumerate(DIFFICULTIES):
            r40, r11 = restated(images, name, level)
            assert scores[f"kitti_r40/{name}/{difficulty.name}"] == pytest.approx(r40, nan_ok=True)
            assert scores[f"kitti_r11/{name}/{difficulty.name}"] == pytest.approx(r11, nan_ok=True)


@pytest.mark.parametrize("seed", range(6))
def test_equals_them_where_the_task_has_only_the_scored_classes(seed: int) -> None:
    """Van, Person_sitting and Truck reach the task through the class table; the rules see the raw label."""
    table = class_table(CLASSES, Detection("boxes", SCORED), {}, "KITTI")
    raw = drive(seed)
    images = []
    for seen, truth in raw:
        answers = rows(seen, np.isin(seen.label, [CLASSES.index(name) for name in SCORED]))
        images.append((answers, replace(answers, label=table.target[answers.label]), truth))
    scores = kitti_scores([(seen, table.apply(truth)) for _, seen, truth in images], SCORED)
    for name in SCORED:
        for level, difficulty in enumerate(DIFFICULTIES):
            r40, r11 = restated([(seen, truth) for seen, _, truth in images], name, level)
            assert scores[f"kitti_r40/{name}/{difficulty.name}"] == pytest.approx(r40, nan_ok=True)
            assert scores[f"kitti_r11/{name}/{difficulty.name}"] == pytest.approx(r11, nan_ok=True)


def test_a_neighbor_is_ignored_for_its_class_alone() -> None:
    table = class_table(CLASSES, Detection("boxes", SCORED), {}, "KITTI")
    boxes = Boxes(np.tile(np.array([[0.0, 0, 60, 50]]), (7, 1)), np.array([0, 1, 2, 3, 4, 5, -1]))
    mapped = table.apply(replace(boxes, ignore=boxes.label < 0))
    assert mapped.label.tolist() == [0, 0, 1, 1, 2, OTHER_CLASS, -1]
    assert mapped.ignore.tolist() == [False, True, False, True, False, True, True]
    Detection("boxes", SCORED).check(mapped)


def cars(n: int) -> Boxes:
    left = np.arange(n) * 100.0
    return Boxes(np.stack((left, left * 0, left + 60, left * 0 + 50), 1).astype(np.float32), np.zeros(n, int))


def test_a_perfect_answer_on_a_large_set_scores_one() -> None:
    scores = kitti_scores([(cars(8), cars(8)) for _ in range(10)], CLASSES)
    assert scores["kitti_r40/Car/easy"] == pytest.approx(1)
    assert scores["kitti_r11/Car/hard"] == pytest.approx(1)
    assert np.isnan(scores["kitti_r40/Cyclist/easy"])


def test_neighbors_and_dontcare_excuse_and_other_classes_do_not() -> None:
    seen = cars(9)
    for label, ignore, expected in ((1, False, 1.0), (-1, True, 1.0), (2, False, 8 / 9)):
        labels = np.array([0] * 8 + [label])
        truth = Boxes(cars(9).xyxy, labels, ignore=np.array([False] * 8 + [ignore]))
        score = kitti_scores([(seen, truth)] * 10, CLASSES)["kitti_r40/Car/easy"]
        assert score == pytest.approx(expected)
