"""Landmarks: formulas in plain numpy, points to a fraction of a cell, NME by hand, what is unknown teaches nothing."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hydranet.annotations import Keypoints
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.core.task import merge, to_numpy
from hydranet.models.heads.heatmap import log_gaussians
from hydranet.tasks.landmarks.task import Landmarks

TASK = Landmarks("points", points=4, mirror=(1, 0, 2, 3), reference=(0, 1))
SIZE = (8, 12)


def stacked(xy: np.ndarray, visible: np.ndarray) -> Keypoints:
    """b 4 2 and b 4 as a label of one instance per image."""
    return Keypoints(torch.tensor(xy[:, None]), torch.tensor(visible[:, None]), mirror=TASK.mirror)


def one(xy: list[list[float]], visible: list[int]) -> Keypoints:
    return Keypoints(np.array([xy], np.float32), np.array([visible]), mirror=TASK.mirror)


def example() -> tuple[torch.Tensor, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    raw = torch.tensor(rng.normal(size=(2, 4, *SIZE)).astype(np.float32), requires_grad=True)
    xy = rng.uniform(0, [48, 32], (2, 4, 2)).astype(np.float32)
    return raw, xy, np.array([[2, 1, 0, 2], [0, 2, 2, 2]])


def test_the_loss_is_the_divergence_and_the_distance_of_known_points():
    raw, xy, visible = example()
    heatmap = offset = 0.0
    y, x = np.mgrid[0 : SIZE[0], 0 : SIZE[1]] + 0.5
    known = visible > 0
    for b in range(2):
        for k in range(4):
            if not known[b, k]:
                continue
            z = raw[b, k].detach().numpy().astype(np.float64)
            p = np.exp(z) / np.exp(z).sum()
            u, v = xy[b, k] / 4
            q = np.exp(-((x - u) ** 2 + (y - v) ** 2) / 2)
            q /= q.sum()
            heatmap += (q * np.log(q / p)).sum()
            offset += abs((p * x).sum() - u) + abs((p * y).sum() - v)
    loss = TASK.loss(raw, stacked(xy, visible))
    assert loss.count == 6
    assert loss.parts["heatmap"].item() == pytest.approx(heatmap, rel=1e-5)
    assert loss.parts["offset"].item() == pytest.approx(offset, rel=1e-5)


def test_unknown_points_teach_nothing():
    raw, xy, visible = example()
    spoiled = np.where(visible[..., None] > 0, xy, np.nan).astype(np.float32)
    loss = TASK.loss(raw, stacked(spoiled, visible))
    loss.mean().backward()
    assert not raw.grad[0, 2].any()
    assert not raw.grad[1, 0].any()
    assert raw.grad[0, 1].any(), "a hidden point is known"
    assert raw.grad.isfinite().all()


@pytest.mark.parametrize("place", [(20.0, 14.0), (21.3, 14.9), (12.1, 9.2), (35.05, 21.0)])
def test_points_are_found_between_cells(place):
    rows, columns = log_gaussians(torch.tensor([[place]]) / 4, SIZE, TASK.sigma_cells)
    decoded = TASK.decode((rows + columns).expand(1, 4, *SIZE))
    np.testing.assert_allclose(decoded.xy[0, 0, 0], place, atol=0.1)  # a cell is 4 px
    assert decoded.xy.shape == (1, 1, 4, 2)
    assert decoded.visible.dtype == torch.int64
    assert float(decoded.point_score.min()) > 0.9
    flat = TASK.decode(torch.zeros(1, 4, *SIZE))
    assert float(flat.point_score.max()) < 0.15


def test_it_learns_to_a_tenth_of_a_cell():
    torch.manual_seed(0)
    xy = np.array([[[10.3, 9.1], [30.7, 22.2], [12.1, 24.5], [40.5, 7.3]]], np.float32)
    rim = np.array([[[0.4, 31.5], [47.5, 0.3], [0.0, 15.0], [20.0, 32.0]]], np.float32)
    for place, tolerance in ((xy, 0.4), (rim, 3.0)):  # at the rim Gaussians are cut off: points are drawn inwards
        raw = torch.zeros(1, 4, *SIZE, requires_grad=True)
        optimizer = torch.optim.Adam([raw], 0.3)
        for _ in range(300):
            optimizer.zero_grad()
            TASK.loss(raw, stacked(place, np.full((1, 4), 2))).mean().backward()
            optimizer.step()
        np.testing.assert_allclose(TASK.decode(raw).xy.detach()[0, 0], place[0], atol=tolerance)


def test_nme_by_hand():
    label = one([[10, 10], [20, 10], [15, 20], [0, 0]], [2, 2, 1, 0])
    prediction = one([[11, 10], [20, 12], [15, 23], [500, 500]], [2] * 4)
    stats = TASK.measure(prediction, label)
    scores = TASK.score(stats)
    assert scores["nme"] == pytest.approx((0.1 + 0.2 + 0.3) / 3)
    assert scores["pck"] == pytest.approx(1 / 3)
    assert scores["failure_rate"] == 1
    perfect = TASK.measure(label, label)
    both = TASK.score(merge([stats, perfect, TASK.measure(prediction, one([[0, 0]] * 4, [0] * 4))]))
    assert both["nme"] == pytest.approx(0.1)
    assert both["failure_rate"] == 0.5


def test_what_is_not_predicted_is_off_by_one_length():
    label = one([[10, 10], [20, 10], [15, 20], [0, 0]], [2, 2, 2, 0])
    broken = one([[np.nan, 10], [20, 10], [15, 20], [0, 0]], [2] * 4)
    assert TASK.score(TASK.measure(broken, label))["nme"] == pytest.approx(1 / 3)
    nothing = Keypoints(np.zeros((0, 4, 2), np.float32), np.zeros((0, 4), int), mirror=TASK.mirror)
    assert TASK.score(TASK.measure(nothing, label))["nme"] == 1


def test_images_without_a_reference_are_not_measured():
    hidden_corner = one([[10, 10], [20, 10], [15, 20], [0, 0]], [0, 2, 2, 2])
    assert TASK.measure(hidden_corner, hidden_corner)["images"] == 0
    box = replace(TASK, reference=())
    moved = one([[10, 10], [20, 10], [15, 20], [0, 4]], [2] * 4)
    stats = box.measure(moved, hidden_corner)
    assert box.score(stats)["nme"] == pytest.approx(4 / np.sqrt(20 * 20) / 3)


def test_labels_of_other_points_are_refused():
    TASK.check(one([[1, 1]] * 4, [2] * 4))
    with pytest.raises(DataError, match="got 2 instances, expected one at most"):
        TASK.check(Keypoints(np.zeros((2, 4, 2)), np.ones((2, 4), int), mirror=TASK.mirror))
    with pytest.raises(DataError, match="got 3 points per instance, expected 4"):
        TASK.check(Keypoints(np.zeros((1, 3, 2)), np.ones((1, 3), int)))
    with pytest.raises(DataError, match=r"counterparts are \(\), expected \(1, 0, 2, 3\)"):
        TASK.check(replace(one([[1, 1]] * 4, [2] * 4), mirror=()))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"points": 0}, "points=0, expected a number from 1"),
        ({"points": 3, "mirror": (0, 1)}, "a mirror of 2 entries, expected each of 0..2 once"),
        ({"points": 3, "mirror": (1, 2, 0)}, "point 0 does not come back"),
        ({"points": 3, "reference": (0, 3)}, r"reference=\(0, 3\), expected two different points of 0..2"),
        ({"points": 3, "reference": (1, 1)}, "two different points"),
        ({"points": 3, "sigma_cells": 0.0}, "sigma_cells=0.0"),
    ],
)
def test_options_that_cannot_be_are_refused(options, sentence):
    with pytest.raises(SpecError, match=sentence):
        Landmarks("points", **options)


def test_protocols_of_different_units_differ():
    assert TASK.protocol() != replace(TASK, reference=()).protocol()
    assert "points 0 and 1" in TASK.protocol()["nme"]


def test_a_broken_network_gives_no_points():
    prediction = to_numpy(TASK.decode(torch.full((1, 4, *SIZE), float("nan"))), 0)
    assert np.isnan(prediction.xy).all()
