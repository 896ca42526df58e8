"""COCO scores equal those of pycocotools, on random sets and on sets made to be difficult."""

import builtins

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from hydranet.annotations import Boxes
from hydranet.metrics.coco import PerImage, coco_scores
from hydranet.tasks.detection.task import Detection

CLASSES = ("car", "person", "bicycle")


def boxes_of(rows: list[tuple[float, ...]]) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 4)


def random_image(rng: np.random.Generator, crowds: bool) -> PerImage:
    n, m = rng.integers(0, 6), rng.integers(0, 20)
    corner, size = rng.uniform(0, 80, (n, 2)), rng.uniform(4, 60, (n, 2))
    there = np.concatenate((corner, corner + size), 1).astype(np.float32)
    label = rng.integers(0, 3, n)
    pick = rng.integers(0, n, m) if n else np.zeros(m, int)
    found = there[pick] if n else rng.uniform(0, 50, (m, 1)) + boxes_of([(0, 0, 20, 20)] * m)
    found = (found + rng.normal(0, 3, found.shape)).astype(np.float32)
    found[:, 2:] = np.maximum(found[:, 2:], found[:, :2] + 1)
    guess = np.where(rng.random(m) < 0.8, label[pick] if n else 0, rng.integers(0, 3, m))
    score = np.round(rng.random(m), 1).astype(np.float32)  # many ties
    ignore = rng.random(n) < 0.3 if crowds else None
    return Boxes(found, guess, score), Boxes(there, label, ignore=ignore)


def reference(images: list[PerImage]) -> dict[str, float]:
    """The same set through pycocotools, fed without our code."""
    truth, found = COCO(), COCO()
    head = {"images": [{"id": i} for i in range(len(images))], "categories": [{"id": k} for k in range(3)]}
    rows: dict[str, list] = {"there": [], "found": []}
    for image, (seen, label) in enumerate(images):
        for name, boxes in (("there", label), ("found", seen)):
            for i, (x, y, r, b) in enumerate(boxes.xyxy.astype(np.float64)):
                every = range(3) if boxes.label[i] < 0 else [int(boxes.label[i])]
                for k in every:
                    row = {"id": len(rows[name]) + 1, "image_id": image, "category_id": k, "area": (r - x) * (b - y)}
                    row |= {"bbox": [x, y, r - x, b - y], "iscrowd": 0}
                    row |= {"score": float(boxes.score[i])} if name == "found" else {}
                    row |= {"iscrowd": int(boxes.ignore[i])} if boxes.ignore is not None else {}
                    rows[name].append(row)
    truth.dataset, found.dataset = {**head, "annotations": rows["there"]}, {**head, "annotations": rows["found"]}
    truth.createIndex()
    found.createIndex()
    run = COCOeval(truth, found, "bbox")
    run.evaluate()
    run.accumulate()
    run.summarize()
    ap, ap50, ap75, ar = (float(run.stats[i]) if run.stats[i] >= 0 else float("nan") for i in (0, 1, 2, 8))
    return {"ap": ap, "ap50": ap50, "ap75": ap75, "ar": ar}


def assert_equal(images: list[PerImage]) -> None:
    ours, theirs = coco_scores(images, CLASSES), reference(images)
    for name, value in theirs.items():
        assert ours[name] == pytest.approx(value, abs=1e-12, nan_ok=True), name


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), crowds=st.booleans())
def test_random_sets(seed: int, crowds: bool) -> None:
    rng = np.random.default_rng(seed)
    assert_equal([random_image(rng, crowds) for _ in range(6)])


NONE = Boxes(boxes_of([]), np.zeros(0, int), np.zeros(0, np.float32))
ONE = Boxes(boxes_of([(10, 10, 50, 40)]), np.array([0]), np.array([0.5], np.float32))
ADVERSARIAL: dict[str, list[PerImage]] = {
    "nothing anywhere": [(NONE, NONE)],
    "nothing found": [(NONE, ONE), (NONE, NONE)],
    "nothing there": [(ONE, NONE), (ONE, NONE)],
    "found twice": [(Boxes(ONE.xyxy.repeat(2, 0), np.array([0, 0]), np.array([0.5, 0.5])), ONE)],
    "right box of the wrong class": [(Boxes(ONE.xyxy, np.array([1]), ONE.score), ONE)],
    "overlap of exactly one half": [(Boxes(boxes_of([(10, 10, 50, 25)]), np.array([0]), ONE.score), ONE)],
    "a crowd of every class": [
        (
            Boxes(boxes_of([(12, 12, 20, 20), (60, 60, 70, 70)]), np.array([2, 2]), np.array([0.9, 0.8])),
            Boxes(ONE.xyxy, np.array([-1]), ignore=np.array([True])),
        ),
        (ONE, ONE),
    ],
    "more than a hundred boxes": [
        (Boxes(ONE.xyxy.repeat(150, 0), np.zeros(150, int), np.linspace(0, 1, 150, dtype=np.float32)), ONE)
    ],
    "all scores equal over images": [(ONE, ONE), (ONE, NONE), (NONE, ONE)],
}


@pytest.mark.parametrize("case", ADVERSARIAL)
def test_difficult_sets(case: str) -> None:
    assert_equal(ADVERSARIAL[case])


def test_scores_by_class_are_nan_where_there_was_nothing_to_find() -> None:
    scores = coco_scores([(ONE, ONE)], CLASSES)
    assert scores["ap50/car"] == 1
    assert np.isnan(scores["ap50/person"])
    assert np.isnan(coco_scores([], CLASSES)["ap50"])


def test_protocol_tells_what_must_agree() -> None:
    protocol = Detection("boxes", CLASSES).protocol()
    assert protocol["classes"] == list(CLASSES)
    assert {"evaluator", "candidates", "nms_iou", "score_floor", "limit"} <= set(protocol)


def test_a_missing_evaluator_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: object, **kwargs: object) -> object:
        if name.startswith("faster_coco_eval"):
            raise ImportError(name)
        return real(name, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"hydranet\[train\]"):
        coco_scores([(ONE, ONE)], CLASSES)
