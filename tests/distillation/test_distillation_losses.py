"""Each distillation loss against numbers worked out by hand."""

import math

import pytest
import torch

from hydranet.annotations import Boxes, ClassMap, NormalMap, ScalarMap
from hydranet.core.distillation_target import DistillationTarget
from hydranet.core.features import FeatureSpec
from hydranet.core.spec import SpecError
from hydranet.core.task import Loss
from hydranet.distillation.certainty import agreed, mirrored, sure
from hydranet.distillation.feature_matching import FeatureMatching, relative_error
from hydranet.models.heads.box_distillation import (
    Gains,
    by_logits,
    class_divergence,
    localization_divergence,
    same_outputs,
)
from hydranet.models.heads.ssd import Ssd
from hydranet.models.heads.yolov8 import YoloV8
from hydranet.tasks.detection.task import Detection
from hydranet.tasks.semantic.soft import softened_divergence
from hydranet.tasks.semantic.task import Semantic
from hydranet.training.losses import combined


def kl(p: list[float], q: list[float]) -> float:
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True) if a > 0)


def softmax(values: list[float], temperature: float = 1.0) -> list[float]:
    powers = [math.exp(value / temperature) for value in values]
    return [power / sum(powers) for power in powers]


def test_softened_divergence_is_hintons() -> None:
    student, teacher, temperature = [1.0, -0.5, 2.0], [0.3, 0.1, 4.0], 3.0
    probs = torch.tensor(softmax(teacher, temperature)).view(1, 3, 1, 1)
    logits = torch.tensor(student).view(1, 3, 1, 1)
    everything = torch.ones(1, 3, dtype=torch.bool)
    loss = softened_divergence(logits, probs, everything, torch.full((1, 1, 1), 0.5), temperature)
    expected = 0.5 * 9 * kl(softmax(teacher, 3.0), softmax(student, 3.0))
    assert float(loss.total) == pytest.approx(expected, rel=1e-5)
    assert float(loss.count) == 0.5


def test_temperature_squared_keeps_the_size_of_the_gradient() -> None:
    """For large T the gradient tends to (z - v) / classes, whatever T is (arXiv 1503.02531, eq. 4)."""
    student, teacher = torch.tensor([1.0, 0.0, -1.0]), torch.tensor([0.0, 1.0, -1.0])
    for temperature in (50.0, 200.0):
        logits = student.clone().view(1, 3, 1, 1).requires_grad_()
        probs = (teacher / temperature).softmax(0).view(1, 3, 1, 1)
        everything, weight = torch.ones(1, 3, dtype=torch.bool), torch.ones(1, 1, 1)
        softened_divergence(logits, probs, everything, weight, temperature).total.backward()
        assert logits.grad is not None
        torch.testing.assert_close(logits.grad.flatten(), (student - teacher) / 3, rtol=0.05, atol=0.01)


def test_divergence_runs_over_the_classes_that_the_teacher_has() -> None:
    logits = torch.tensor([1.0, 5.0, 2.0]).view(1, 3, 1, 1).requires_grad_()
    probs = torch.tensor([0.2, 0.0, 0.6]).view(1, 3, 1, 1)
    listed = torch.tensor([[True, False, True]])
    loss = softened_divergence(logits, probs, listed, torch.ones(1, 1, 1), 1.0)
    assert loss.total.item() == pytest.approx(kl([0.25, 0.75], softmax([1.0, 2.0])), rel=1e-3)
    loss.total.backward()
    assert logits.grad is not None
    assert logits.grad[0, 1] == 0


def test_class_maps_are_masked_by_confidence() -> None:
    task = Semantic("x", ("a", "b"), class_weights=(1.0, 3.0))
    raw = torch.zeros(1, 2, 1, 2)
    raw[0, :, 0, 0] = torch.tensor([0.0, 4.0])
    sure = task.to_label(raw, 3.0, 0.7)
    assert isinstance(sure, ClassMap)
    ids = sure.ids[0].tolist()
    assert ids[0][0] == 1
    assert ids[0][-1] == 255, "equal probabilities are below .7"
    distilled_target = DistillationTarget("x", torch.tensor([0]), sure, temperature=3.0)
    loss = task.distill(torch.zeros(1, 2, 1, 2), distilled_target)
    known = sure.ids != 255
    expected = sum(9 * 3 * kl(p, [0.5, 0.5]) for p in sure.probs[0].permute(1, 2, 0)[known[0]].tolist())
    assert float(loss.total) == pytest.approx(expected, rel=1e-4)
    assert float(loss.count) == 3 * int(known.sum())


