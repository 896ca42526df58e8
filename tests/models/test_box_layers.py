"""Box arithmetic and NMS against torchvision, and the properties that do not need an oracle."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.ops import batched_nms, box_iou

from hydranet.annotations import Boxes
from hydranet.models.layers.boxes import area, grid, inside, iou, strongest
from hydranet.postprocess.nms import above, nms


def random_boxes(rng: np.random.Generator, n: int, span: float = 60, size: float = 40) -> np.ndarray:
    corner, extent = rng.uniform(0, span, (n, 2)), rng.uniform(1, size, (n, 2))
    return np.concatenate((corner, corner + extent), 1).astype(np.float32)


def random_candidates(seed: int, n: int, classes: int = 3) -> Boxes:
    rng = np.random.default_rng(seed)
    score = rng.permutation(n).astype(np.float32) / max(n, 1)  # no ties: their order is nobody's promise
    return Boxes(random_boxes(rng, n), rng.integers(0, classes, n), score)


def test_iou_equals_torchvision() -> None:
    rng = np.random.default_rng(0)
    a, b = torch.from_numpy(random_boxes(rng, 20)), torch.from_numpy(random_boxes(rng, 30))
    torch.testing.assert_close(iou(a, b), box_iou(a, b))
    torch.testing.assert_close(iou(a[None], b[None])[0], box_iou(a, b))


def test_empty_boxes_overlap_nothing() -> None:
    nothing = torch.zeros(2, 4)
    assert iou(nothing, nothing).eq(0).all()
    assert area(torch.tensor([5.0, 5, 3, 9])) == 0


def test_cell_centers_follow_the_continuous_convention() -> None:
    points = grid(2, 3, 8, torch.zeros(()))
    assert points.tolist() == [[4, 4], [12, 4], [20, 4], [4, 12], [12, 12], [20, 12]]


def test_a_box_between_two_cells_still_holds_one_when_asked() -> None:
    points, small = grid(2, 2, 8, torch.zeros(()))[None], torch.tensor([[[6.0, 6, 8, 8]]])
    assert not inside(points, small).any()
    assert inside(points, small, least_px=8).sum() == 1


def test_strongest_takes_pairs_of_box_and_class() -> None:
    xyxy = torch.arange(12.0).reshape(1, 3, 4)
    scores = torch.tensor([[[0.1, 0.9], [0.8, 0.7], [0.2, 0.3]]])
    best = strongest(xyxy, scores, 3)
    assert best.label.tolist() == [[1, 0, 1]]
    assert best.xyxy.tolist() == [[xyxy[0, 0].tolist(), xyxy[0, 1].tolist(), xyxy[0, 1].tolist()]]
    torch.testing.assert_close(best.score, torch.tensor([[0.9, 0.8, 0.7]]))
    assert strongest(xyxy, scores, 300).score.shape == (1, 6)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(0, 80), threshold=st.sampled_from([0.3, 0.5, 0.65, 0.9]))
def test_nms_equals_torchvision(seed: int, n: int, threshold: float) -> None:
    boxes = random_candidates(seed, n)
    kept = batched_nms(*(torch.from_numpy(np.asarray(v)) for v in (boxes.xyxy, boxes.score, boxes.label)), threshold)
    ours = nms(boxes, score=0.0, iou=threshold, max_detections=1000)
    assert np.array_equal(ours.xyxy, boxes.xyxy[kept.numpy()])
    assert np.array_equal(ours.label, boxes.label[kept.numpy()])


def test_nms_does_not_depend_on_the_order_of_candidates() -> None:
    boxes, order = random_candidates(1, 50), np.random.default_rng(2).permutation(50)
    shuffled = Boxes(boxes.xyxy[order], boxes.label[order], boxes.score[order])
    assert np.array_equal(nms(boxes).xyxy, nms(shuffled).xyxy)


@pytest.mark.parametrize("threshold", [0.0, 0.25, 0.5])
def test_a_higher_threshold_after_nms_equals_one_before(threshold: float) -> None:
    boxes = random_candidates(3, 80)
    later, before = above(nms(boxes, score=0.0), threshold), nms(boxes, score=threshold)
    assert np.array_equal(later.xyxy, before.xyxy)


def test_nms_looks_at_the_best_candidates_and_keeps_the_best() -> None:
    boxes = random_candidates(4, 60)
    few = nms(boxes, score=0.0, iou=1.0, max_detections=5, pre_nms_topk=10)
    assert np.allclose(few.score, np.sort(boxes.score)[::-1][:5])
    assert nms(boxes, score=0.0, iou=1.0, pre_nms_topk=7).xyxy.shape == (7, 4)


def test_padding_rows_are_no_answers() -> None:
    assert len(nms(Boxes(np.zeros((2, 4), np.float32), np.array([-1, -1]), np.ones(2, np.float32))).label) == 0


def test_nms_does_not_depend_on_the_order_of_equal_scores() -> None:
    rng = np.random.default_rng(3)
    corner = rng.integers(0, 30, (60, 2)).astype(np.float32)
    xyxy, label = np.concatenate((corner, corner + 12), 1), rng.integers(0, 3, 60)
    score = rng.choice(np.array([0.5, 1.0], np.float32), 60)
    kept = nms(Boxes(xyxy, label, score), score=0.0, iou=0.4)
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(60)
        again = nms(Boxes(xyxy[order], label[order], score[order]), score=0.0, iou=0.4)
        assert np.array_equal(again.xyxy, kept.xyxy)
        assert np.array_equal(again.label, kept.label)
