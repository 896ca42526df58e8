"""SSD's default boxes, matching and loss against torchvision's."""

import pytest
import torch
from torch.nn import functional as F
from torchvision.models.detection._utils import BoxCoder, SSDMatcher
from torchvision.models.detection.anchor_utils import DefaultBoxGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import box_iou

from detection_toy import CLASSES, FEATURES
from hydranet.annotations import Boxes
from hydranet.core.features import FeatureSpec
from hydranet.models.heads.assignment import by_overlap
from hydranet.models.heads.box_head import truth
from hydranet.models.heads.box_losses import hardest, masked_cross_entropy
from hydranet.models.heads.ssd import RATIOS, Ssd, default_boxes
from hydranet.models.layers.boxes import as_offsets, from_offsets

MAPS_300 = [(38, 38), (19, 19), (10, 10), (5, 5), (3, 3), (1, 1)]


def random_boxes(n: int, span: float) -> torch.Tensor:
    corner = torch.rand(n, 2) * span * 0.7
    return torch.cat((corner, corner + 4 + torch.rand(n, 2) * span * 0.3), 1)


def pyramid_300() -> tuple[tuple[FeatureSpec, ...], list[torch.Tensor]]:
    features = tuple(FeatureSpec(8, stride) for stride in (8, 16, 32))
    return features, [torch.randn(2, 8, *size) for size in MAPS_300[:3]]


def test_8732_default_boxes_at_300x300() -> None:
    features, pyramid = pyramid_300()
    raw = Ssd(width=16).build(features, 20)(pyramid)
    assert raw["defaults"].shape == (2, 8732, 4)
    assert raw["scores"].shape == (2, 8732, 21)
    assert raw["boxes"].shape == (2, 8732, 4)


def test_default_boxes_equal_torchvisions() -> None:
    generator = DefaultBoxGenerator(
        [list(map(int, ratios)) for ratios in RATIOS], scales=list(Ssd().scales), clip=False
    )
    maps = [torch.zeros(1, 1, *size) for size in MAPS_300]
    (theirs,) = generator(ImageList(torch.zeros(1, 3, 300, 300), [(300, 300)]), maps)
    torch.testing.assert_close(default_boxes(MAPS_300, (300, 300), Ssd().scales), theirs, atol=1e-3, rtol=1e-5)


def test_default_boxes_follow_the_map_and_keep_their_shape_on_a_wide_image() -> None:
    boxes = default_boxes([(24, 80)] + [(1, 1)] * 5, (192, 640), Ssd().scales)
    centers, size = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    torch.testing.assert_close(centers[0], torch.tensor([4.0, 4.0]))
    torch.testing.assert_close(centers[24 * 80 * 4 - 1], torch.tensor([636.0, 188.0]), atol=1e-3, rtol=0)
    torch.testing.assert_close(size[0, 0], size[0, 1])


def test_offsets_equal_torchvisions_and_can_be_undone() -> None:
    torch.manual_seed(0)
    boxes, anchors = random_boxes(50, 300), random_boxes(50, 300)
    offsets = as_offsets(boxes, anchors)
    torch.testing.assert_close(offsets, BoxCoder((10.0, 10.0, 5.0, 5.0)).encode_single(boxes, anchors))
    torch.testing.assert_close(from_offsets(offsets, anchors), boxes, atol=1e-2, rtol=1e-4)
    assert from_offsets(torch.full((50, 4), 1e9), anchors).isfinite().all()


@pytest.mark.parametrize("seed", range(5))
def test_matching_equals_torchvisions(seed: int) -> None:
    torch.manual_seed(seed)
    defaults, objects = default_boxes(MAPS_300, (300, 300), Ssd().scales), random_boxes(6, 300)
    theirs = SSDMatcher(0.5)(box_iou(objects, defaults))
    label = Boxes(objects[None], torch.zeros(1, 6, dtype=torch.long))
    ours = by_overlap(defaults[None], truth(label, 1), 0.5, 0.5)
    assert torch.equal(ours.positive[0], theirs >= 0)
    assert torch.equal(ours.row[0][theirs >= 0], theirs[theirs >= 0])
    assert torch.equal(ours.negative, ~ours.positive)


def test_each_object_gets_a_box_however_small_the_overlap() -> None:
    objects = torch.tensor([[[1.0, 1, 3, 3], [200, 200, 203, 203]]])
    match = by_overlap(
        default_boxes(MAPS_300, (300, 300), Ssd().scales)[None],
        truth(Boxes(objects, torch.tensor([[0, 1]])), 2),
        0.5,
        0.5,
    )
    assert match.row[match.positive].sort().values.tolist() == [0, 1]


def test_masked_cross_entropy_is_cross_entropy_where_everything_is_judged() -> None:
    logits, target = torch.randn(2, 7, 4), torch.randint(0, 4, (2, 7))
    everything = torch.ones(2, 7, 3, dtype=torch.bool)
    expected = F.cross_entropy(logits.transpose(1, 2), target, reduction="none")
    torch.testing.assert_close(masked_cross_entropy(logits, target, everything), expected)


def test_an_unjudged_class_takes_no_part_in_the_softmax() -> None:
    logits = torch.tensor([[[0.0, 5.0, 1.0]]], requires_grad=True)
    loss = masked_cross_entropy(logits, torch.tensor([[0]]), torch.tensor([[[False, True]]]))
    torch.testing.assert_close(loss, F.cross_entropy(torch.tensor([[0.0, 1.0]]), torch.tensor([0]))[None, None])
    loss.sum().backward()
    assert logits.grad is not None
    assert logits.grad[0, 0, 1] == 0


def test_hard_negatives_are_the_most_wrong_three_to_one() -> None:
    loss = torch.tensor([[9.0, 1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 6]])
    positive = torch.tensor([[True] + [False] * 5, [False] * 6])
    chosen = hardest(loss, positive, ~positive, 3)
    assert chosen.tolist() == [[False, False, False, True, True, True]] * 2


def test_the_loss_of_one_image_by_hand() -> None:
    """Positives and the three worst negatives, over the number of positives, written out with plain loops."""
    torch.manual_seed(0)
    head = Ssd(width=16)
    with torch.no_grad():
        raw = head.build(FEATURES, 2)([torch.randn(1, f.channels, 64 // f.stride, 96 // f.stride) for f in FEATURES])
    label = Boxes(torch.tensor([[[10.0, 10, 40, 40]]]), torch.tensor([[1]]))
    overlap = box_iou(label.xyxy[0], raw["defaults"][0])[0]
    positive = overlap >= 0.5
    positive[overlap.argmax()] = True
    entropy = [
        float(F.cross_entropy(logits[None], torch.tensor([2 if p else 0])))
        for logits, p in zip(raw["scores"][0], positive, strict=True)
    ]
    worst = sorted((e for e, p in zip(entropy, positive, strict=True) if not p), reverse=True)[
        : 3 * int(positive.sum())
    ]
    coder = BoxCoder((10.0, 10.0, 5.0, 5.0))
    goal = coder.encode_single(label.xyxy[0].expand(int(positive.sum()), 4), raw["defaults"][0][positive])
    shift = F.smooth_l1_loss(raw["boxes"][0][positive], goal, reduction="sum")
    total = float(shift) + sum(worst) + sum(e for e, p in zip(entropy, positive, strict=True) if p)
    assert float(head.loss(raw, label, len(CLASSES)).mean()) == pytest.approx(total / int(positive.sum()), rel=1e-4)
