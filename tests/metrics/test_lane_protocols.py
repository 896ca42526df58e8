"""CULane's and TuSimple's protocols and pixel scores of lines, against restatements and by hand."""

import itertools
import math

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from hydranet.annotations import Polylines
from hydranet.metrics import culane, line_pixels, tusimple

ROWS = np.arange(160.0, 720.0, 10.0)


def lines(*all_points: list[tuple[float, float]], ignore: list[bool] | None = None) -> Polylines:
    """Lines of any number of points, padded."""
    length = max((len(one) for one in all_points), default=0)
    points, valid = np.zeros((len(all_points), length, 2), np.float32), np.zeros((len(all_points), length), bool)
    for i, one in enumerate(all_points):
        points[i, : len(one)], valid[i, : len(one)] = np.reshape(one, (-1, 2)), True
    return Polylines(points, valid, ignore=None if ignore is None else np.array(ignore))


def straight(x: float, top: float = 300.0, slope: float = 0.0) -> list[tuple[float, float]]:
    return [(x + slope * (590 - y), y) for y in np.arange(590.0, top - 1, -10)]


NOTHING = lines()


# --- CULane -------------------------------------------------------------------------------------------------------


def counts(predicted: Polylines, labeled: Polylines) -> list[int]:
    return culane.counts(predicted, labeled)["culane"].tolist()


def test_the_spline_is_the_natural_cubic_one() -> None:
    rng = np.random.default_rng(0)
    points = np.cumsum(rng.uniform(1, 40, (9, 2)), 0)
    chord = np.append(0, np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1)))
    at = np.concatenate([np.linspace(a, b, 50, endpoint=False) for a, b in itertools.pairwise(chord)])
    wanted = CubicSpline(chord, points, bc_type="natural")(np.append(at, chord[-1]))
    np.testing.assert_allclose(culane.spline(points), wanted, atol=1e-8)


def test_overlap_of_two_straight_lines_is_what_their_strips_share() -> None:
    """Strips 30 px wide, 12 px apart: 18 / 42 = .43 fails, 8 px apart: 22 / 38 = .58 passes."""
    at = [culane.masks(lines(straight(x)), culane.CANVAS_PX, 30.0) for x in (400.0, 408.0, 412.0)]
    first, near, far = at
    assert culane.ious(first, near)[0, 0] == pytest.approx(22 / 38, abs=0.03)
    assert culane.ious(first, far)[0, 0] == pytest.approx(18 / 42, abs=0.03)
    assert counts(lines(straight(408.0)), lines(straight(400.0))) == [1, 1, 1, 1]
    assert counts(lines(straight(412.0)), lines(straight(400.0))) == [0, 1, 1, 1]


def test_pairs_are_the_best_in_all_not_the_best_first() -> None:
    """Greedy would pair the middle prediction with the left label (IoU .58 > .53) and leave the rest without one."""
    labeled = lines(straight(400.0), straight(409.0))
    predicted = lines(straight(404.0), straight(395.5))
    assert counts(predicted, labeled) == [2, 2, 2, 1]


def test_two_predictions_of_one_line_are_one_hit_and_one_false() -> None:
    assert counts(lines(straight(400.0), straight(401.0)), lines(straight(400.0))) == [1, 2, 1, 1]


def test_lines_of_one_point_count_and_never_match() -> None:
    point = [(400.0, 500.0)]
    assert counts(lines(point), lines(point)) == [0, 1, 1, 1]
    assert counts(lines([], point), NOTHING) == [0, 1, 0, 1], "a row without a point is padding"


def test_what_lies_outside_the_image_is_cut_off() -> None:
    """Both leave the image to the left and part there: only the part inside counts."""
    inside = [(60.0, 400.0), (200.0, 300.0)]
    assert counts(lines([(-400.0, 590.0), *inside]), lines([(-60.0, 410.0), *inside])) == [1, 1, 1, 1]


def test_predictions_on_ignored_lines_are_excused() -> None:
    labeled = lines(straight(400.0), straight(800.0), ignore=[False, True])
    assert counts(lines(straight(400.0), straight(801.0), straight(1200.0)), labeled) == [1, 2, 1, 1]


def test_f1_over_the_set() -> None:
    total = sum(
        culane.counts(predicted, labeled)["culane"]
        for predicted, labeled in [
            (lines(straight(400.0)), lines(straight(400.0), straight(800.0))),
            (lines(straight(100.0)), NOTHING),
        ]
    )
    scores = culane.scores({"culane": total})
    assert scores == pytest.approx({"f1": 0.5, "precision": 0.5, "recall": 0.5})
    assert math.isnan(culane.scores({"culane": np.array([0, 1, 0, 1])})["f1"])
    assert culane.scores({"culane": np.array([0, 0, 1, 1])})["f1"] == 0


def test_huge_coordinates_are_no_error() -> None:
    wild = [(-1e9, 590.0), (1e9, 300.0), (1e9, 300.0)]
    assert counts(lines(wild), lines(straight(400.0)))[0] == 0


# --- TuSimple -----------------------------------------------------------------------------------------------------


