"""Depth: losses that survive sparse, empty and wild labels (trap 5), scores as the papers define them (trap 34)."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hydranet.annotations import ScalarMap
from hydranet.checkpoint.checkpoint import load_model, save_model
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.core.task import merge
from hydranet.io.atomic import CheckpointError
from hydranet.models.heads.dense import full_size
from hydranet.tasks.depth.losses import LOSSES, abs_rel, berhu, silog
from hydranet.tasks.depth.task import METRICS, Depth, metrics
from toys import toy_recipe

TASK = Depth("depth")


def raw_and_meters(seed: int = 0, images: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """Raw output of 16 x 24 pixels, and labels as sparse as LiDAR; the last image has none."""
    generator = torch.Generator().manual_seed(seed)
    raw = torch.randn(images, 1, 4, 6, generator=generator)
    meters = torch.rand(images, 16, 24, generator=generator) * 70 + 1
    meters[torch.rand(meters.shape, generator=generator) < 0.8] = math.nan
    meters[-1] = math.nan
    return raw.requires_grad_(), meters


def task(objective: str) -> Depth:
    return Depth("depth", objective=objective)


@pytest.mark.parametrize("objective", LOSSES)
def test_sums_add_up_over_splits(objective):
    raw, meters = raw_and_meters()
    meters[0] *= 3  # images of different scale, so that a threshold of the batch would show
    whole = task(objective).loss(raw, ScalarMap(meters, "m"))
    singles = [task(objective).loss(raw[i : i + 1], ScalarMap(meters[i : i + 1], "m")) for i in range(3)]
    torch.testing.assert_close(whole.total, sum(one.total for one in singles), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(whole.count, sum(one.count for one in singles))


def test_abs_rel_is_the_score_of_that_name():
    predicted, wanted = torch.tensor([2.0, 8.0, 30.0]), torch.tensor([4.0, 4.0, 40.0])
    assert abs_rel(predicted, wanted).item() == pytest.approx(0.5 + 1.0 + 0.25)
    assert abs_rel(predicted, wanted).item() / 3 == pytest.approx(metrics(predicted.numpy(), wanted.numpy())["abs_rel"])


@pytest.mark.parametrize("objective", LOSSES)
def test_nothing_known_costs_nothing(objective):
    raw, meters = raw_and_meters()
    loss = task(objective).loss(raw, ScalarMap(torch.full_like(meters, math.nan), "m"))
    loss.mean().backward()
    assert (loss.total, loss.count) == (0, 0)
    assert torch.equal(raw.grad, torch.zeros_like(raw))


@pytest.mark.parametrize("objective", LOSSES)
def test_a_perfect_fit_costs_nothing_and_has_a_gradient(objective):
    raw, _ = raw_and_meters()
    perfect = TASK.meters(full_size(raw)).detach()
    loss = task(objective).loss(raw, ScalarMap(perfect.clamp(TASK.min_m, TASK.max_m), "m"))
    loss.mean().backward()
    assert loss.total == 0
    assert raw.grad.isfinite().all()


@pytest.mark.parametrize("objective", LOSSES)
def test_the_mean_does_not_depend_on_how_dense_labels_are(objective):
    raw = torch.zeros(1, 1, 4, 6)
    dense = torch.full((1, 16, 24), 9.0)
    sparse = torch.where(torch.arange(24) % 6 == 0, dense, math.nan)
    means = [task(objective).loss(raw, ScalarMap(label, "m")).mean() for label in (dense, sparse)]
    torch.testing.assert_close(*means)


@pytest.mark.parametrize("objective", LOSSES)
@pytest.mark.parametrize("start", [-1e4, -30.0, 30.0, 1e4])
def test_gradients_lead_back_from_anywhere(objective, start):
    raw = torch.full((1, 1, 4, 6), start, requires_grad=True)
    loss = task(objective).loss(raw, ScalarMap(torch.full((1, 16, 24), 10.0), "m"))
    loss.mean().backward()
    assert loss.total.isfinite()
    assert raw.grad.isfinite().all()
    assert (raw.grad.sign() == math.copysign(1, start)).all()


@pytest.mark.parametrize("objective", LOSSES)
def test_loss_is_float32_under_autocast(objective):
    raw, meters = raw_and_meters()
    with torch.autocast("cpu", torch.bfloat16):
        loss = task(objective).loss((raw * 3).bfloat16(), ScalarMap(meters, "m"))
    assert loss.total.dtype == torch.float32
    assert loss.total.isfinite()


def test_berhu_by_hand():
    seen = torch.tensor([1.0, 2.0, 3.0, 14.0]).repeat(100)
    wanted = torch.full((400,), 4.0)
    c = 0.2 * 10  # errors 3 2 1 10
    one = [(3**2 + c**2) / (2 * c), 2.0, 1.0, (10**2 + c**2) / (2 * c)]
    assert float(berhu(seen, wanted)) == pytest.approx(100 * sum(one))


def test_one_outlier_does_not_set_berhus_threshold():
    wanted = torch.full((1000,), 5.0)
    seen = wanted + torch.linspace(-1, 1, 1000)
    clean = berhu(seen[1:], wanted[1:])
    wild = torch.where(torch.arange(1000) == 0, torch.tensor(2000.0), wanted)
    with_outlier = berhu(seen, wild) - (1996.0**2 / (2 * 0.2))  # about what the outlier itself costs
    assert abs(float(with_outlier - clean)) / 1996**2 < 0.1
    slopes = torch.autograd.grad(berhu(leaf := seen.clone().requires_grad_(), wild), leaf)[0]
    assert slopes[1:].abs().max() > 2  # the quadratic part is still there: had c followed the outlier, it were 1


def test_silog_by_hand():
    seen, wanted = torch.tensor([1.0, 2.0, 8.0]), torch.tensor([2.0, 2.0, 2.0])
    g = np.log([0.5, 1.0, 4.0])
    assert float(silog(seen, wanted)) == pytest.approx(3 * ((g**2).mean() - 0.5 * g.mean() ** 2), rel=1e-5)
    assert float(silog(wanted * 3, wanted, share=1.0)) == pytest.approx(0, abs=1e-5)


def test_labels_beyond_the_range_are_unknown():
    raw = torch.zeros(1, 1, 1, 1)
    label = torch.tensor([[[0.0, 0.05, 1.0, 80.0], [80.1, math.nan, math.inf, 2.0]]]).repeat(1, 2, 1)
    assert TASK.loss(raw, ScalarMap(label, "m")).count == 6 + 2  # and inf is farther than anybody measures: max_m


def literal(found: np.ndarray, wanted: np.ndarray) -> dict[str, float]:
    """The definitions, one pixel at a time."""
    pairs = [(min(max(f, 0.1), 80.0), w) for f, w in zip(found.flat, wanted.flat, strict=True) if 0.1 <= w <= 80]
    n = len(pairs)
    return {
        "abs_rel": sum(abs(f - w) / w for f, w in pairs) / n,
        "sq_rel": sum((f - w) ** 2 / w for f, w in pairs) / n,
        "rmse": math.sqrt(sum((f - w) ** 2 for f, w in pairs) / n),
        "rmse_log": math.sqrt(sum((math.log(f) - math.log(w)) ** 2 for f, w in pairs) / n),
        "delta1": sum(max(f / w, w / f) < 1.25 for f, w in pairs) / n,
        "delta2": sum(max(f / w, w / f) < 1.25**2 for f, w in pairs) / n,
        "delta3": sum(max(f / w, w / f) < 1.25**3 for f, w in pairs) / n,
    }


def measured(found: np.ndarray, wanted: np.ndarray, crop: str = "none") -> dict:
    return Depth("depth", crop=crop).measure(ScalarMap(found, "m"), ScalarMap(wanted, "m"))


def test_scores_are_those_of_the_definitions():
    rng = np.random.default_rng(0)
    wanted = rng.uniform(0, 90, (4, 10, 12)).astype(np.float32)
    wanted[rng.random(wanted.shape) < 0.3] = np.nan
    found = (np.nan_to_num(wanted, nan=5) * rng.uniform(0.5, 1.6, wanted.shape)).astype(np.float32)
    found[0, 0, :3] = 1e30, 0.0, 1e-30
    stats = [measured(f, w) for f, w in zip(found, wanted, strict=True)]
    each = [literal(f, w) for f, w in zip(found, wanted, strict=True)]
    scores = TASK.score(merge(stats))
    assert scores == pytest.approx({name: np.mean([one[name] for one in each]) for name in METRICS}, rel=1e-5)
    assert TASK.score(merge([merge(stats[:1]), merge(stats[1:])])) == pytest.approx(scores)


def test_best_and_nothing():
    wanted = np.random.default_rng(0).uniform(1, 80, (6, 8)).astype(np.float32)
    best = dict.fromkeys(METRICS[:4], 0.0) | dict.fromkeys(METRICS[4:], 1.0)
    assert TASK.score(measured(wanted, wanted)) == best
    assert np.isnan(list(TASK.score(measured(wanted, np.full_like(wanted, np.nan))).values())).all()


def test_crops_are_those_of_kitti():
    wanted = np.ones((375, 1242), np.float32)
    assert measured(wanted, wanted, "none")["pixels"] == 375 * 1242
    assert measured(wanted, wanted, "garg")["pixels"] == (371 - 153) * (1197 - 44)
    assert measured(wanted, wanted, "eigen")["pixels"] == (342 - 124) * (1197 - 44)


def test_decoded_depth_is_in_range():
    decoded = TASK.decode(torch.tensor([-1e3, 0.0, 1e3]).view(3, 1, 1, 1))
    assert decoded.unit == "m"
    torch.testing.assert_close(decoded.values[:, 0, 0], torch.tensor([0.1, math.sqrt(8), 80.0]))


def test_the_protocol_tells_range_crop_and_alignment():
    protocol = TASK.protocol()
    assert protocol["range_m"] == [0.1, 80.0]
    assert protocol["crop"] == "none"
    assert "no alignment" in protocol["average"]


def test_bad_labels_and_options_are_refused():
    with pytest.raises(DataError, match=r"values in 'px', expected meters"):
        TASK.check(ScalarMap(np.ones((2, 2)), "px"))
    with pytest.raises(DataError, match="negative distances"):
        TASK.check(ScalarMap(np.array([[1.0, -1.0]]), "m"))
    with pytest.raises(SpecError, match="expected 0 < min_m < max_m"):
        Depth("depth", min_m=5, max_m=1)
    with pytest.raises(SpecError, match="did you mean 'berhu'"):
        Depth("depth", objective="berhuu")
    with pytest.raises(SpecError, match="did you mean 'garg'"):
        Depth("depth", crop="gargg")


def test_no_answer_is_the_worst_answer() -> None:
    task = Depth("depth", min_m=1.0, max_m=80.0)
    label = ScalarMap(np.full((2, 2), 10.0, np.float32), "m")
    holes = ScalarMap(np.array([[10, np.nan], [np.nan, np.nan]], np.float32), "m")
    assert task.score(task.measure(holes, label))["delta1"] == 0.25


def test_a_cap_is_a_matter_of_scores_alone():
    rng = np.random.default_rng(0)
    wanted, found = (rng.uniform(1, 80, (20, 24)).astype(np.float32) for _ in range(2))
    capped, near = Depth("depth", min_m=1.0, cap_m=30.0), Depth("depth", min_m=1.0, max_m=30.0)
    stats = [task.measure(ScalarMap(found, "m"), ScalarMap(wanted, "m")) for task in (capped, near)]
    assert stats[0]["pixels"] == stats[1]["pixels"] == (wanted <= 30).sum()
    assert np.array_equal(stats[0]["sums"], stats[1]["sums"])
    assert capped.protocol() == near.protocol() != Depth("depth", min_m=1.0).protocol()
    raw = torch.full((1, 1, 2, 2), 1e3)
    assert torch.equal(capped.decode(raw).values, Depth("depth", min_m=1.0).decode(raw).values)
    with pytest.raises(SpecError, match=r"got cap_m=90.0, expected a number above min_m=0.1 and up to max_m=80.0"):
        Depth("depth", cap_m=90.0)


def test_a_trained_range_stays(tmp_path: Path) -> None:
    recipe = replace(toy_recipe(), tasks=(Depth("depth"),))
    save_model(tmp_path, recipe.build(), recipe)
    with pytest.raises(
        CheckpointError, match=r"got tasks.depth.max_m=20, expected the 80.0 .*or set tasks.depth.cap_m"
    ):
        load_model(tmp_path, ["tasks.depth.max_m=20"])
    task = load_model(tmp_path, ["tasks.depth.cap_m=20"])[0].tasks["depth"]
    assert task.protocol()["range_m"] == [0.1, 20]
