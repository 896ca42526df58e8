"""Edge scores against restatements: matching by another algorithm, thinning by scikit-image, F by loops; odd cases."""

import networkx
import numpy as np
import pytest
from skimage.morphology import thin

from hydranet.metrics.edges import (
    HIT,
    LABELED,
    PREDICTED,
    EdgeMatcher,
    average_precision,
    edge_scores,
    measure_edges,
    thresholds,
)
from hydranet.postprocess.thin import suppressed, thinned

SIZE = (120, 160)
REACH = 3
SHARE = (REACH + 0.2) / np.hypot(*SIZE)
"""A tolerance of three pixels."""


def measured(strength: np.ndarray, label: np.ndarray, share: float = SHARE) -> np.ndarray:
    """int64 t 3 of one image."""
    (counts,) = measure_edges(strength, label, 99, share)["counts"]
    return counts


def line(column: int, width: int = 1) -> np.ndarray:
    """An upright line through the image."""
    strength = np.zeros(SIZE, np.float32)
    strength[:, column : column + width] = 1
    return strength


# --- parts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_matching_is_one_to_one_and_the_largest(seed):
    rng = np.random.default_rng(seed)
    predicted, labeled = rng.random((2, 12, 15)) < rng.uniform(0.05, 0.5)
    reach = rng.uniform(1, 3)
    graph = networkx.Graph()
    here, there = list(zip(*np.nonzero(predicted), strict=True)), list(zip(*np.nonzero(labeled), strict=True))
    graph.add_nodes_from(("p", *one) for one in here)
    graph.add_edges_from(
        (("p", *one), ("l", *other)) for one in here for other in there if np.hypot(*np.subtract(one, other)) <= reach
    )
    pairs = networkx.max_weight_matching(graph, maxcardinality=True)
    matched = EdgeMatcher.of((12, 15), reach / np.hypot(12, 15)).match(predicted, labeled)
    assert matched.sum() == len(pairs)
    assert len(matched) == len(here)


@pytest.mark.parametrize("seed", range(10))
def test_thinning_is_that_of_others(seed):
    rng = np.random.default_rng(seed)
    mask = rng.random((40, 50)) < rng.uniform(0.2, 0.9)
    mask[10:30, 10:40] |= rng.random((20, 30)) < 0.9
    np.testing.assert_array_equal(thinned(mask), thin(mask))


@pytest.mark.parametrize("degrees", [0, 20, 45, 70, 90, 120, 155])
def test_only_the_ridge_of_a_soft_line_is_left(degrees):
    y, x = np.mgrid[0:80, 0:80] - 39.5
    turn = np.radians(degrees)
    across = x * np.cos(turn) + y * np.sin(turn)
    left = suppressed(np.exp(-(across**2) / 18).astype(np.float32)) > 0.5
    inside = np.hypot(x, y) < 30
    assert np.abs(across[left & inside]).max() < 1.0
    assert (thinned(left) & inside).sum() >= 60 * max(abs(np.cos(turn)), abs(np.sin(turn))) - 6


def test_thresholds_are_hundredths():
    np.testing.assert_allclose(thresholds(99), np.arange(1, 100) / 100)


# --- cases --------------------------------------------------------------------------------------------------------


