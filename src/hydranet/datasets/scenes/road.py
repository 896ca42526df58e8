"""The course of the road and the strips that lie side by side across it; right-hand traffic.

The lateral coordinate u is measured from the middle of our own lane, to the right; x = u + center(z).
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

TERRAIN, PAVEMENT, CURB, VERGE, OWN_LANE, SAME_WAY, ONCOMING, PARKING = range(8)
"""Kinds of ground."""

CARRIAGEWAY = (OWN_LANE, SAME_WAY, ONCOMING, PARKING)
"""The asphalt: what vehicles drive or stand on."""

BEND_END_M = 100.0
"""From here on the road runs straight: a parabola would leave the world's edge."""

WHITE, YELLOW = (0.86, 0.86, 0.83), (0.85, 0.66, 0.15)


@dataclass(frozen=True)
class Line:
    """A painted line at lateral position `u_m`; dash_m of paint in every period_m (equal: solid)."""

    u_m: float
    width_m: float = 0.14
    dash_m: float = 1.0
    period_m: float = 1.0
    phase_m: float = 0.0
    color: tuple[float, float, float] = WHITE

    @property
    def solid(self) -> bool:
        """Whether the line has no gaps."""
        return self.dash_m >= self.period_m

    def painted(self, near_m: np.ndarray, far_m: np.ndarray) -> np.ndarray:
        """The share of paint between two distances, by element."""
        if self.solid:
            return np.ones_like(near_m)

        def length(z: np.ndarray) -> np.ndarray:
            whole, rest = np.divmod(z + self.phase_m, self.period_m)
            return whole * self.dash_m + np.minimum(rest, self.dash_m)

        return (length(far_m) - length(near_m)) / np.maximum(far_m - near_m, 1e-9)


@dataclass(frozen=True)
class Lane:
    """A lane by its middle; direction 1 = our way, -1 = towards us."""

    u_m: float
    direction: int


@dataclass(frozen=True)
class Road:
    """A road.

    offset_m, heading_rad, curvature_per_m: center(z) of our lane, a parabola.
    edges_m: lateral boundaries, ascending.    strips: what lies between them, one more than there are edges.
    lanes: from left to right.
    crossing_m: where a zebra crossing begins, or None.
    """

    offset_m: float
    heading_rad: float
    curvature_per_m: float
    edges_m: tuple[float, ...]
    strips: tuple[int, ...]
    lanes: tuple[Lane, ...]
    lines: tuple[Line, ...]
    crossing_m: float | None = None

    def center(self, z_m: ArrayLike) -> np.ndarray:
        """x of our lane's middle at a distance."""
        z = np.asarray(z_m, dtype=np.float64)
        bend = np.minimum(z, BEND_END_M)
        slope = self.heading_rad + self.curvature_per_m * bend
        return self.offset_m + (self.heading_rad + slope) / 2 * bend + slope * (z - bend)

    def heading(self, z_m: float) -> float:
        """Direction of the road there, 0 = straight ahead, positive to the right."""
        return float(np.arctan(self.heading_rad + self.curvature_per_m * min(z_m, BEND_END_M)))

    @property
    def verge_m(self) -> tuple[float, float]:
        """The lateral positions where the carriageway ends, left and right."""
        inside = [k for k, strip in enumerate(self.strips) if strip in CARRIAGEWAY]
        return self.edges_m[inside[0] - 1], self.edges_m[inside[-1]]

    @property
    def border_m(self) -> tuple[float, float]:
        """The lateral positions where open ground begins, left and right."""
        return self.edges_m[0], self.edges_m[-1]


@dataclass(frozen=True)
class Course:
    """The kinds of road: how many lanes, what lies beside, which lines are painted."""

    same_way: tuple[int, int]
    oncoming: tuple[int, int]
    lane_m: tuple[float, float]
    pavement_m: tuple[float, float]
    parking: float
    edge_lines: float
    bend_per_m: float