def test_without_temperature_the_decisions_are_the_label() -> None:
    task = Semantic("x", ("a", "b"))
    teacher, student = torch.randn(2, 2, 3, 4), torch.randn(2, 2, 3, 4)
    seen = task.to_label(teacher)
    assert isinstance(seen, ClassMap)
    assert seen.probs is None
    raw_output = task.distill(student, DistillationTarget("x", torch.arange(2), seen))
    torch.testing.assert_close(raw_output.total, task.loss(student, task.decode(teacher)).total)


def test_joined_is_one_weighted_mean() -> None:
    labeled = Loss(torch.tensor(6.0), torch.tensor(3.0), {"box": torch.tensor(6.0)})
    raw_output = Loss(torch.tensor(10.0), torch.tensor(2.0))
    both = combined(labeled, raw_output, 0.5)
    assert float(both.mean()) == pytest.approx((6 + 5) / (3 + 1))
    assert {name: float(value) for name, value in both.parts.items()} == {"box": 6.0, "distilled": 5.0}
    twice = combined(both, raw_output, 1.0)
    assert float(twice.mean()) == pytest.approx((6 + 5 + 10) / (3 + 1 + 2))
    assert sum(map(float, twice.parts.values())) == pytest.approx(float(twice.total))
    assert float(combined(None, raw_output, 0.5).mean()) == pytest.approx(5.0)


def test_numbers_are_believed_where_the_mirrored_picture_agrees() -> None:
    seen = ScalarMap(torch.tensor([[[10.0, 10.0, 4.0]]]), unit="m")
    back = mirrored(ScalarMap(torch.tensor([[[4.0, 5.0, 9.0]]]), unit="m"))
    assert isinstance(back, ScalarMap)
    assert back.values.tolist() == [[[9.0, 5.0, 4.0]]]
    sure = agreed(seen, back, 0.8)
    assert isinstance(sure, ScalarMap)
    assert torch.isnan(sure.values).tolist() == [[[False, True, False]]]


def test_normals_are_believed_by_their_cosine() -> None:
    right = torch.tensor([0.6, 0.0, -0.8]).view(1, 3, 1, 1)
    back = mirrored(NormalMap(right))
    assert isinstance(back, NormalMap)
    torch.testing.assert_close(back.xyz.flatten(), torch.tensor([-0.6, 0.0, -0.8]))
    assert torch.isnan(agreed(NormalMap(right), back, 0.5).xyz).all(), "the cosine is .64 - .36 = .28"
    assert torch.isfinite(agreed(NormalMap(right), back, 0.2).xyz).all()


def test_sides_of_boxes_diverge_as_by_hand() -> None:
    own, teacher, temperature = [0.0, 1.0], [2.0, 0.0], 2.0
    bins, there = torch.tensor(own).expand(1, 3, 4, 2), torch.tensor(teacher).expand(1, 3, 4, 2)
    loss = localization_divergence(bins, there, torch.tensor([[1.0, 0.5, 0.0]]), temperature)
    expected = 1.5 * 4 * kl(softmax(teacher, 2.0), softmax(own, 2.0))
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_every_class_of_a_cell_is_a_coin() -> None:
    logits, probs = torch.tensor([[[0.0, 1.0]]]), torch.tensor([[[0.8, 0.3]]])
    own = 1 / (1 + math.exp(-1.0))
    first, second = kl([0.8, 0.2], [0.5, 0.5]), kl([0.3, 0.7], [own, 1 - own])
    assert float(class_divergence(logits, probs, torch.tensor([True, True]))) == pytest.approx(first + second, rel=1e-5)
    assert float(class_divergence(logits, probs, torch.tensor([True, False]))) == pytest.approx(first, rel=1e-5)


def test_logits_of_boxes_count_where_the_teacher_believes() -> None:
    teacher = {"scores": torch.tensor([[[2.0, -9.0], [-9.0, -9.0]]]), "boxes": torch.randn(1, 2, 4, 16)}
    student = {"scores": torch.zeros(1, 2, 2), "boxes": torch.zeros(1, 2, 4, 16)}
    loss = by_logits(student, teacher, None, 3.0, 0.1, Gains(1.0, 1.0))
    assert float(loss.count) == pytest.approx(torch.tensor(2.0).sigmoid().item() + 1)
    same = by_logits(teacher, teacher, None, 3.0, 0.1, Gains(1.0, 1.0))
    assert float(same.total) == pytest.approx(0, abs=1e-4)


