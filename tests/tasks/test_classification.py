"""Classification: losses and scores against arithmetic by hand and other restatements."""

import math

import numpy as np
import pytest
import torch

from hydranet.annotations import UNKNOWN_ID, Tag
from hydranet.core.distillation_target import DistillationTarget
from hydranet.core.features import FeatureSpec
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.core.task import merge, to_numpy
from hydranet.tasks.classification.task import Classification

NAMES = ("stop", "yield", "left", "right")
TASK = Classification("sign", NAMES)
LOGITS = torch.tensor([[2.0, 0.0, -1.0, 0.5], [0.0, 3.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]])


def tag(label: int, probs: list[float] | None = None) -> Tag:
    return Tag(np.asarray(label), None if probs is None else np.asarray(probs, np.float32))


@pytest.mark.parametrize("weights", [(), (1.0, 2.0, 3.0, 4.0)])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_the_loss_is_torchs_cross_entropy(weights: tuple[float, ...], smoothing: float) -> None:
    labels = torch.tensor([0, UNKNOWN_ID, 3])
    task = Classification("sign", NAMES, class_weights=weights, smoothing=smoothing)
    loss = task.loss(LOGITS, Tag(labels))
    known = labels != UNKNOWN_ID
    weight = torch.tensor(weights) if weights else None
    wanted = torch.nn.functional.cross_entropy(
        LOGITS[known], labels[known], weight, reduction="sum", label_smoothing=smoothing
    )
    torch.testing.assert_close(loss.total, wanted)
    assert float(loss.count) == (5.0 if weights else 2.0)


def test_soft_labels_of_certainty_are_labels() -> None:
    labels = torch.tensor([0, 1, 3])
    soft = TASK.loss(LOGITS, Tag(labels, torch.eye(4)[labels]))
    hard = TASK.loss(LOGITS, Tag(labels))
    torch.testing.assert_close(soft.total, hard.total)
    torch.testing.assert_close(soft.count, hard.count)


def test_distillation_is_zero_where_both_agree_and_leaves_out_what_the_teacher_does_not_know() -> None:
    target = TASK.to_label(LOGITS, temperature=2.0, least=0.3)
    assert target.label.tolist() == [0, 1, UNKNOWN_ID], "four equal probabilities are below .3"

    def loss(raw: torch.Tensor) -> torch.Tensor:
        return TASK.distill(raw, DistillationTarget("sign", torch.arange(3), target, temperature=2.0)).total

    torch.testing.assert_close(loss(LOGITS), torch.tensor(0.0), atol=1e-6, rtol=0)
    changed = LOGITS.clone()
    changed[2] = torch.tensor([9.0, 0, 0, 0])
    torch.testing.assert_close(loss(changed), torch.tensor(0.0), atol=1e-6, rtol=0)
    changed[0] = torch.tensor([0.0, 2, 0, 0])
    p, q = (LOGITS[0] / 2).softmax(0), (changed[0] / 2).softmax(0)
    torch.testing.assert_close(loss(changed), 4 * (p * (p / q).log()).sum())


def test_scores_by_hand() -> None:
    pairs = [(0, 0), (0, 0), (0, 1), (1, 1), (2, 1), (UNKNOWN_ID, 3)]  # label, prediction
    scores = TASK.score(merge([TASK.measure(tag(p), tag(label)) for label, p in pairs]))
    assert scores["top1"] == pytest.approx(3 / 5)
    assert scores["balanced_accuracy"] == pytest.approx((2 / 3 + 1 + 0) / 3), "'right' never occurs"
    assert scores["recall/stop"] == pytest.approx(2 / 3)
    assert scores["precision/yield"] == pytest.approx(1 / 3)
    assert math.isnan(scores["recall/right"])
    assert "top5" not in scores, "of four classes, five are always right"
    assert not any(name.startswith("confusion") for name in scores)


def test_the_confusion_matrix_by_choice() -> None:
    task = Classification("sign", NAMES, confusion=True)
    scores = task.score(merge([task.measure(tag(p), tag(label)) for label, p in [(0, 0), (0, 2), (0, 2), (1, 255)]]))
    assert scores["confusion/stop/left"] == pytest.approx(2 / 3)
    assert scores["confusion/yield/none"] == 1


def test_top5_counts_the_five_most_probable() -> None:
    task = Classification("x", tuple("abcdefg"))
    probs = [0.3, 0.2, 0.15, 0.12, 0.1, 0.08, 0.05]
    inside, outside = task.measure(tag(0, probs), tag(4)), task.measure(tag(0, probs), tag(5))
    scores = task.score(merge([inside, outside, task.measure(tag(0), tag(6))]))
    assert scores["top5"] == 0.5, "an answer without probabilities cannot tell"
    assert scores["top1"] == 0


def test_answers_are_classes_with_probabilities_by_choice() -> None:
    answer = TASK.decode(LOGITS)
    assert answer.label.tolist()[:2] == [0, 1]
    torch.testing.assert_close(answer.probs.sum(1), torch.ones(3))
    assert Classification("sign", NAMES, probabilities=False).decode(LOGITS).probs is None


def test_a_broken_network_has_no_class() -> None:
    broken = LOGITS.clone()
    broken[1, 2] = torch.nan
    assert TASK.decode(broken).label.tolist() == [0, UNKNOWN_ID, 0]


def test_a_teachers_answers_are_mirrored_as_labels_are() -> None:
    mirror = (0, 1, 3, 2)
    answer = to_numpy(Classification("sign", NAMES, mirror=mirror).to_label(LOGITS), 0)
    assert answer.mirror == mirror


def test_the_head_is_pooled_over_the_coarsest_level() -> None:
    features = (FeatureSpec(3, 8), FeatureSpec(5, 32))
    head = TASK.head(features).eval()
    widths = [tuple(m.weight.shape[:2]) for m in head.modules() if isinstance(m, torch.nn.Conv2d)]
    assert widths == [(1024, 5), (512, 1024), (4, 512)]
    linear = Classification("sign", NAMES, hidden=()).head(features)
    assert sum(p.numel() for p in linear.parameters()) == 5 * 4 + 4
    level = torch.randn(2, 5, 3, 4)
    by_hand = level.mean((2, 3)) @ linear.last.weight[:, :, 0, 0].T + linear.last.bias
    torch.testing.assert_close(linear([torch.randn(2, 3, 12, 16), level]), by_hand)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": ("a",)}, "got 1 classes, expected 2 to 255"),
        ({"classes": ("a", "a")}, "expected every name once"),
        ({"class_weights": (1.0,)}, "got 1 class weights for 4 classes"),
        ({"class_weights": (1.0, -1.0, 1.0, 1.0)}, "expected numbers >= 0"),
        ({"smoothing": 1.0}, "expected 0 <= smoothing < 1"),
        ({"hidden": (0,)}, "expected widths >= 1"),
        ({"dropout": 1.0}, "expected 0 <= dropout < 1"),
        ({"mirror": (1, 0)}, "got mirror of 2 classes, expected 4"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        Classification(**{"name": "sign", "classes": NAMES, **options})


def test_labels_of_other_tasks_are_refused() -> None:
    with pytest.raises(DataError, match="got probs of 3 classes, expected 4"):
        TASK.check(tag(1, [0.5, 0.2, 0.3]))
    with pytest.raises(DataError, match=r"mirrored as \(1, 0, 2, 3\), expected \(0, 1, 3, 2\)"):
        Classification("sign", NAMES, mirror=(0, 1, 3, 2)).check(Tag(np.asarray(1), mirror=(1, 0, 2, 3)))
