"""Lines of masks: connected, over gaps, apart where they are two, near to far, whatever the mask holds."""

import time

import cv2
import numpy as np
import pytest

from hydranet.annotations import ClassMap, Polylines
from hydranet.postprocess.steps import postprocess

SIZE = (60, 120)


def mask(*lines: list[tuple[int, int]], width: int = 3, size: tuple[int, int] = SIZE) -> np.ndarray:
    drawn = np.zeros(size, np.uint8)
    for line in lines:
        cv2.polylines(drawn, [np.array(line, np.int32)], False, 1, width)
    return drawn


def probs(drawn: np.ndarray, sure: float = 0.9) -> ClassMap:
    line = np.where(drawn > 0, sure, 0.01).astype(np.float32)
    return ClassMap(drawn, np.stack([1 - line, line]))


def traced(lines: ClassMap, **options: float) -> Polylines:
    found = postprocess(lines, {"trace_lines": {"cell_px": 4, **options}})
    assert isinstance(found, Polylines)
    return found


def test_one_line_has_its_place_in_pixels_near_to_far() -> None:
    found = traced(probs(mask([(20, 59), (80, 10)])))
    assert found.points.shape[0] == 1
    points = found.points[0][found.valid[0]]
    assert (np.diff(points[:, 1]) == -4).all()
    assert points[0, 1] == 59.5 * 4
    wanted = (20 + (59 - (points[:, 1] / 4 - 0.5)) * 60 / 49 + 0.5) * 4
    np.testing.assert_allclose(points[3:-3, 0], wanted[3:-3], atol=4)
    assert found.label is None
    assert found.score[0] == pytest.approx(0.9, abs=0.01)


def test_a_dashed_line_is_one_line_and_its_gaps_lower_the_score() -> None:
    drawn = mask([(20, 59), (80, 9)])
    drawn[30:38] = 0
    found = traced(probs(drawn))
    assert len(found.points) == 1
    rows = found.points[0][found.valid[0]][:, 1] / 4
    assert set(np.arange(30, 38) + 0.5) <= set(rows)
    assert found.score[0] == pytest.approx(0.9 * (1 - 8 / 51), abs=0.02)
    assert len(traced(probs(drawn), gap=4).points) == 2


def test_lines_that_meet_far_away_stay_two() -> None:
    found = traced(probs(mask([(10, 59), (58, 12)], [(110, 59), (62, 12)])))
    assert len(found.points) == 2
    starts = sorted(found.points[:, 0, 0] / 4)
    np.testing.assert_allclose(starts, [10.5, 110.5], atol=2)


def test_flat_lines_are_followed() -> None:
    """Four columns in each row."""
    found = traced(probs(mask([(0, 50), (118, 20)])), smooth=1)
    points = found.points[0][found.valid[0]]
    assert len(found.points) == 1
    assert points[-1, 0] - points[0, 0] > 420


def test_the_best_lines_are_kept_and_short_ones_are_none() -> None:
    sure = np.zeros((2, *SIZE), np.float32)
    for i, x in enumerate((10, 30, 50, 70)):
        sure[1][mask([(x, 59), (x, 10 + 12 * i)]) > 0] = 0.6 + 0.1 * i
    found = traced(ClassMap((sure[1] > 0).astype(np.uint8), sure), max_lines=2)
    np.testing.assert_allclose(found.score, [0.9, 0.8], atol=1e-3)
    np.testing.assert_allclose(found.points[:, 0, 0], [70.5 * 4, 50.5 * 4], atol=3)
    assert len(traced(ClassMap((sure[1] > 0).astype(np.uint8), sure), least_rows=30).points) == 2
    assert len(traced(ClassMap((sure[1] > 0).astype(np.uint8), sure), score_threshold=0.75).points) == 2


def test_classes_are_traced_apart_and_ids_will_do() -> None:
    ids = mask([(20, 59), (20, 10)]) + 2 * mask([(24, 59), (24, 10)], width=1)
    ids[ids > 2] = 2
    found = traced(ClassMap(ids.astype(np.uint8)))
    assert sorted(found.label.tolist()) == [0, 1]
    assert traced(ClassMap(np.full(SIZE, 255, np.uint8))).points.shape == (0, 0, 2)


@pytest.mark.parametrize("seed", range(6))
def test_noise_is_no_error_and_costs_little(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.random((3, 192, 640)).astype(np.float32)
    values.flat[:: 1 + seed] = rng.choice([np.nan, np.inf, -np.inf, 1e30, 0.7])
    for attempt in range(3):  # a core that another program shares is slower, for a while
        began = time.process_time()
        found = traced(ClassMap(np.zeros((192, 640), np.uint8), values), least_probability=[0.0, 0.5, 1.0][seed % 3])
        if time.process_time() - began < 3:
            break
        assert attempt < 2
    assert np.isfinite(found.points).all()
    assert found.score is None or ((found.score >= 0) & (found.score <= 1)).all()
