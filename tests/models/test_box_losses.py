"""Detection's arithmetic: box losses, and who answers for which object."""

import math

import pytest
import torch
from torch.nn import functional as F

from hydranet.annotations import Boxes
from hydranet.models.heads.assignment import task_aligned
from hydranet.models.heads.box_head import truth
from hydranet.models.heads.box_losses import distribution_focal, expectation


def test_dfl_is_cross_entropy_on_whole_bins() -> None:
    logits, target = torch.randn(50, 4, 16), torch.randint(0, 16, (50, 4))
    expected = F.cross_entropy(logits.flatten(0, 1), target.flatten(), reduction="none").view(50, 4).mean(1)
    torch.testing.assert_close(distribution_focal(logits, target.float()), expected)


def test_dfl_between_bins_is_least_where_the_mass_is_split_by_nearness() -> None:
    target = torch.full((1, 4), 3.25)
    split = torch.full((1, 4, 16), -30.0)
    split[..., 3], split[..., 4] = math.log(0.75), math.log(0.25)
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    torch.testing.assert_close(distribution_focal(split, target), torch.tensor([entropy]))
    torch.testing.assert_close(expectation(split), target)
    assert distribution_focal(torch.randn(1, 4, 16), target) > entropy


def test_dfl_cuts_distances_that_no_bin_can_express() -> None:
    logits = torch.randn(1, 4, 16)
    far, last = torch.full((1, 4), 99.0), torch.full((1, 4), 15.0)
    torch.testing.assert_close(distribution_focal(logits, far), distribution_focal(logits, last))
    torch.testing.assert_close(distribution_focal(logits, -far), distribution_focal(logits, last * 0))


def hand_made() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, Boxes]:
    """Four anchors in a row and two objects of class 0 and 1; every number below can be checked on paper."""
    points = torch.tensor([[[4.0, 4], [12, 4], [20, 4], [28, 4]]])
    boxes = torch.tensor([[[0.0, 0, 8, 8], [0, 0, 16, 8], [16, 0, 32, 8], [20, 0, 32, 8]]])
    scores = torch.tensor([[[0.81, 0.1], [0.25, 0.1], [0.1, 0.64], [0.1, 0.16]]])
    label = Boxes(torch.tensor([[[0.0, 0, 16, 8], [16, 0, 32, 8]]]), torch.tensor([[0, 1]]))
    return scores, boxes, points, label


def test_task_aligned_assignment_by_hand() -> None:
    scores, boxes, points, label = hand_made()
    match = task_aligned(scores, boxes, points, truth(label, 2), topk=10, powers=(0.5, 1.0))
    # object 0: IoU 0.5, 1.0 and score .9, .5 (square roots) -> t = .45, .5; targets t / .5 * best IoU 1.0
    # object 1: IoU 1.0, 0.75 and score .8, .4 -> t = .8, .3; targets t / .8 * 1.0
    assert match.positive.tolist() == [[True] * 4]
    assert match.row.tolist() == [[0, 0, 1, 1]]
    torch.testing.assert_close(match.target[0], torch.tensor([[0.9, 0], [1.0, 0], [0, 1.0], [0, 0.375]]))


def test_only_the_topk_best_aligned_anchors_are_taken() -> None:
    scores, boxes, points, label = hand_made()
    match = task_aligned(scores, boxes, points, truth(label, 2), topk=1, powers=(0.5, 1.0))
    assert match.positive.tolist() == [[False, True, True, False]]
    torch.testing.assert_close(match.target[0], torch.tensor([[0.0, 0], [1.0, 0], [0, 1.0], [0, 0]]))


def test_an_anchor_wanted_twice_goes_to_the_object_it_overlaps_more() -> None:
    scores, boxes, points, _ = hand_made()
    label = Boxes(torch.tensor([[[0.0, 0, 16, 8], [0, 0, 8, 8]]]), torch.tensor([[0, 1]]))
    match = task_aligned(scores, boxes, points, truth(label, 2), powers=(0.5, 1.0))
    assert match.row[0, :2].tolist() == [1, 0]
    assert match.positive.tolist() == [[True, True, False, False]]


def test_padding_ignored_and_unknown_rows_are_not_assigned() -> None:
    scores, boxes, points, label = hand_made()
    for blind in (
        Boxes(label.xyxy, torch.tensor([[-1, -1]])),
        Boxes(label.xyxy, label.label, ignore=torch.ones(1, 2, dtype=torch.bool)),
        Boxes(label.xyxy, label.label, annotated_classes=torch.zeros(1, 2, dtype=torch.bool)),
        Boxes(label.xyxy[:, :0], label.label[:, :0]),
    ):
        match = task_aligned(scores, boxes, points, truth(blind, 2))
        assert not match.positive.any()
        assert match.target.eq(0).all()


def test_absence_is_judged_outside_ignored_regions_and_for_known_classes_only() -> None:
    points = hand_made()[2]
    region = torch.tensor([[[0.0, 0, 16, 8], [24, 0, 32, 8]]])
    label = Boxes(region, torch.tensor([[1, -1]]), ignore=torch.tensor([[True, True]]))
    assert truth(label, 2).judged(points)[0].tolist() == [[True, False], [True, False], [True, True], [False, False]]
    label = Boxes(region, torch.tensor([[0, 1]]), annotated_classes=torch.tensor([[True, False]]))
    assert truth(label, 2).judged(points)[0].tolist() == [[True, False]] * 4


@pytest.mark.parametrize("seed", range(5))
def test_assignment_follows_permutations_of_objects_and_anchors(seed: int) -> None:
    torch.manual_seed(seed)
    corner = torch.rand(1, 60, 2) * 50
    boxes = torch.cat((corner, corner + 5 + torch.rand(1, 60, 2) * 30), -1)
    scores, points = torch.rand(1, 60, 3), (boxes[..., :2] + boxes[..., 2:]) / 2
    label = Boxes(boxes[:, ::10] + torch.rand(1, 6, 4), torch.randint(0, 3, (1, 6)))
    plain = task_aligned(scores, boxes, points, truth(label, 3))
    rows, anchors = torch.randperm(6), torch.randperm(60)
    moved = Boxes(label.xyxy[:, rows], label.label[:, rows])
    mixed = task_aligned(scores[:, anchors], boxes[:, anchors], points[:, anchors], truth(moved, 3))
    torch.testing.assert_close(mixed.target, plain.target[:, anchors])
    assert torch.equal(rows[mixed.row][mixed.positive], plain.row[:, anchors][mixed.positive])
