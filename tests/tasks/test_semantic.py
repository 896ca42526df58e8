"""Segmentation: what its loss asks for, and that its scores are those of one slow, literal count."""

import numpy as np
import pytest
import torch
from torch import nn

from hydranet.annotations import UNKNOWN_ID, ClassMap
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.core.task import merge
from hydranet.models.heads.dense import full_size
from hydranet.tasks.semantic.task import Semantic

NAMES = ("road", "car", "sky", "tree")
TASK = Semantic("seg", NAMES)


def raw_and_ids(seed: int = 0, images: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """Raw output at stride 4 of 16 x 24 pixels, and labels of which a fifth is unknown."""
    generator = torch.Generator().manual_seed(seed)
    raw = torch.randn(images, len(NAMES), 4, 6, generator=generator)
    ids = torch.randint(0, len(NAMES), (images, 16, 24), generator=generator).to(torch.uint8)
    ids[torch.rand(ids.shape, generator=generator) < 0.2] = UNKNOWN_ID
    return raw.requires_grad_(), ids


def known(*rows: str) -> torch.Tensor:
    """Masks of classes written as digits."""
    return torch.tensor([[digit == "1" for digit in row] for row in rows])


@pytest.mark.parametrize(
    ("weights", "smoothing"), [((), 0.0), ((1.0, 2.0, 0.5, 3.0), 0.0), ((), 0.1), ((1, 2, 3, 4), 0.2)]
)
def test_loss_is_cross_entropy(weights, smoothing):
    raw, ids = raw_and_ids()
    loss = Semantic("seg", NAMES, class_weights=weights, smoothing=smoothing).loss(raw, ClassMap(ids))
    weight = torch.tensor(weights, dtype=torch.float32) if weights else None
    wanted = nn.functional.cross_entropy(
        full_size(raw), ids.long(), weight, ignore_index=UNKNOWN_ID, label_smoothing=smoothing
    )
    torch.testing.assert_close(loss.mean(), wanted)


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("mask", [False, True])
def test_sums_add_up_over_splits(soft, mask):
    raw, ids = raw_and_ids()
    probs = torch.rand(3, 4, 16, 24).softmax(1) if soft else None
    masks = known("1111", "1100", "0111") if mask else None
    task = Semantic("seg", NAMES, smoothing=0.1, class_weights=(1.0, 2.0, 3.0, 4.0))
    whole = task.loss(raw, ClassMap(ids, probs, masks))
    singles = [
        task.loss(raw[i : i + 1], ClassMap(*(None if x is None else x[i : i + 1] for x in (ids, probs, masks))))
        for i in range(3)
    ]
    torch.testing.assert_close(whole.total, sum(one.total for one in singles), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(whole.count, sum(one.count for one in singles), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("soft", [False, True])
def test_classes_nobody_looked_for_are_left_alone(smoothing, soft):
    raw, ids = raw_and_ids()
    probs = torch.full((3, 4, 16, 24), 0.25) if soft else None
    loss = Semantic("seg", NAMES, smoothing=smoothing).loss(raw, ClassMap(ids, probs, known("1101", "1101", "1101")))
    loss.mean().backward()
    assert raw.grad[:, 2].abs().max() == 0
    assert raw.grad[:, [0, 1, 3]].abs().min() > 0
    # As if the class did not exist: its logit is no part of the softmax, its pixels are unknown.
    fewer = torch.where(ids == 3, 2, torch.where(ids == 2, UNKNOWN_ID, ids))
    alone = Semantic("seg", NAMES[:3], smoothing=smoothing).loss(
        raw[:, [0, 1, 3]], ClassMap(fewer, torch.full((3, 3, 16, 24), 1 / 3) if soft else None)
    )
    torch.testing.assert_close(loss.mean(), alone.mean())


@pytest.mark.parametrize("mask", [None, known("0000", "0000", "0000")])
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_nothing_known_costs_nothing(mask, soft, smoothing):
    raw, ids = raw_and_ids()
    ids = ids.clone().fill_(UNKNOWN_ID) if mask is None else ids
    probs = torch.full((3, 4, 16, 24), 0.25) if soft else None
    loss = Semantic("seg", NAMES, smoothing=smoothing).loss(raw, ClassMap(ids, probs, mask))
    loss.mean().backward()
    assert loss.total == 0
    assert loss.count == 0
    assert torch.equal(raw.grad, torch.zeros_like(raw))


def test_certain_soft_labels_equal_hard_ones():
    raw, ids = raw_and_ids()
    certain = ids.long().clamp(max=3)
    probs = nn.functional.one_hot(certain, 4).permute(0, 3, 1, 2).float()
    hard, soft = TASK.loss(raw, ClassMap(ids)), TASK.loss(raw, ClassMap(ids, probs))
    torch.testing.assert_close(soft.mean(), hard.mean())


def test_loss_is_float32_under_autocast():
    raw, ids = raw_and_ids()
    large = (raw * 1e4).to(torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        loss = TASK.loss(large, ClassMap(ids))
    assert loss.total.dtype == torch.float32
    assert loss.total.isfinite()


def slow_miou(seen: np.ndarray, label: np.ndarray) -> float:
    """Mean over classes that occur in the label of |both| / |either|, pixel sets written out."""
    valid = label != UNKNOWN_ID
    found = []
    for c in range(len(NAMES)):
        there, said = valid & (label == c), valid & (seen == c)
        if there.any():
            found.append((there & said).sum() / (there | said).sum())
    return float(np.mean(found))


def test_miou_is_that_of_the_whole_set():
    rng = np.random.default_rng(0)
    label = rng.choice([0, 1, 3, UNKNOWN_ID], (5, 12, 20), p=[0.6, 0.3, 0.02, 0.08]).astype(np.uint8)
    seen = np.where(rng.random(label.shape) < 0.7, label, rng.integers(0, 4, label.shape)).astype(np.uint8)
    seen[seen == UNKNOWN_ID] = 0
    stats = [TASK.measure(ClassMap(s), ClassMap(there)) for s, there in zip(seen, label, strict=True)]
    scores = TASK.score(merge(stats))
    assert scores["miou"] == pytest.approx(slow_miou(seen, label))
    assert scores["pixel_accuracy"] == pytest.approx((seen == label)[label != UNKNOWN_ID].mean())
    assert np.isnan(scores["iou/sky"])
    in_parts = TASK.score(merge([merge(stats[:2]), merge(stats[2:])]))
    assert in_parts == pytest.approx(scores, nan_ok=True)


def test_best_and_missing_answers():
    label = np.array([[0, 1], [2, UNKNOWN_ID]], np.uint8)
    perfect = TASK.score(TASK.measure(ClassMap(label.clip(max=3)), ClassMap(label)))
    assert (perfect["miou"], perfect["pixel_accuracy"], perfect["class_accuracy"]) == (1, 1, 1)
    silent = TASK.score(TASK.measure(ClassMap(np.full_like(label, UNKNOWN_ID)), ClassMap(label)))
    assert (silent["miou"], silent["pixel_accuracy"]) == (0, 0)
    nothing = TASK.score(TASK.measure(ClassMap(label), ClassMap(np.full_like(label, UNKNOWN_ID))))
    assert np.isnan(list(nothing.values())).all()


def test_a_class_nobody_looked_for_is_no_wrong_answer():
    label = ClassMap(np.array([[0, 0, 1]], np.uint8), annotated_classes=np.array([True, True, False, False]))
    scores = TASK.score(TASK.measure(ClassMap(np.array([[0, 3, 1]], np.uint8)), label))
    assert scores["miou"] == 1


def test_bad_labels_and_options_are_refused():
    with pytest.raises(DataError, match=r"class ids \[7\], expected 0\.\.3 or 255"):
        TASK.check(ClassMap(np.array([[0, 7]], np.uint8)))
    with pytest.raises(DataError, match="annotated_classes of 3 classes, expected 4"):
        TASK.check(ClassMap(np.zeros((2, 2), np.uint8), annotated_classes=np.ones(3, bool)))
    with pytest.raises(DataError, match="probs of 2 classes, expected 4"):
        TASK.check(ClassMap(np.zeros((2, 2), np.uint8), probs=np.ones((2, 2, 2))))
    with pytest.raises(SpecError, match="got 1 classes, expected 2 to 255"):
        Semantic("seg", ("road",))
    with pytest.raises(SpecError, match="every name once"):
        Semantic("seg", ("road", "road"))
    with pytest.raises(SpecError, match="3 class weights for 4 classes"):
        Semantic("seg", NAMES, class_weights=(1.0, 2.0, 3.0))
    with pytest.raises(SpecError, match="smoothing=1"):
        Semantic("seg", NAMES, smoothing=1.0)


@pytest.mark.parametrize("side", [2, 4])
def test_answers_in_blocks_are_those_of_smaller_maps(side: int) -> None:
    raw = torch.randn(2, 3, 4, 6, generator=torch.Generator().manual_seed(0))
    fine = Semantic("s", ("a", "b", "c"), block_px=side).decode(raw).ids
    small = torch.nn.functional.interpolate(raw, scale_factor=4 / side, mode="bilinear").argmax(1)
    assert fine.shape == (2, 16, 24)
    assert torch.equal(fine, small.repeat_interleave(side, 1).repeat_interleave(side, 2).to(torch.uint8))


def test_blocks_divide_the_stride_of_the_head() -> None:
    with pytest.raises(SpecError, match="got block_px=3, expected 1, 2 or 4"):
        Semantic("s", ("a", "b"), block_px=3)
