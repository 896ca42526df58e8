"""From a map of line pixels to lines: connected, ordered near to far, smoothed. numpy only."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from hydranet.annotations import ClassMap, Polylines
from hydranet.core.step import Option, Step

MOST_RUNS = 24
"""Runs of line pixels of one row that are looked at, those of most mass: a road has fewer, noise has more."""

LOOK_BACK = 8
"""Points of a line, before a gap, by which it is continued."""


@dataclass
class _Trace:
    """One line while it is followed upward: row, middle, mean probability, and ends of its runs, nearest first."""

    rows: list[int] = field(default_factory=list)
    middles: list[float] = field(default_factory=list)
    sure: list[float] = field(default_factory=list)
    ends: tuple[int, int] = (0, 0)

    def add(self, row: int, middle: float, sure: float, ends: tuple[int, int]) -> None:
        self.rows.append(row)
        self.middles.append(middle)
        self.sure.append(sure)
        self.ends = ends

    def at(self, row: int) -> float:
        """Where it would be in a row farther away: straight on along its last points."""
        if len(self.rows) < 3:
            return self.middles[-1]
        back = slice(-LOOK_BACK, None)
        slope = (self.middles[-1] - self.middles[back][0]) / min(self.rows[-1] - self.rows[back][0], -1)
        return self.middles[-1] + slope * (row - self.rows[-1])


def trace_lines(lines: ClassMap, options: Mapping[str, float]) -> Polylines:
    """The lines of one image.

    lines: `probs`, float c+1 h w: of no line, then of lines of each class; without, `ids` (0 = no line, k = a line of
           class k - 1, 255 = unknown, no line). A cell is `cell_px` pixels of the network's input wide and high.
    Each row's runs of cells above `least_probability` have a middle (weighted by probability). Going up from the lowest
    row, a run continues the line that it touches or that points at it, the nearest first; after `gap` rows without one,
    a line ends. What has fewer rows than `least_rows` is none. Middles are replaced by a polynomial x(y) of degree
    `smooth` (0 = left as they are), gaps filled along it.
    Gives points near to far, one per row; score = mean probability of the line's cells times the share of rows where it
    was known; best first, at most `max_lines`, of each class at most `lines_per_class`. Labels where c > 1.
    """
    maps = _line_maps(lines)
    traced: list[tuple[float, int, np.ndarray]] = []
    for label, one in enumerate(maps):
        traces = _traces(one, options)
        scored = sorted(((_score(trace), i) for i, trace in enumerate(traces)), key=lambda pair: (-pair[0], pair[1]))
        for score, i in scored[: int(options["lines_per_class"])]:
            if score >= options["score_threshold"]:
                traced.append((score, label, _points(traces[i], options, one.shape[1])))
    traced.sort(key=lambda one: -one[0])
    return _as_lines(traced[: int(options["max_lines"])], len(maps) > 1)


def _line_maps(lines: ClassMap) -> np.ndarray:
    """float c h w: how probable a line of each class is in each cell; what is no number is 0."""
    if lines.probs is not None:
        return np.nan_to_num(np.asarray(lines.probs, np.float32)[1:], nan=0.0, posinf=0.0, neginf=0.0)
    ids = np.asarray(lines.ids)
    count = int(ids[ids != 255].max(initial=1))
    return np.stack([(ids == k) for k in range(1, count + 1)]).astype(np.float32)


def _traces(one: np.ndarray, options: Mapping[str, float]) -> list[_Trace]:
    runs = _runs(one, options["least_probability"])
    gap, reach = int(options["gap"]), options["reach"]
    alive, ended = list[_Trace](), list[_Trace]()
    for row in sorted(runs, reverse=True):
        ended += [trace for trace in alive if trace.rows[-1] - row > gap]
        alive = [trace for trace in alive if trace.rows[-1] - row <= gap]
        new = runs[row]
        pairs = sorted(
            (apart, t, r)
            for t, trace in enumerate(alive)
            for r, run in enumerate(new)
            if (apart := _apart(trace, row, run)) <= reach * (trace.rows[-1] - row) ** 0.5
        )
        taken, grown = set[int](), set[int]()
        for _, t, r in pairs:
            if t not in grown and r not in taken:
                grown.add(t)
                taken.add(r)
                alive[t].add(row, *new[r])
        for r, run in enumerate(new):
            if r not in taken:
                alive.append(_Trace())
                alive[-1].add(row, *run)
    return [trace for trace in ended + alive if len(trace.rows) >= options["least_rows"]]


Run = tuple[float, float, tuple[int, int]]
"""Middle in cells, mean probability, first and last cell."""


def _apart(trace: _Trace, row: int, run: Run) -> float:
    """Cells between a run and where a line would go on; less than 1 where it touches the line's last run."""
    middle, _, (first, last) = run
    apart = abs(middle - trace.at(row))
    touches = trace.rows[-1] - row == 1 and first <= trace.ends[1] + 1 and last >= trace.ends[0] - 1
    return apart / (1 + apart) if touches else apart


