"""Pose: a network that says the label is decoded to it, points are refined between cells, crowds teach nothing."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hydranet.annotations import Keypoints
from hydranet.core.features import FeatureSpec
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.core.task import merge, to_numpy
from hydranet.metrics.oks import PERSON_SIGMAS
from hydranet.models.heads.center_points import focal, peaks, refined, splat
from hydranet.tasks.pose.task import Pose

TASK = Pose("pose", points=3, mirror=(1, 0, 2))
SIZE = (24, 32)


def label_of(xy: list, visible: list, **more) -> Keypoints:
    return Keypoints(np.array(xy, np.float32), np.array(visible), mirror=TASK.mirror, **more)


def stacked(label: Keypoints) -> Keypoints:
    from hydranet.core.batch import stack

    return stack([label])


def two() -> Keypoints:
    return label_of(
        [[[20.3, 30.1], [40.7, 33.9], [31.2, 60.4]], [[80.5, 20.2], [100.6, 22.7], [88.8, 50.3]]],
        [[2, 2, 1], [2, 2, 2]],
    )


def learned(label: Keypoints, steps: int = 250) -> torch.Tensor:
    """Raw maps that were taught one label."""
    raw = torch.zeros(1, 12, *SIZE)
    raw[:, 0] = raw[:, 7:10] = -2
    raw.requires_grad_()
    optimizer = torch.optim.Adam([raw], 0.2)
    for _ in range(steps):
        optimizer.zero_grad()
        TASK.loss(raw, stacked(label)).mean().backward()
        optimizer.step()
    return raw.detach()


def test_what_was_learned_is_decoded_between_cells():
    label = two()
    prediction = TASK.postprocess(to_numpy(TASK.decode(learned(label)), 0))
    assert isinstance(prediction, Keypoints)
    sure = prediction.xy[prediction.score > 0.5]
    assert len(sure) == 2
    order = np.argsort(sure[:, 0, 0])
    np.testing.assert_allclose(sure[order], label.xy, atol=0.6)  # a cell is 4 px
    scores = TASK.score(merge([TASK.measure(prediction, label)]))
    assert scores["ap"] > 0.99


def test_unknown_points_and_crowds_teach_nothing():
    some = replace(two(), visible=np.array([[2, 0, 2], [2, 2, 2]]), ignore=np.array([False, True]))
    raw = torch.randn(1, 12, *SIZE, requires_grad=True)
    loss = TASK.loss(raw, stacked(some))
    assert loss.count == 2
    loss.mean().backward()
    crowd = (slice(6, 12), slice(21, 25))  # rows and columns of cells inside the hull of the ignored instance
    assert not raw.grad[0, 0][crowd].any()
    assert not raw.grad[0, 7:10][(slice(None), *crowd)].any()
    within = (slice(8, 15), slice(6, 8))  # of the first instance, whose second point nobody knows
    assert not raw.grad[0, 8][within].any()
    assert raw.grad[0, 7][within].any()
    assert not raw.grad[0, 3:5].any(), "no offset to an unknown point"
    assert raw.grad[0, 1:3].any()


def test_a_crowd_without_points_is_no_background():
    crowd = label_of([[[0, 0]] * 3], [[0] * 3], xyxy=np.array([[40, 40, 80, 80]], np.float32))
    raw = torch.randn(1, 12, *SIZE, requires_grad=True)
    loss = TASK.loss(raw, stacked(crowd))
    assert loss.count == 1
    loss.mean().backward()
    assert not raw.grad[0, 0, 10:20, 10:20].any()
    assert raw.grad[0, 0, :9].all()


def test_the_focal_loss_is_that_of_the_paper():
    rng = np.random.default_rng(0)
    z, target = rng.normal(size=(2, 3, 4, 5)), rng.random((2, 3, 4, 5))
    target[0, 0, 0, 0] = target[1, 2, 3, 4] = 1
    p = 1 / (1 + np.exp(-z))
    wanted = np.where(target == 1, (1 - p) ** 2 * np.log(p), (1 - target) ** 4 * p**2 * np.log(1 - p))
    value = focal(torch.tensor(z), torch.tensor(target), torch.ones(2, 3, 4, 5, dtype=torch.bool))
    assert value.item() == pytest.approx(-wanted.sum())


def test_heatmaps_are_one_at_the_cells_of_points():
    xy = torch.tensor([[[[3.9, 2.1]], [[10.0, 7.5]]]])
    target = splat(xy, torch.tensor([[[True], [False]]]), torch.tensor([[1.0, 2.0]]), (9, 12))
    assert target[0, 0, 2, 3] == 1
    assert target[0, 0, 2, 4].item() == pytest.approx(np.exp(-0.5))
    assert target[0, 0, 7, 10] < 0.01


def test_peaks_are_the_best_local_maxima():
    p = torch.zeros(1, 1, 6, 8)
    p[0, 0, 1, 2], p[0, 0, 1, 3], p[0, 0, 4, 7] = 0.9, 0.8, 0.5
    score, cells = peaks(p, 2)
    assert score[0, 0].tolist() == pytest.approx([0.9, 0.5])
    assert cells[0, 0].tolist() == [[2, 1], [7, 4]]


def test_points_move_to_near_peaks_only():
    xy = torch.tensor([[[[0.0, 0.0], [10.0, 0.0], [5.0, 5.0]]]])
    peak = torch.tensor([[[[1.0, 1.0], [0.0, 0.5]], [[14.0, 0.0], [10.0, 1.0]], [[5.0, 5.5], [5.0, 4.0]]]])
    score = torch.tensor([[[0.9, 0.8], [0.9, 0.05], [0.05, 0.5]]])
    assert refined(xy, peak, score, 0.1)[0, 0].tolist() == [[0.0, 0.5], [10.0, 0.0], [5.0, 4.0]]


def test_the_best_instances_are_kept():
    raw = torch.full((1, 12, *SIZE), -5.0)
    raw[0, 0, 5, 6], raw[0, 0, 15, 20] = 3.0, 1.0
    decoded = TASK.decode(raw)
    assert decoded.xy.shape == (1, 30, 3, 2)
    assert decoded.xy[0, 0, 0].tolist() == pytest.approx([6.5 * 4 + (-5.0) * 4, 5.5 * 4 + (-5.0) * 4])
    kept = replace(TASK, score_floor=0.5).postprocess(to_numpy(decoded, 0))
    assert len(kept.xy) == 2
    assert (np.diff(kept.score) <= 0).all()
    assert len(replace(TASK, score_floor=0.0, max_detections=1).postprocess(to_numpy(decoded, 0)).xy) == 1
    broken = replace(TASK, score_floor=0.0).postprocess(to_numpy(TASK.decode(raw * float("nan")), 0))
    assert len(broken.xy) == 0


def test_heatmaps_begin_low():
    head = TASK.head((FeatureSpec(8, 4),))
    raw = head([torch.zeros(1, 8, 4, 4)])
    torch.testing.assert_close(raw[0, [0, 7, 8, 9]], torch.full((4, 4, 4), -2.19))
    assert raw[0, 1:7].abs().max() < 1


def test_sigmas_are_those_of_coco_for_persons():
    assert replace(TASK, points=17, mirror=()).oks_sigmas == PERSON_SIGMAS
    assert len(set(TASK.oks_sigmas)) == 1
    assert replace(TASK, sigmas=(0.1, 0.2, 0.3)).protocol() != TASK.protocol()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"points": 0}, "points=0"),
        ({"points": 3, "sigmas": (0.1,)}, "1 sigmas for 3 points"),
        ({"points": 3, "sigmas": (0.1, 0.0, 0.1)}, "one above 0 for each"),
        ({"points": 3, "candidates": 0}, "candidates=0"),
        ({"points": 3, "least_peak": 2.0}, "least_peak=2.0"),
    ],
)
def test_options_that_cannot_be_are_refused(options, sentence):
    with pytest.raises(SpecError, match=sentence):
        Pose("pose", **options)


def test_other_classes_are_refused():
    TASK.check(replace(two(), label=np.zeros(2, int)))
    with pytest.raises(DataError, match="got class 2, expected 0"):
        TASK.check(replace(two(), label=np.array([0, 2])))
