"""Normals: angles that are exact and never NaN (trap 35), a median that adds up over splits."""

import numpy as np
import pytest
import torch

from hydranet.annotations import NormalMap
from hydranet.core.sample import DataError
from hydranet.core.task import merge
from hydranet.tasks.normals.task import Normals

TASK = Normals("normals")


def directions(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """float32 3 h w, unit vectors that face the camera."""
    xyz = rng.normal(size=(3, *shape))
    xyz[2] = -np.abs(xyz[2]) - 0.2
    return (xyz / np.linalg.norm(xyz, axis=0)).astype(np.float32)


def raw_and_label(images: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """Raw output of 16 x 24 pixels, and labels of which a third is unknown; the last image has none."""
    rng = np.random.default_rng(0)
    label = np.stack([directions(rng, 16, 24) for _ in range(images)])
    label[np.broadcast_to(rng.random((images, 1, 16, 24)) < 0.3, label.shape)] = np.nan
    label[-1] = np.nan
    raw = torch.from_numpy(rng.normal(size=(images, 3, 4, 6)).astype(np.float32))
    return raw.requires_grad_(), torch.from_numpy(label)


def measured(seen: np.ndarray, label: np.ndarray) -> dict:
    return TASK.measure(NormalMap(seen), NormalMap(label))


def test_loss_is_one_minus_cosine_over_known_pixels():
    raw, label = raw_and_label()
    loss = TASK.loss(raw, NormalMap(label))
    seen = TASK.decode(raw).xyz
    cosine = (seen * label).sum(1)
    torch.testing.assert_close(loss.mean(), torch.nanmean(1 - cosine))
    assert loss.count == cosine.isfinite().sum()


def test_sums_add_up_over_splits():
    raw, label = raw_and_label()
    whole = TASK.loss(raw, NormalMap(label))
    singles = [TASK.loss(raw[i : i + 1], NormalMap(label[i : i + 1])) for i in range(3)]
    torch.testing.assert_close(whole.total, sum(one.total for one in singles), rtol=1e-5, atol=1e-5)
    assert whole.count == sum(one.count for one in singles)


@pytest.mark.parametrize("scale", [0.0, 1e-20, 1e-6, 1.0, 1e15])
def test_gradients_are_finite(scale):
    raw, label = raw_and_label()
    leaf = (raw.detach() * scale).requires_grad_()
    TASK.loss(leaf, NormalMap(label)).mean().backward()
    assert leaf.grad.isfinite().all()


def test_nothing_known_costs_nothing():
    raw, label = raw_and_label()
    loss = TASK.loss(raw, NormalMap(torch.full_like(label, torch.nan)))
    loss.mean().backward()
    assert (loss.total, loss.count) == (0, 0)
    assert torch.equal(raw.grad, torch.zeros_like(raw))


def test_loss_is_float32_under_autocast():
    raw, label = raw_and_label()
    with torch.autocast("cpu", torch.bfloat16):
        loss = TASK.loss(raw.bfloat16(), NormalMap(label))
    assert loss.total.dtype == torch.float32
    assert loss.total.isfinite()


def test_predictions_have_length_one():
    raw, _ = raw_and_label()
    torch.testing.assert_close(TASK.decode(raw * 50).xyz.norm(dim=1), torch.ones(3, 16, 24))


@pytest.mark.parametrize("pixels", [1, 2, 3, 200, 2001])
def test_scores_are_those_of_the_angles(pixels):
    rng = np.random.default_rng(pixels)
    label, seen = directions(rng, 1, pixels), 3 * directions(rng, 1, pixels)  # length must not matter
    a, b = seen.astype(np.float64), label.astype(np.float64)
    angle = np.degrees(np.arccos((a * b).sum(0) / np.linalg.norm(a, axis=0) / np.linalg.norm(b, axis=0)))
    scores = TASK.score(measured(seen, label))
    assert scores["mean_deg"] == pytest.approx(angle.mean(), abs=1e-4)
    assert scores["median_deg"] == pytest.approx(np.median(angle), abs=0.1)
    for limit in ("11.25", "22.5", "30"):
        assert scores[f"within_{limit}"] == pytest.approx((angle < float(limit)).mean())


def test_statistics_add_up():
    rng = np.random.default_rng(0)
    seen, label = directions(rng, 10, 30), directions(rng, 10, 30)
    whole = TASK.score(measured(seen, label))
    parts = [measured(seen[:, rows], label[:, rows]) for rows in (slice(0, 1), slice(1, 4), slice(4, 10))]
    assert TASK.score(merge(parts)) == pytest.approx(whole)


def test_best_worst_and_nothing():
    label = directions(np.random.default_rng(0), 5, 7)
    perfect = TASK.score(measured(label, label))
    assert perfect == {"mean_deg": 0, "median_deg": 0, "within_11.25": 1, "within_22.5": 1, "within_30": 1}
    worst = TASK.score(measured(-label, label))
    assert worst["mean_deg"] == pytest.approx(180)
    assert worst["median_deg"] == pytest.approx(180, abs=0.1)
    assert np.isnan(list(TASK.score(measured(label, np.full_like(label, np.nan))).values())).all()


def test_bad_labels_are_refused():
    label = directions(np.random.default_rng(0), 5, 7)
    TASK.check(NormalMap(label))
    TASK.check(NormalMap(np.full_like(label, np.nan)))
    with pytest.raises(DataError, match="35 vectors that are not of length 1"):
        TASK.check(NormalMap(label * 2))
    with pytest.raises(DataError, match="point away from the camera"):
        TASK.check(NormalMap(-label))


def test_no_answer_is_the_worst_answer() -> None:
    label = NormalMap(np.zeros((3, 4, 4), np.float32) + np.array([0, 0, -1], np.float32)[:, None, None])
    for nothing in (np.zeros((3, 4, 4), np.float32), np.full((3, 4, 4), np.nan, np.float32)):
        task = Normals("normals")
        assert task.score(task.measure(NormalMap(nothing), label))["mean_deg"] == 180