def _runs(one: np.ndarray, least: float) -> dict[int, list[Run]]:
    """Runs of cells above `least` by row, rows without one left out."""
    height, width = one.shape
    inside = np.zeros((height, width + 2), np.int8)
    inside[:, 1:-1] = one > least
    step = np.diff(inside, axis=1)
    row, first = np.nonzero(step == 1)
    last = np.nonzero(step == -1)[1] - 1
    mass = np.zeros((height, width + 1))
    np.cumsum(one, axis=1, out=mass[:, 1:])
    moment = np.zeros((height, width + 1))
    np.cumsum(one * (np.arange(width) + 0.5), axis=1, out=moment[:, 1:])
    weight = mass[row, last + 1] - mass[row, first]
    middle = (moment[row, last + 1] - moment[row, first]) / np.maximum(weight, 1e-9)
    middle = np.clip(middle, first, last + 1)
    runs: dict[int, list[Run]] = {}
    kept = np.lexsort((-weight, row))
    for i in kept.tolist():
        traced = runs.setdefault(int(row[i]), [])
        if len(traced) < MOST_RUNS:
            start, end = int(first[i]), int(last[i])
            traced.append((float(middle[i]), float(weight[i]) / (end - start + 1), (start, end)))
    return runs


def _score(trace: _Trace) -> float:
    known = len(trace.rows) / (trace.rows[0] - trace.rows[-1] + 1)
    return float(np.clip(np.mean(trace.sure) * known, 0, 1))


def _points(trace: _Trace, options: Mapping[str, float], width: int) -> np.ndarray:
    """float p 2: one point per row from the nearest to the farthest, in pixels of the network's input."""
    rows = np.arange(trace.rows[0], trace.rows[-1] - 1, -1)
    known, middles = np.array(trace.rows), np.array(trace.middles)
    degree = min(int(options["smooth"]), len(known) - 1)
    if degree < 1:
        x = np.interp(-rows, -known, middles)
    else:
        middle, span = (known[0] + known[-1]) / 2, max((known[0] - known[-1]) / 2, 0.5)
        powers = np.vander((known - middle) / span, degree + 1)
        factors = np.linalg.lstsq(powers, middles, rcond=None)[0]
        x = np.vander((rows - middle) / span, degree + 1) @ factors
    return np.stack([np.clip(x, 0, width), rows + 0.5], 1) * options["cell_px"]


def _as_lines(traced: list[tuple[float, int, np.ndarray]], labeled: bool) -> Polylines:
    length = max((len(points) for _, _, points in traced), default=0)
    points = np.zeros((len(traced), length, 2), np.float32)
    valid = np.zeros((len(traced), length), bool)
    for i, (_, _, one) in enumerate(traced):
        points[i, : len(one)], points[i, len(one) :], valid[i, : len(one)] = one, one[-1], True
    label = np.array([label for _, label, _ in traced], np.int64) if labeled else None
    return Polylines(points, valid, label, np.array([score for score, _, _ in traced], np.float32))


STEP = Step(
    trace_lines,
    {
        "score_threshold": Option(0.3, 0, 1),
        "least_probability": Option(0.5, 0, 1),
        "max_lines": Option(16, 1, 1000, whole=True),
        "lines_per_class": Option(16, 1, 1000, whole=True),
        "least_rows": Option(6, 2, 10_000, whole=True),
        "gap": Option(12, 1, 10_000, whole=True),
        "reach": Option(2.5, 0, 1000),
        "smooth": Option(3, 0, 5, whole=True),
        "cell_px": Option(4, 1, 64, whole=True),
    },
    {ClassMap: Polylines},
)
"""Lines of a map. `reach`: cells between a run and where a line points, at most, times the root of the rows between."""
