"""The two-stage head's arithmetic against torchvision's."""

import pytest
import torch
from torchvision.models.detection._utils import Matcher
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import box_iou, nms

from detection_toy import FEATURES
from hydranet.annotations import Boxes
from hydranet.models.heads.assignment import by_overlap
from hydranet.models.heads.box_head import truth
from hydranet.models.heads.faster_rcnn import RATIOS, TwoStage, anchors_at, propose
from hydranet.models.layers.boxes import grid


def random_boxes(n: int, span: float = 200) -> torch.Tensor:
    corner = torch.rand(n, 2) * span * 0.7
    return torch.cat((corner, corner + 8 + torch.rand(n, 2) * span * 0.3), 1)


def test_nine_anchors_a_cell_equal_torchvisions() -> None:
    sizes = (16.0, 64.0, 128.0)
    generator = AnchorGenerator((sizes,), (RATIOS,))
    (theirs,) = generator(ImageList(torch.zeros(1, 3, 32, 48), [(32, 48)]), [torch.zeros(1, 1, 4, 6)])
    ours = anchors_at(grid(4, 6, 8, torch.zeros(())), sizes)
    assert ours.shape == (4 * 6 * 9, 4)
    # theirs are rounded to whole pixels, and centered on the corner of a cell instead of its middle
    torch.testing.assert_close(ours - 4, theirs, atol=0.5, rtol=0)


@pytest.mark.parametrize("seed", range(5))
def test_anchors_are_told_apart_as_in_torchvision(seed: int) -> None:
    torch.manual_seed(seed)
    anchors = anchors_at(grid(12, 12, 16, torch.zeros(())), (24.0, 48.0, 96.0))
    objects = anchors[torch.randint(len(anchors), (5,))] + 6 * torch.randn(5, 4)  # none inside an anchor: no ties
    theirs = Matcher(0.7, 0.3, allow_low_quality_matches=True)(box_iou(objects, anchors))
    ours = by_overlap(anchors[None], truth(Boxes(objects[None], torch.zeros(1, 5).long()), 1), 0.7, 0.3)
    assert torch.equal(ours.positive[0], theirs >= 0)
    assert torch.equal(ours.negative[0], theirs == Matcher.BELOW_LOW_THRESHOLD)


def test_proposals_are_never_covered_by_a_better_one_and_are_among_nms() -> None:
    torch.manual_seed(0)
    boxes, score = random_boxes(300), torch.rand(300)
    kept = nms(boxes, score, 0.7)
    ours = propose(boxes[None], score[None], considered=300, proposals=20)[0]
    assert box_iou(ours, ours).triu(1).max() <= 0.7
    assert {tuple(box.tolist()) for box in ours} <= {tuple(box.tolist()) for box in boxes[kept]}


def test_the_number_of_proposals_is_static_even_when_all_are_alike() -> None:
    boxes = torch.tensor([[0.0, 0, 9, 9]]).expand(50, 4)[None]
    assert propose(boxes, torch.rand(1, 50), considered=40, proposals=20).shape == (1, 20, 4)


def test_the_loss_learns_from_the_proposals_of_the_forward_pass_alone() -> None:
    torch.manual_seed(0)
    config = TwoStage(proposals=16, width=32, rpn_width=16)
    pyramid = [torch.randn(2, f.channels, 64 // f.stride, 96 // f.stride, requires_grad=True) for f in FEATURES]
    raw = config.build(FEATURES, 2)(pyramid)
    assert raw["proposals"].shape == (2, 16, 4)
    assert not raw["proposals"].requires_grad
    assert raw["proposals"].amin() >= 0
    assert (raw["proposals"].amax((0, 1)) <= torch.tensor([96.0, 64, 96, 64])).all()
    label = Boxes(raw["proposals"][:, :1], torch.tensor([[0], [1]]))  # objects that were proposed exactly
    loss = config.loss(raw, label, 2)
    loss.mean().backward()
    assert loss.parts["class"] > 0
    assert pyramid[1].grad is not None
    assert pyramid[1].grad.abs().sum() > 0
