"""Edges: HED's loss in plain numpy, strengths at full size, labels that may be learned from."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hydranet.annotations import ScalarMap
from hydranet.core.features import FeatureSpec
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.datasets.scenes.dataset import Scenes
from hydranet.tasks.edges.task import Edges

TASK = Edges("edges")


def example() -> tuple[torch.Tensor, np.ndarray]:
    """Raw output of 3 images of 8 x 12, and labels: 0, 1, doubtful, unknown; the last image has no edge."""
    rng = np.random.default_rng(0)
    label = rng.choice([0, 0, 0, 1, 0.25, np.nan], (3, 8, 12)).astype(np.float32)
    label[2] = np.where(label[2] == 1, 0, label[2])
    return torch.tensor(rng.normal(size=(3, 1, 2, 3)).astype(np.float32), requires_grad=True), label


def hed(z: np.ndarray, label: np.ndarray) -> tuple[float, float]:
    """Equation 2 of arXiv 1504.06375, and the sum of its weights."""
    total = weights = 0.0
    for logits, wanted in zip(z.astype(np.float64), label, strict=True):
        plus, minus = int((wanted >= 0.5).sum()), int((wanted == 0).sum())
        beta = minus / (plus + minus)
        for value, there in zip(logits.ravel(), wanted.ravel(), strict=True):
            p = 1 / (1 + np.exp(-value))
            if there >= 0.5:
                total, weights = total - beta * np.log(p), weights + beta
            elif there == 0:
                total, weights = total - (1 - beta) * np.log(1 - p), weights + 1 - beta
    return total, weights


def test_the_loss_is_that_of_the_paper():
    raw, label = example()
    loss = TASK.loss(raw, ScalarMap(torch.tensor(label)))
    total, weights = hed(TASK.logits(raw).detach().numpy(), label)
    assert loss.total.item() == pytest.approx(total, rel=1e-5)
    assert loss.count.item() == pytest.approx(weights, rel=1e-5)
    alone = TASK.loss(raw[2:], ScalarMap(torch.tensor(label[2:])))
    assert alone.count == 0
    assert alone.mean() == 0


def test_unknown_and_doubtful_pixels_teach_nothing():
    label = torch.zeros(1, 8, 12)
    label[:, :, 4] = 1
    label[:, :, 8] = 0.3
    label[:, 0] = float("nan")
    task = replace(TASK, stride=1)
    raw = torch.randn(1, 16, 2, 3, requires_grad=True)
    task.loss(raw, ScalarMap(label)).mean().backward()
    gradient = torch.nn.functional.pixel_shuffle(raw.grad, 4)[0, 0]
    assert not gradient[0].any()
    assert not gradient[:, 8].any()
    assert (gradient[1:, 4] < 0).all()
    assert (gradient[1:, [0, 5, 11]] > 0).all()


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_strengths_have_the_size_of_the_input(stride):
    task = replace(TASK, stride=stride)
    head = task.head((FeatureSpec(8, 4),))
    raw = head([torch.randn(2, 8, 4, 6)])
    decoded = task.decode(raw)
    assert decoded.values.shape == (2, 16, 24)
    assert decoded.unit == ""
    torch.testing.assert_close(decoded.values, task.logits(raw).sigmoid())
    broken = task.decode(torch.full_like(raw, float("nan")))
    assert broken.values.isnan().all()


def test_a_student_learns_strengths():
    torch.manual_seed(0)
    wanted = torch.linspace(0.1, 0.9, 24).repeat(1, 16, 1)
    raw = torch.zeros(1, 16, 4, 6, requires_grad=True)
    task = replace(TASK, stride=1)
    optimizer = torch.optim.Adam([raw], 0.1)
    target = ScalarMap(wanted)
    from hydranet.core.distillation_target import DistillationTarget

    for _ in range(200):
        optimizer.zero_grad()
        task.distill(raw, DistillationTarget("edges", torch.arange(1), target)).mean().backward()
        optimizer.step()
    learned = task.decode(raw).values.detach()
    beta = float((1 - wanted).mean())
    p = beta * wanted / (beta * wanted + (1 - beta) * (1 - wanted))
    torch.testing.assert_close(learned, p, atol=0.02, rtol=0)


def test_scenes_label_edges_and_score_one_against_themselves():
    sample = Scenes(count=1, size=(64, 96), labels=("edges", "edge_strength"))[0]
    strength = sample.labels["edge_strength"]
    np.testing.assert_array_equal(strength.values, sample.labels["edges"].ids)
    TASK.check(strength)
    scores = TASK.score(TASK.measure(strength, strength))
    assert scores["ods"] == scores["ois"] == scores["ap"] == 1
    assert 0.02 < strength.values.mean() < 0.5
    assert TASK.counted([strength])[0] == strength.values.sum()


@pytest.mark.parametrize(
    ("label", "sentence"),
    [
        (ScalarMap(np.full((4, 4), 255.0)), r"strengths 255..255, expected 0..1"),
        (ScalarMap(np.full((4, 4), -1.0)), "expected 0..1"),
        (ScalarMap(np.zeros((4, 4)), unit="m"), "values in 'm', expected edge strengths"),
    ],
)
def test_other_labels_are_refused(label, sentence):
    with pytest.raises(DataError, match=sentence):
        TASK.check(label)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"stride": 8}, "stride=8, expected 1, 2 or 4"),
        ({"least_edge": 0.0}, "least_edge=0.0"),
        ({"thresholds": 0}, "thresholds=0"),
    ],
)
def test_options_that_cannot_be_are_refused(options, sentence):
    with pytest.raises(SpecError, match=sentence):
        Edges("edges", **options)