def official(pred: list[list[float]], gt: list[list[float]], y_samples: np.ndarray) -> tuple[float, float, float]:
    """An independent restatement of the benchmark's lane.py, lane by lane and point by point."""
    if len(gt) + 2 < len(pred):
        return 0.0, 0.0, 1.0
    accuracies, false_negatives, matched = [], 0.0, 0.0
    for x_gts in gt:
        there = [(x, y) for x, y in zip(x_gts, y_samples, strict=True) if x >= 0]
        theta = math.atan(np.polyfit([y for _, y in there], [x for x, _ in there], 1)[0]) if len(there) > 1 else 0.0
        best = 0.0
        for x_preds in pred:
            right = 0
            for p, g in zip(x_preds, x_gts, strict=True):
                right += abs((p if p >= 0 else -100) - (g if g >= 0 else -100)) < 20 / math.cos(theta)
            best = max(best, right / len(x_gts))
        false_negatives += best < 0.85
        matched += best >= 0.85
        accuracies.append(best)
    false_positives = len(pred) - matched
    if len(gt) > 4 and false_negatives > 0:
        false_negatives -= 1
    total = sum(accuracies) - (min(accuracies) if len(gt) > 4 else 0)
    lanes = max(min(4.0, len(gt)), 1.0)
    return total / lanes, false_positives / len(pred) if pred else 0.0, false_negatives / lanes


@pytest.mark.parametrize("seed", range(40))
def test_the_bench_is_the_official_one(seed: int) -> None:
    rng = np.random.default_rng(seed)

    def lane(near: list[float] | None = None) -> list[float]:
        start, slope = rng.uniform(0, 1280), rng.uniform(-2, 2)
        x = start + slope * (ROWS - 400) if near is None else np.array(near) + rng.normal(0, 12, len(ROWS))
        x[: rng.integers(0, 20)] = -2
        return np.where((x < 0) | (x > 1279), -2, x).tolist()

    gt = [one for one in (lane() for _ in range(rng.integers(1, 7))) if max(one) >= 0]
    pred = [lane(rng.choice(gt).tolist() if gt and rng.random() < 0.7 else None) for _ in range(rng.integers(0, 7))]
    if gt:
        ours = tusimple.bench([np.array(one) for one in pred], [np.array(one) for one in gt], ROWS)
        assert ours == pytest.approx(official(pred, gt, ROWS), abs=1e-9)


def test_a_steep_lane_allows_more_along_the_row() -> None:
    """dx/dy = 1: 20 / cos 45 degrees = 28.3 px."""
    gt = (ROWS - 100).tolist()
    for off, wanted in ((28.0, 1.0), (28.5, 0.0)):
        assert tusimple.bench([ROWS - 100 + off], [np.array(gt)], ROWS)[0] == wanted
    level = np.full(len(ROWS), 300.0)
    assert tusimple.bench([level + 20.0], [level], ROWS)[0] == 0.0
    assert tusimple.bench([level + 19.9], [level], ROWS)[0] == 1.0


def test_lines_are_read_at_the_rows_of_the_label() -> None:
    """Also rows where the label has no point: an absent prediction is right there, an additional one is not."""
    x = np.where(ROWS < 300, -2.0, 500.0)
    points = np.stack([x, ROWS], 1)[::-1].astype(np.float32) + 0.5
    label = Polylines(points[None], (x >= 0)[None, ::-1])
    exact = lines([(500.5, 710.5), (500.5, 300.5)])
    assert tusimple.sums(exact, label)["tusimple"].tolist() == [1.0, 0.0, 0.0, 1.0]
    longer = lines([(500.5, 710.5), (500.5, 160.5)])
    rate = float(np.mean(x >= 0))
    assert tusimple.sums(longer, label)["tusimple"].tolist() == pytest.approx([rate, 1.0, 1.0, 1.0])


def test_images_without_a_line_and_too_many_predictions() -> None:
    assert tusimple.sums(lines(straight(3.0)), NOTHING)["tusimple"].tolist() == [0, 0, 0, 0]
    assert math.isnan(tusimple.scores({"tusimple": np.zeros(4)})["tusimple_accuracy"])
    one, many = lines(straight(400.0)), lines(*[straight(400.0 + i) for i in range(4)])
    assert tusimple.sums(many, one)["tusimple"].tolist() == [0.0, 0.0, 1.0, 1.0]
    assert tusimple.sums(NOTHING, one)["tusimple"].tolist() == [0.0, 0.0, 1.0, 1.0]


# --- pixels -------------------------------------------------------------------------------------------------------


def test_pixel_scores_by_hand_and_their_width() -> None:
    """Vertical lines over the whole canvas, 8 px wide, 4 px apart: IoU 4 / 12; twice as wide it would be .6."""
    canvas = (100, 200)
    a, b = lines([(50.5, -50.0), (50.5, 150.0)]), lines([(54.5, -50.0), (54.5, 150.0)])
    narrow = line_pixels.counts(b, a, canvas, 8.0)["line_pixels"]
    width = (narrow[0] + narrow[1]) / 100
    assert narrow.tolist() == [100 * (width - 4), 400, 400, 100 * (200 - width - 4)]
    scores = line_pixels.scores({"line_pixels": narrow})
    assert scores["line_iou"] == pytest.approx((width - 4) / (width + 4))
    assert scores["pixel_accuracy"] == pytest.approx(1 - 800 / 20_000)
    recall, specificity = (width - 4) / width, (200 - width - 4) / (200 - width)
    assert scores["balanced_accuracy"] == pytest.approx((recall + specificity) / 2)
    wide = line_pixels.scores(line_pixels.counts(b, a, canvas, 16.0))
    assert wide["line_iou"] > scores["line_iou"] + 0.15
    assert math.isnan(line_pixels.scores(line_pixels.counts(a, NOTHING, canvas, 8.0))["line_iou"])


def test_protocols_say_what_decides() -> None:
    assert culane.protocol((590, 1640), 30.0) == (
        "CULane F1: splines drawn 30 px wide at 1640x590, IoU > 0.5, maximum matching"
    )
    assert "8 px wide" in line_pixels.protocol((590, 1640), 8.0)