COURSES = {
    "city": Course((1, 2), (1, 2), (3.0, 3.4), (2.2, 4.0), 0.5, 0.3, 0.0025),
    "suburb": Course((1, 1), (1, 1), (2.9, 3.3), (1.6, 2.4), 0.3, 0.3, 0.004),
    "country": Course((1, 1), (1, 1), (3.1, 3.6), (0.0, 0.0), 0.0, 0.9, 0.004),
    "motorway": Course((2, 3), (0, 0), (3.5, 3.75), (0.0, 0.0), 0.0, 1.0, 0.0012),
}


def lay(course: Course, rng: np.random.Generator) -> Road:
    """A road of this kind."""
    width = rng.uniform(*course.lane_m)
    same = int(rng.integers(course.same_way[0], course.same_way[1] + 1))
    back = int(rng.integers(course.oncoming[0], course.oncoming[1] + 1))
    ours = int(rng.integers(same))  # as many lanes of our direction lie to the left of us
    lanes = tuple(Lane(width * (k - ours), 1 if k >= 0 else -1) for k in range(-back, same))
    pavement, crossing = rng.uniform(*course.pavement_m), rng.uniform(12, 40)
    parking = rng.random(2) < course.parking
    left, right = (
        _beside(course, pavement, bool(parked), outer) for parked, outer in zip(parking, (0, 1), strict=True)
    )
    across = [*left[::-1], *((_strip(lane), width) for lane in lanes), *right]
    start = lanes[0].u_m - width / 2 - sum(size for _, size in left)
    edges = start + np.cumsum([0.0, *(size for _, size in across)])
    return Road(
        offset_m=rng.normal(0, 0.15),
        heading_rad=rng.normal(0, 0.012),
        curvature_per_m=rng.uniform(-1, 1) * course.bend_per_m * rng.uniform(0, 1),
        edges_m=tuple(edges.tolist()),
        strips=(TERRAIN, *(strip for strip, _ in across), TERRAIN),
        lanes=lanes,
        lines=_lines(lanes, width, rng.random() < course.edge_lines, rng),
        crossing_m=crossing if pavement > 0 and rng.random() < 0.35 else None,
    )


def _beside(course: Course, pavement_m: float, parked: bool, outer: int) -> list[tuple[int, float]]:
    """What follows a carriageway sideways, from its edge outwards: (strip, width) pairs; outer 1 = on our side."""
    if pavement_m > 0:
        return [(PARKING, 2.1)] * parked + [(CURB, 0.15), (PAVEMENT, pavement_m)]
    motorway = course.oncoming == (0, 0)
    return [(PARKING, 2.2 if motorway and outer else 0.4), (VERGE, 1.2)]


def _strip(lane: Lane) -> int:
    if lane.direction < 0:
        return ONCOMING
    return OWN_LANE if lane.u_m == 0 else SAME_WAY


def _lines(lanes: tuple[Lane, ...], width: float, edges: bool, rng: np.random.Generator) -> tuple[Line, ...]:
    """Dashes between lanes of one direction, a dashed, solid or double line between directions, lines at the edges."""
    period, duty, phase, thick = rng.uniform(6, 12), rng.uniform(0.35, 0.6), rng.uniform(0, 12), rng.uniform(0.11, 0.18)
    middle = rng.choice(["dashed", "solid", "double"])
    yellow = YELLOW if rng.random() < 0.3 else WHITE
    lines = []
    if edges:
        lines = [Line(lanes[0].u_m - width / 2 + 0.2, thick), Line(lanes[-1].u_m + width / 2 - 0.2, thick)]
    for a, b in pairwise(lanes):
        u = (a.u_m + b.u_m) / 2
        if a.direction == b.direction or middle == "dashed":
            color = WHITE if a.direction == b.direction else yellow
            lines.append(Line(u, thick, duty * period, period, phase, color))
        elif middle == "solid":
            lines.append(Line(u, thick, color=yellow))
        else:
            lines += [Line(u - 0.12, thick, color=yellow), Line(u + 0.12, thick, color=yellow)]
    return tuple(sorted(lines, key=lambda line: line.u_m))
