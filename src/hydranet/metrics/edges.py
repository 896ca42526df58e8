"""ODS, OIS and AP of edge maps: the benchmark of BSDS (Arbelaez et al., PAMI 33(5), 2011), for one label per image."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from hydranet.postprocess.thin import suppressed, thinned

MAX_DISTANCE = 0.0075
"""Matched pixels are at most this share of the image's diagonal apart."""

EDGE = 0.5
"""A labeled strength from here on is an edge."""

HIT, LABELED, PREDICTED = range(3)
"""Columns of the counts: matched pairs, pixels of labeled edges, pixels of predicted edges."""

RECALLS = np.linspace(0, 1, 101)


def thresholds(count: int) -> np.ndarray:
    """float `count`: evenly spaced between 0 and 1, without both: .01, .02, ... .99 for 99."""
    return np.linspace(0, 1, count + 2)[1:-1]


@dataclass(frozen=True)
class EdgeMatcher:
    """Which pixels of one image may be matched with each other.

    offsets: int n 2: rows and columns between pixels that are near enough.
    """

    offsets: np.ndarray

    @staticmethod
    def of(size: tuple[int, int], share: float) -> "EdgeMatcher":
        """For an image of (h, w): pixels at most `share` of its diagonal apart."""
        reach = share * float(np.hypot(*size))
        radius = int(reach)
        y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
        near = np.hypot(y, x) <= reach
        return EdgeMatcher(np.stack([y[near], x[near]], axis=1))

    def match(self, predicted: np.ndarray, labeled: np.ndarray) -> np.ndarray:
        """bool n: which pixels of `predicted` (bool h w, in the order of np.nonzero) have a partner in `labeled`.

        One to one, and as many pairs as there can be: the greatest flow from a source over predicted and labeled pixels
        to a sink, one unit each (Dinic, which for this is Hopcroft & Karp). The official correspondPixels also looks
        for the shortest total distance, by a random process; the number of pairs is all that is counted.
        """
        from scipy.sparse import csr_matrix
        from scipy.sparse.csgraph import maximum_flow

        rows, columns = np.nonzero(predicted)
        number = np.full(labeled.shape, -1)
        there = np.nonzero(labeled)
        number[there] = np.arange(len(there[0]))
        y, x = rows[:, None] + self.offsets[:, 0], columns[:, None] + self.offsets[:, 1]
        inside = (y >= 0) & (y < labeled.shape[0]) & (x >= 0) & (x < labeled.shape[1])
        partner = np.where(inside, number[np.where(inside, y, 0), np.where(inside, x, 0)], -1)
        which, place = np.nonzero(partner >= 0)

        ours, theirs = 1 + np.arange(len(rows)), 1 + len(rows) + np.arange(len(there[0]))
        source, sink = 0, 1 + len(rows) + len(there[0])
        begin = np.concatenate([np.full(len(ours), source), ours[which], theirs])
        end = np.concatenate([ours, theirs[partner[which, place]], np.full(len(theirs), sink)])
        pipes = csr_matrix((np.ones(len(begin), np.int32), (begin, end)), shape=(sink + 1, sink + 1))
        flow = maximum_flow(pipes, source, sink).flow
        return np.asarray(flow[[source]].toarray()[0, ours] > 0)


def measure_edges(strength: np.ndarray, label: np.ndarray, count: int, share: float = MAX_DISTANCE) -> dict[str, Any]:
    """Additive statistics of one image: counts, a list of one int64 t 3 by threshold (`HIT`, `LABELED`, `PREDICTED`).

    strength: float h w in 0..1; NaN = no answer, which is no edge.
    label:    float h w in 0..1, NaN = unknown. From `EDGE` on it is an edge, thinned to one pixel. A predicted pixel
              where the label is unknown counts only where it has a partner: it is never wrong.

    Predicted strengths are suppressed across the edge once, thresholded, and thinned at each threshold.
    """
    known = np.isfinite(label)
    if not known.any():
        return {"counts": []}
    truth = thinned(np.where(known, label, 0) >= EDGE)
    thin = suppressed(strength)
    matcher = EdgeMatcher.of((label.shape[0], label.shape[1]), share)
    counts = np.zeros((count, 3), np.int64)
    counts[:, LABELED] = truth.sum()
    before = -1
    for i, threshold in enumerate(thresholds(count)):
        mask = thin >= threshold
        pixels = int(mask.sum())
        if pixels == before:  # thresholds are nested: an equal number is the same mask
            counts[i] = counts[i - 1]
            continue
        before = pixels
        predicted = thinned(mask)
        matched = matcher.match(predicted, truth)
        counts[i, HIT] = matched.sum()
        counts[i, PREDICTED] = np.count_nonzero(matched | known[predicted])
    return {"counts": [counts]}


def edge_scores(counts: np.ndarray) -> dict[str, float]:
    """ "ods": best F over one threshold for all images; "ois": F with the best threshold of each image; "ap": mean
    precision at recalls 0, .01, ... 1; "ods_threshold": where the best F of the set is. NaN without a labeled edge.

    counts: int64 images t 3.    F = 2 P R / (P + R) of sums over images; P is 0 where nothing is predicted.
    """
    names = ("ods", "ois", "ap", "ods_threshold")
    if not len(counts) or not counts[..., LABELED].sum():
        return dict.fromkeys(names, float("nan"))
    total = counts.sum(0)
    f = _f(total)
    best = int(f.argmax())
    chosen = counts[np.arange(len(counts)), _f(counts).argmax(1)].sum(0)
    values = (f[best], _f(chosen), average_precision(total), thresholds(counts.shape[1])[best])
    return dict(zip(names, map(float, values), strict=True))


def _shares(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    hits = counts[..., HIT]
    return hits / np.maximum(counts[..., PREDICTED], 1), hits / np.maximum(counts[..., LABELED], 1)


def _f(counts: np.ndarray) -> np.ndarray:
    """F of sums ... 3. In an image without labeled and predicted edges it is 0 at all thresholds, and the first one
    counts: the lowest."""
    precision, recall = _shares(counts)
    return 2 * precision * recall / np.maximum(precision + recall, 1e-12)


def average_precision(counts: np.ndarray) -> float:
    """Mean of the precision at 101 recalls, linear between thresholds; that of the least measured recall below it, 0
    above the greatest. Thresholds where nothing is predicted have no precision and are left out. (The official code
    counts 0 in both cases, so that a perfect answer of one strength would get 0.)

    counts: int64 t 3, sums over images.
    """
    counts = counts[counts[:, PREDICTED] > 0]
    if not len(counts):
        return 0.0
    precision, recall = _shares(counts)
    order = np.lexsort((-precision, recall))
    recall, first = np.unique(recall[order], return_index=True)
    curve = np.interp(RECALLS, recall, precision[order][first], right=0.0)
    return float(curve.mean())