def test_classes_of_a_teacher_are_mapped() -> None:
    teacher = {"scores": torch.tensor([[[3.0, 1.0, 0.0]]]), "boxes": torch.zeros(1, 1, 4, 16)}
    student = {"scores": torch.tensor([[[0.5, -0.5]]]), "boxes": torch.zeros(1, 1, 4, 16)}
    loss = by_logits(student, teacher, torch.tensor([1, 1, -2]), 3.0, 0.1, Gains(1.0, 1.0))
    p, q = torch.tensor(3.0).sigmoid().item(), torch.tensor(-0.5).sigmoid().item()
    assert float(loss.parts["class"]) == pytest.approx(kl([p, 1 - p], [q, 1 - q]), rel=1e-4)


def test_heads_are_alike_when_their_cells_and_bins_are() -> None:
    assert same_outputs(YoloV8(), YoloV8(width="xs", separable=True))
    assert not same_outputs(YoloV8(), YoloV8(reg_max=8))
    assert not same_outputs(YoloV8(), Ssd())


def test_a_doubted_box_is_neither_object_nor_background() -> None:
    seen = Boxes(
        torch.tensor([[[60.0, 0, 69, 9], [0, 0, 9, 9], [1, 0, 9, 9], [40, 0, 49, 9]]]),
        torch.tensor([[1, 0, 0, 1]]),
        torch.tensor([[0.01, 0.9, 0.8, 0.2]]),
    )
    label = sure(seen, Detection("x", ("a", "b")).postprocess, 0.25)
    assert isinstance(label, Boxes)
    assert label.label.tolist() == [[0, 1]]
    assert label.ignore.tolist() == [[False, True]]
    assert label.score.tolist() == [[pytest.approx(0.9), pytest.approx(0.2)]]


def test_unlike_heads_learn_from_decoded_boxes() -> None:
    features = tuple(FeatureSpec(8, stride) for stride in (8, 16, 32))
    pyramid = [torch.randn(2, 8, 64 // s, 64 // s) for s in (8, 16, 32)]
    student, teacher = Detection("x", ("a", "b")), Detection("x", ("a", "b"), detector=YoloV8(reg_max=8))
    own = student.head(features)(pyramid)
    there = teacher.head(features)(pyramid)
    decoded = teacher.to_label(there, 3.0)
    assert isinstance(decoded, Boxes)
    seen = sure(decoded, teacher.postprocess, 0.002)
    distilled_target = DistillationTarget("x", torch.arange(2), seen, temperature=3.0, raw=there, teacher=teacher)
    torch.testing.assert_close(student.distill(own, distilled_target).total, student.loss(own, seen).total)


def test_sides_of_boxes_count_from_half_of_the_asked_confidence_and_with_0_everywhere() -> None:
    task = Detection("x", ("a", "b"))
    head = task.head(tuple(FeatureSpec(8, stride) for stride in (8, 16, 32)))
    with torch.no_grad():
        own, there = (head([torch.randn(2, 8, 64 // s, 64 // s) for s in (8, 16, 32)]) for _ in range(2))
    belief = there["scores"].sigmoid().amax(-1)
    for least, cells in ((0.0, belief >= 0), (float(belief.median()) * 2, belief >= belief.median())):
        target = DistillationTarget("x", torch.arange(2), None, temperature=3.0, raw=there, teacher=task, least=least)
        assert float(task.distill(own, target).count) == pytest.approx(float((belief * cells).sum()) + 2)


def test_features_are_matched_relative_to_the_teachers() -> None:
    own, there = torch.full((2, 3, 1, 1), 1.0), torch.full((2, 3, 1, 1), 4.0)
    assert relative_error(own, there).tolist() == pytest.approx([9 / 16] * 2)
    hints = FeatureMatching("features_0", hint=(FeatureSpec(3, 4), FeatureSpec(3, 8), FeatureSpec(3, 8)), strength=2.0)
    head = hints.head((FeatureSpec(5, 4), FeatureSpec(6, 8)))
    assert [layer.weight.shape[:2] for layer in head.layers] == [(3, 5), (3, 6)]
    distilled_target = DistillationTarget(
        "features_0", torch.arange(2), None, raw=[there, torch.zeros(2, 3, 1, 1), there]
    )
    loss = hints.distill([own, own], distilled_target)
    assert float(loss.total) == pytest.approx(2.0 * 4 * 9 / 16)
    assert float(loss.count) == 4
    with pytest.raises(SpecError, match=r"none for \[8\]"):
        hints.head((FeatureSpec(5, 4),))
    with pytest.raises(SpecError, match="neither labels nor answers"):
        hints.decode(None)