def test_a_thick_line_gains_nothing():
    label = line(80)
    one, two, six = (measured(line(80 - width // 2, width), label) for width in (1, 2, 6))
    assert one[0].tolist() == [SIZE[0]] * 3
    assert (two[:, HIT] == two[:, PREDICTED]).all()
    assert ((two <= one) & (two >= one - 1)).all()  # thinning eats the end of a wide line
    assert abs(int(six[0, PREDICTED]) - SIZE[0]) <= 6


def test_two_lines_beside_one_are_half_wrong():
    double = np.maximum(line(78), line(82))
    assert measured(double, line(80))[50].tolist() == [SIZE[0], SIZE[0], 2 * SIZE[0]]


@pytest.mark.parametrize(("shift", "hits"), [(0, SIZE[0]), (REACH, SIZE[0]), (-REACH, SIZE[0]), (REACH + 1, 0)])
def test_the_tolerance_is_a_distance(shift, hits):
    counts = measured(line(80 + shift), line(80))
    assert counts[0].tolist() == [hits, SIZE[0], SIZE[0]]
    assert edge_scores(counts[None])["ods"] == (1.0 if hits else 0.0)


def test_the_official_tolerance_is_a_share_of_the_diagonal():
    side = np.zeros((300, 400), np.float32)
    near, far, label = side.copy(), side.copy(), side.copy()
    label[:, 200], near[:, 203], far[:, 204] = 1, 1, 1  # .0075 * 500 = 3.75
    assert measure_edges(near, label, 9)["counts"][0][0, HIT] == 300
    assert measure_edges(far, label, 9)["counts"][0][0, HIT] == 0


def test_nothing_predicted_is_nothing_right():
    nothing = measured(np.zeros(SIZE, np.float32), line(80))
    assert nothing[0].tolist() == [0, SIZE[0], 0]
    scores = edge_scores(nothing[None])
    assert (scores["ods"], scores["ois"], scores["ap"]) == (0, 0, 0)
    assert (measured(np.full(SIZE, np.nan, np.float32), line(80)) == nothing).all()


def test_an_image_without_edges_costs_precision():
    empty = measured(line(20), np.zeros(SIZE, np.float32))
    assert empty[0].tolist() == [0, 0, SIZE[0]]
    assert np.isnan(edge_scores(empty[None])["ods"]), "alone, it has no recall"
    both = np.stack([empty, measured(line(80), line(80))])
    assert edge_scores(both)["ods"] == pytest.approx(2 / 3)


def test_what_is_unknown_is_never_wrong():
    label = line(80)
    label[:, :60] = np.nan
    counts = measured(np.maximum(line(20), line(80)), label)
    assert counts[0].tolist() == [SIZE[0]] * 3
    label[:, :79] = np.nan
    beside = measured(line(78), label)
    assert beside[0].tolist() == [SIZE[0]] * 3, "a partner across the border of the unknown counts"
    assert measure_edges(line(80), np.full(SIZE, np.nan), 99) == {"counts": []}


def test_disagreeing_annotators():
    weak = line(80) * 0.4
    assert measured(line(80), weak)[0, LABELED] == 0
    assert measured(line(80), line(80) * 0.5)[0, LABELED] == SIZE[0]


# --- scores -------------------------------------------------------------------------------------------------------


def restated(counts: np.ndarray) -> tuple[float, float]:
    """ODS and OIS by loops over images and thresholds."""

    def f(hit: float, labeled: float, predicted: float) -> float:
        p, r = hit / predicted if predicted else 0.0, hit / labeled if labeled else 0.0
        return 2 * p * r / (p + r) if p + r else 0.0

    ods = max(f(*counts[:, t].sum(0).tolist()) for t in range(counts.shape[1]))
    chosen = np.zeros(3)
    for image in counts:
        values = [f(*row.tolist()) for row in image]
        chosen += image[values.index(max(values))]
    return ods, f(*chosen.tolist())


@pytest.mark.parametrize("seed", range(10))
def test_ods_and_ois_are_those_of_loops(seed):
    rng = np.random.default_rng(seed)
    labeled = rng.integers(0, 200, (6, 1)).repeat(99, 1)
    predicted = -np.sort(-rng.integers(0, 300, (6, 99)), axis=1)
    counts = np.stack([(np.minimum(labeled, predicted) * rng.random((6, 99))).astype(int), labeled, predicted], 2)
    scores = edge_scores(counts)
    assert (scores["ods"], scores["ois"]) == pytest.approx(restated(counts))
    assert 0 <= scores["ap"] <= 1


def test_ods_has_one_threshold_and_ois_one_per_image():
    bright, dim = line(40), line(40) * 0.3
    dim[:, 100] = 0.2  # a wrong line, weaker than the right one of its image
    bright[:, 100] = 0.4  # a wrong line, stronger than the right one of the other image
    counts = np.stack([measured(bright, line(40)), measured(dim, line(40))])
    scores = edge_scores(counts)
    assert scores["ois"] == 1
    assert scores["ods"] == pytest.approx(2 * (2 / 3) / (2 / 3 + 1))
    assert scores["ods_threshold"] == pytest.approx(0.21)


def test_average_precision_by_hand():
    counts = np.array([[100, 100, 200], [50, 100, 50], [0, 100, 0]])  # P, R: (.5, 1), (1, .5), none
    recalls = np.linspace(0, 1, 101)
    wanted = np.where(recalls <= 0.5, 1.0, 1 - (recalls - 0.5)).mean()
    assert average_precision(counts) == pytest.approx(wanted)
    assert average_precision(np.array([[60, 100, 60]])) == pytest.approx(61 / 101)
    assert average_precision(np.array([[100, 100, 100]])) == 1
