"""Lanes: what the loss counts, what becomes of unknown and of none, and that what it teaches comes out as lines."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from hydranet.annotations import ClassMap, Polylines, rows
from hydranet.core.batch import stack
from hydranet.core.features import FeatureSpec
from hydranet.core.spec import SpecError
from hydranet.core.task import merge, to_numpy
from hydranet.distillation.certainty import label_of
from hydranet.postprocess.nms import above
from hydranet.tasks.lanes.raster import line_map
from hydranet.tasks.lanes.task import Lanes

SIZE = (64, 128)
CELLS = (16, 32)
TASK = Lanes("lines", canvas_px=SIZE, draw_px=6.0, pixel_width_px=4.0, teach_px=4.0, least_rows=4)


def straight(*lines: tuple[float, float], label: list[int] | None = None) -> Polylines:
    """Lines from x at the lower border to x at the upper fourth."""
    y = np.arange(64.0, 15.0, -4)
    share = (64 - y) / 48
    points = np.stack([np.stack([a + (b - a) * share, y], 1) for a, b in lines]).astype(np.float32)
    return Polylines(points, np.ones(points.shape[:2], bool), None if label is None else np.array(label))


def none() -> Polylines:
    return rows(straight((1, 1)), slice(0))


def logits(channels: int = 1, seed: int = 0) -> Tensor:
    return torch.randn((1, channels, *CELLS), generator=torch.Generator().manual_seed(seed), dtype=torch.float32)


def by_hand(raw: np.ndarray, ids: np.ndarray, share: float) -> float:
    """The formula of the README for one class."""
    q = 1 / (1 + np.exp(-raw.astype(np.float64)))
    line, none = ids == 1, ids == 0
    known = line | none
    cross = share * (-np.log(q[line])).mean() + (1 - share) * (-np.log(1 - q[none])).mean()
    dice = 1 - (2 * q[line].sum() + 1) / (q[known].sum() + line.sum() + 1)
    return float(cross + dice)


def test_the_loss_is_the_formula_of_the_readme() -> None:
    label, raw = straight((20, 60), (110, 70)), logits()
    ids = line_map(label, CELLS, 4, 4.0)
    assert 15 < (ids == 1).sum() < 40
    loss = TASK.loss(raw, stack([label]))
    assert loss.mean().item() == pytest.approx(by_hand(raw[0, 0].numpy(), ids, TASK.line_share), rel=1e-5)
    assert loss.count.item() == 1


def test_around_an_ignored_line_nothing_is_known() -> None:
    label, raw = replace(straight((20, 20), (100, 100)), ignore=np.array([False, True])), logits()
    ids = line_map(label, CELLS, 4, 4.0)
    assert (ids == 255).sum() >= 3 * 11
    assert TASK.loss(raw, stack([label])).mean().item() == pytest.approx(
        by_hand(raw[0, 0].numpy(), ids, TASK.line_share), rel=1e-5
    )
    other = raw.clone()
    other[0, 0][torch.from_numpy(ids == 255)] += 7
    torch.testing.assert_close(TASK.loss(other, stack([label])).total, TASK.loss(raw, stack([label])).total)


def test_no_line_means_that_somebody_looked() -> None:
    raw = logits().requires_grad_()
    loss = TASK.loss(raw, stack([none()]))
    assert loss.count.item() == 1
    loss.mean().backward()
    assert (raw.grad > 0).all(), "every cell is pushed down"


def test_lines_of_any_class_are_lines_for_a_task_without_classes() -> None:
    raw = logits()
    plain, classed = straight((20, 60), (110, 70)), straight((20, 60), (110, 70), label=[3, 1])
    torch.testing.assert_close(TASK.loss(raw, stack([plain])).total, TASK.loss(raw, stack([classed])).total)
    both = TASK.loss(raw.repeat(2, 1, 1, 1), stack([plain, classed]))
    torch.testing.assert_close(both.mean(), TASK.loss(raw, stack([plain])).mean())


def test_classes_nobody_looked_for_are_not_pushed_down() -> None:
    task = replace(TASK, classes=("solid", "dashed"))
    raw = logits(2).requires_grad_()
    label = replace(straight((20, 60), label=[0]), annotated_classes=np.array([True, False]))
    task.loss(raw, stack([label])).mean().backward()
    assert raw.grad[:, 0].any()
    assert not raw.grad[:, 1].any()


@pytest.mark.parametrize("classes", [(), ("left", "right")])
def test_what_the_loss_teaches_comes_out_as_lines(classes: tuple[str, ...]) -> None:
    """Logits alone, no network: descent on the loss must end at the labeled lines, with their classes."""
    task = replace(TASK, classes=classes)
    label = straight((20, 55), (110, 75), label=[0, 1] if classes else None)
    raw = torch.zeros((1, task.channels, *CELLS), requires_grad=True)
    optimizer = torch.optim.Adam([raw], lr=0.3)
    for _ in range(60):
        optimizer.zero_grad()
        task.loss(raw, stack([label])).mean().backward()
        optimizer.step()
    lines = task.postprocess(to_numpy(task.decode(raw.detach()), 0))
    assert len(lines.points) == 2
    scores = task.score(merge([task.measure(lines, label)]))
    assert scores["f1"] == 1
    rows_reached = 11 / 13  # the label's ends lie on the border and half a cell above the topmost cell's middle
    assert scores["tusimple_accuracy"] >= rows_reached - 1e-9
    for one, points, valid in zip(lines.label if classes else [None] * 2, lines.points, lines.valid, strict=True):
        assert (np.diff(points[valid][:, 1]) < 0).all(), "near to far"
        assert one is None or (points[0, 0] > 64) == bool(one)


def test_a_teachers_doubtful_lines_are_ignored() -> None:
    sure = torch.full((1, 1, *CELLS), -9.0)
    sure[0, 0, :, 5], sure[0, 0, :, 20], sure[0, 0, :, 28] = 4.0, 0.3, 0.1
    task = replace(TASK, score_floor=0.0)
    label = label_of(task.decode(sure), task.kind, task.postprocess, least=0.9)
    assert isinstance(label, Polylines)
    assert label.ignore[0].tolist() == [False, True, True]
    assert (above(to_numpy(label, 0), 0.9).points[:, 0, 0] / 4).tolist() == pytest.approx([5.5])
    assert TASK.loss(sure, label).mean().isfinite()


def test_branches_give_maps_of_their_stride() -> None:
    features = tuple(FeatureSpec(8, stride) for stride in (4, 8, 16))
    pyramid = [torch.zeros((2, 8, 64 // f.stride, 128 // f.stride)) for f in features]
    for stride in (1, 2, 4):
        task = replace(TASK, branch="unet", stride=stride, reads="encoder", width=4)
        decoded = task.decode(task.head(features).eval()(pyramid))
        assert isinstance(decoded, ClassMap)
        assert decoded.probs.shape == (2, 2, 64 // stride, 128 // stride)
        assert task.postprocess_steps()["trace_lines"]["cell_px"] == stride


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"branch": "u-net"}, "got lines.branch='u-net', expected 'dense' or 'unet'"),
        ({"stride": 2}, "got lines.stride=2, expected 4, with branch='unet' also 1 or 2"),
        ({"line_share": 1.5}, "got lines.line_share=1.5, expected a number from 0 to 1"),
        ({"max_lines": 0}, "got lines.max_lines=0, expected a number from 1 to 1000"),
    ],
)
def test_options_that_mean_nothing(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(SpecError, match=sentence):
        replace(TASK, **options)  # type: ignore[arg-type]


def test_scores_of_other_widths_have_another_protocol() -> None:
    assert TASK.protocol() != replace(TASK, pixel_width_px=8.0).protocol()
    assert TASK.protocol() != replace(TASK, draw_px=30.0).protocol()
    assert math.isnan(TASK.score(merge([TASK.measure(straight((5, 5)), none())]))["f1"])
