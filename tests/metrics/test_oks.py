"""OKS scores equal those of pycocotools: random sets with areas, crowds and unknown points, and cases by hand."""

import builtins

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from hydranet.annotations import Keypoints
from hydranet.core.task import PerImage
from hydranet.metrics.oks import PERSON_SIGMAS, oks_scores


def random_image(rng: np.random.Generator, points: int) -> PerImage:
    n, m = rng.integers(0, 5), rng.integers(0, 25)
    corner, size = rng.uniform(0, 80, (n, 1, 2)), rng.uniform(10, 60, (n, 1, 2))
    xy = (corner + rng.random((n, points, 2)) * size).astype(np.float32)
    visible = rng.choice([0, 1, 2], (n, points)) * (rng.random((n, 1)) < 0.8)
    xyxy = np.concatenate([corner, corner + size], 2)[:, 0].astype(np.float32)
    area = (size.prod(2)[:, 0] * rng.uniform(0.3, 0.9, n)).astype(np.float32)
    label = Keypoints(xy, visible, ignore=rng.random(n) < 0.2, area=area, xyxy=xyxy)
    pick = rng.integers(0, max(n, 1), m)
    near = xy[pick] if n else np.zeros((m, points, 2))
    near = (near + rng.normal(0, 1, near.shape) * rng.uniform(0, 8, (m, 1, 1))).astype(np.float32)
    score = np.round(rng.random(m), 1).astype(np.float32)  # many ties
    return Keypoints(near, np.full((m, points), 2), score=score), label


def reference(images: list[PerImage], sigmas: tuple[float, ...]) -> dict[str, float]:
    """The same set through pycocotools, fed without our code."""
    truth, detections = COCO(), COCO()
    head = {"images": [{"id": i} for i in range(len(images))], "categories": [{"id": 1}]}
    labels, answers = [], []
    for image, (prediction, label) in enumerate(images):
        for i in range(len(label.xy)):
            left, top, right, bottom = map(float, label.xyxy[i])
            points = np.column_stack([np.where(label.visible[i][:, None] > 0, label.xy[i], 0), label.visible[i]])
            labels.append(
                {
                    "id": len(labels) + 1,
                    "image_id": image,
                    "category_id": 1,
                    "keypoints": points.astype(float).ravel().tolist(),
                    "num_keypoints": int((label.visible[i] > 0).sum()),
                    "area": float(label.area[i]),
                    "bbox": [left, top, right - left, bottom - top],
                    "iscrowd": int(label.ignore[i]),
                }
            )
        for i in range(len(prediction.xy)):
            points = np.column_stack([prediction.xy[i], np.full(len(sigmas), 2)]).astype(float).ravel().tolist()
            one = {"id": len(answers) + 1, "image_id": image, "category_id": 1, "keypoints": points, "iscrowd": 0}
            answers.append({**one, "score": float(prediction.score[i]), "area": 1.0, "bbox": [0.0, 0.0, 0.0, 0.0]})
    truth.dataset, detections.dataset = {**head, "annotations": labels}, {**head, "annotations": answers}
    truth.createIndex()
    detections.createIndex()
    evaluator = COCOeval(truth, detections, "keypoints")
    evaluator.params.kpt_oks_sigmas = np.array(sigmas)
    evaluator.params.areaRng, evaluator.params.areaRngLbl = [[0, 1e10]], ["all"]
    evaluator.params.maxDets = [20]
    evaluator.evaluate()
    evaluator.accumulate()
    precision, recall = evaluator.eval["precision"], evaluator.eval["recall"]

    def mean(values: np.ndarray) -> float:
        return float(values[values > -1].mean()) if (values > -1).any() else float("nan")

    return {"ap": mean(precision), "ap50": mean(precision[0]), "ap75": mean(precision[5]), "ar": mean(recall)}


@pytest.mark.parametrize("seed", range(12))
def test_scores_are_those_of_pycocotools(seed, monkeypatch):
    monkeypatch.setattr(builtins, "print", lambda *_, **__: None)
    rng = np.random.default_rng(seed)
    sigmas = PERSON_SIGMAS if seed % 2 else tuple(rng.uniform(0.02, 0.1, 5))
    images = [random_image(rng, len(sigmas)) for _ in range(rng.integers(1, 8))]
    assert oks_scores(images, sigmas) == pytest.approx(reference(images, sigmas), abs=1e-9, nan_ok=True)


def person(shift: float = 0.0, score: float | None = None) -> Keypoints:
    """Four corners of a square of 20 px, moved."""
    xy = np.array([[[10, 10], [30, 10], [30, 30], [10, 30]]], np.float32) + np.float32(shift)
    given = None if score is None else np.array([score], np.float32)
    return Keypoints(xy, np.full((1, 4), 2), score=given, area=np.array([400.0], np.float32))


def test_the_similarity_by_hand():
    sigmas = (0.1,) * 4
    # OKS = exp(-2 shift^2 / (2 * 400 * .04)): .75 at a shift of 2.145
    at_least = {round(t, 2) for t in np.arange(0.5, 1, 0.05) if np.exp(-2 * 2.1**2 / 32) >= t}
    scores = oks_scores([(person(2.1, 0.9), person())], sigmas)
    assert scores["ap"] == pytest.approx(len(at_least) / 10)
    assert (scores["ap50"], scores["ap75"]) == (1, 1)
    assert oks_scores([(person(2.2, 0.9), person())], sigmas)["ap75"] == 0


def test_what_is_predicted_on_people_without_points_counts_neither_way():
    nobody = Keypoints(
        np.zeros((1, 4, 2), np.float32), np.zeros((1, 4), int), xyxy=np.array([[8, 8, 32, 32]], np.float32)
    )
    answer = person(0, 0.95)
    both = oks_scores([(answer, nobody), (person(0, 0.9), person())], (0.1,) * 4)
    assert both["ap"] == pytest.approx(1)
    wrong = oks_scores([(person(200, 0.95), nobody), (person(0, 0.9), person())], (0.1,) * 4)
    assert wrong["ap"] == pytest.approx(0.5, abs=0.01)


def test_nothing_labeled_is_not_measured():
    nothing = Keypoints(np.zeros((0, 4, 2), np.float32), np.zeros((0, 4), int))
    assert np.isnan(oks_scores([(person(0, 0.5), nothing)], (0.1,) * 4)["ap"])
    assert oks_scores([(nothing, person())], (0.1,) * 4)["ap"] == 0
