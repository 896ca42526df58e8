"""Lanes: what the loss counts, what becomes of unknown and of none, and that what it teaches comes out as lines."""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from hydranet.annotations import ClassMap, Polylines, rows
from hydranet.core.batch import stack
from hydranet.core.features import FeatureSpec
from hydranet.core.sample import DataError, Sample
from hydranet.core.spec import SpecError
from hydranet.core.task import merge, to_numpy
from hydranet.datasets.culane import MASKS, MIRROR, PLACES
from hydranet.datasets.lines_from_masks import LinesFromMasks
from hydranet.distillation.certainty import label_of
from hydranet.postprocess.nms import above
from hydranet.tasks.lanes.raster import line_map
from hydranet.tasks.lanes.task import Lanes
from hydranet.transforms.warp import flip, warp
from toys import Noise

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


PLACED = Lanes("lines", PLACES, mirror=MIRROR, lines_per_class=1, canvas_px=SIZE, teach_px=4.0, least_rows=4, smooth=1)
"""A mask for each of the four lines around the own lane."""


def four() -> Polylines:
    return replace(straight((5, 51), (37, 58), (90, 69), (123, 75), label=[0, 1, 2, 3]), mirror=MIRROR)


def taught(label: Polylines, strength: float = 9.0) -> Tensor:
    """Logits of a network that learned the label by heart."""
    ids = torch.from_numpy(line_map(label, CELLS, 4, 4.0).astype(np.int64))
    one_hot = torch.nn.functional.one_hot(ids, len(PLACES) + 1)[..., 1:]
    return strength * (2 * one_hot.permute(2, 0, 1)[None].float() - 1)


def test_lines_by_place_come_out_one_for_each_place() -> None:
    raw = taught(four())
    raw[0, 1, :, 16:18] = 4.0  # a second, paler line in the mask of "left"
    answer = PLACED.postprocess(to_numpy(PLACED.decode(raw), 0))
    assert sorted(answer.label.tolist()) == [0, 1, 2, 3]
    assert answer.mirror == MIRROR
    for label, points in zip(four().label, four().points, strict=True):
        (found,) = (answer.points[i][answer.valid[i]] for i in range(4) if answer.label[i] == label)
        near = np.interp(-found[:, 1], -points[:, 1], points[:, 0])
        assert np.abs(found[:, 0] - near).max() < 4.0, "a cell"


def test_a_line_in_the_mask_of_another_place_costs() -> None:
    label = stack([four()])
    right = PLACED.loss(taught(four()), label).mean()
    swapped = PLACED.loss(taught(four())[:, list(MIRROR)], label)
    assert right < 0.2
    assert swapped.mean() > right + 2
    assert swapped.parts["dice"] < 0.2, "there is a line, of whatever place"
    unseen = replace(rows(four(), [1, 2]), annotated_classes=np.array([False, True, True, False]))
    only = PLACED.loss(taught(rows(four(), [1, 2])), stack([unseen])).mean()
    shouting = taught(rows(four(), [1, 2]))
    shouting[:, [0, 3]] = 9.0  # places that nobody looked for are neither right nor wrong
    torch.testing.assert_close(PLACED.loss(shouting, stack([unseen])).mean(), only)


def test_a_flip_exchanges_places_and_classes_that_are_kinds_stay() -> None:
    sample = Sample(np.zeros((*SIZE, 3), np.uint8), {"lines": four(), "kinds": replace(four(), mirror=())})
    flipped = warp(sample, flip(SIZE)).labels
    assert flipped["lines"].label.tolist() == [3, 2, 1, 0]
    assert flipped["kinds"].label.tolist() == [0, 1, 2, 3]
    left_to_right = flipped["lines"].label[np.argsort(flipped["lines"].points[:, 0, 0])]
    assert left_to_right.tolist() == [0, 1, 2, 3]
    some = replace(four(), annotated_classes=np.array([True, True, False, False]))
    turned = warp(sample.but(labels={"lines": some}), flip(SIZE)).labels["lines"]
    assert turned.annotated_classes.tolist() == [False, False, True, True]
    with pytest.raises(DataError, match=r"mirrored as \(1, 0\), expected each class of lines once"):
        warp(sample.but(labels={"lines": replace(four(), mirror=(1, 0))}), flip(SIZE))


def test_places_must_be_those_of_the_task() -> None:
    PLACED.check(four())
    with pytest.raises(DataError, match=r"mirrored as \(\), expected \(3, 2, 1, 0\), as the task says"):
        PLACED.check(replace(four(), mirror=()))
    with pytest.raises(SpecError, match=r"a mirror of 2 entries, expected each of 0..3 once: for every line the index"):
        replace(PLACED, mirror=(1, 0))


def test_masks_of_culane_become_lines_by_place() -> None:
    ids = line_map(four(), SIZE, 1, 3.0)

    class Frames(Noise):
        @property
        def classes(self) -> Mapping[str, tuple[str, ...]]:
            return {"lane_mask": MASKS}

        def __getitem__(self, index: int) -> Sample:
            return Sample(np.zeros((*SIZE, 3), np.uint8), {"lane_mask": ClassMap(ids)})

    dataset = LinesFromMasks(Frames(), keep_classes=True, mirror=MIRROR)
    assert dataset.classes["lanes"] == PLACES
    lines = dataset[0].labels["lanes"]
    PLACED.check(lines)
    nearest = lines.points[np.argsort(lines.label), 0, 0]
    np.testing.assert_allclose(nearest, [5, 37, 90, 123], atol=3)
    with pytest.raises(SpecError, match=r"got mirror=\(3, 2, 1, 0\), expected each class of lines once, with keep_cl"):
        LinesFromMasks(Frames(), mirror=MIRROR)
