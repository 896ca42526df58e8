"""Road users: vehicles in the lanes and at the curb, people on the pavement and the crossing."""

from dataclasses import replace

import numpy as np

from hydranet.datasets.scenes import classes, plants
from hydranet.datasets.scenes.mesh import Color, shade, standing
from hydranet.datasets.scenes.road import PARKING, Road
from hydranet.datasets.scenes.things import FARTHEST_M, NEAREST_M, Thing, flat_thing, rectangle
from hydranet.datasets.scenes.vehicles import CARS, TRUCK, VAN, vehicle

PAINTS: tuple[Color, ...] = (
    (0.86, 0.87, 0.88),
    (0.58, 0.60, 0.62),
    (0.30, 0.31, 0.33),
    (0.08, 0.08, 0.09),
    (0.12, 0.22, 0.45),
    (0.55, 0.07, 0.08),
    (0.13, 0.28, 0.22),
    (0.62, 0.55, 0.42),
    (0.72, 0.36, 0.09),
)

BIG_SHARE = {"motorway": 0.4}
"""Share of vans and trucks among all vehicles; 0.2 on other kinds of road."""

GAP_M = {"motorway": 30.0, "country": 26.0}
"""Mean gap between vehicles of a lane; 17 m on other kinds of road."""


def traffic(road: Road, kind: str, rng: np.random.Generator) -> list[Thing]:
    """Vehicles in the lanes, at random gaps, none on the crossing."""
    things: list[Thing] = []
    for lane in road.lanes:
        z = rng.uniform(8, 30) if lane.u_m == 0 else rng.uniform(2, 24)
        while z < FARTHEST_M:
            u = lane.u_m + rng.normal(0, 0.15)
            vehicles = _vehicle(road, u, z, lane.direction, BIG_SHARE.get(kind, 0.2), rng)
            things += [] if _on_crossing(road, z) else vehicles
            z += 9.5 + rng.exponential(GAP_M.get(kind, 17.0))
    return things


def parked(road: Road, rng: np.random.Generator) -> list[Thing]:
    """Cars at the curb where there is a strip for them."""
    things: list[Thing] = []
    for side, edge in zip((-1, 1), road.verge_m, strict=True):
        if road.strips[road.edges_m.index(edge) + (side < 0)] != PARKING:
            continue
        z = rng.uniform(4, 10)
        while z < 70:
            if rng.random() < 0.6 and not _on_crossing(road, z):
                things += _vehicle(road, edge - side * 1.05, z, side, 0.12, rng)
            z += rng.uniform(5.8, 7.5)
    return things


def _on_crossing(road: Road, z_m: float) -> bool:
    return road.crossing_m is not None and abs(z_m - road.crossing_m - 1.5) < 7


def _vehicle(road: Road, u: float, z: float, direction: int, big: float, rng: np.random.Generator) -> list[Thing]:
    """A vehicle of a random model, or none where it would reach the camera."""
    plan = (VAN, TRUCK)[rng.integers(2)] if rng.random() < big else CARS[rng.integers(len(CARS))]
    model, scale = vehicle(plan), rng.uniform(0.94, 1.06, 3).tolist()
    paint = shade(PAINTS[rng.integers(len(PAINTS))], rng.uniform(0.8, 1.15))
    turn = road.heading(z) + rng.normal(0, 0.012) + (np.pi if direction < 0 else 0)
    length = model.length_m / 2
    if z - length * 1.1 < NEAREST_M:
        return []
    where = standing(u + float(road.center(z)), z, turn, scale)
    return [
        Thing(
            model.mesh,
            where,
            paint,
            classes.VEHICLE,
            box=classes.DETECTION.index(plan.label),
            keypoints=model.keypoints @ where[:, :3].T + where[:, 3],
            footprint=rectangle(model.half_m, -length, length, where),
            height_m=model.height_m,
        )
    ]


def people(road: Road, rng: np.random.Generator) -> list[Thing]:
    """Walkers on the pavements, and on the crossing."""
    left, right = road.border_m
    spots = []
    for _ in range(rng.integers(1, 7)):
        inside = rng.uniform(0.4, 1.4)
        u = left + inside if rng.random() < 0.5 else right - inside
        spots.append((u, 5 + 45 * rng.random() ** 1.5))
    if road.crossing_m is not None:
        low, high = road.verge_m
        spots += [(rng.uniform(low, high), road.crossing_m + rng.uniform(0.6, 2.6)) for _ in range(2)]
    things = []
    for u, z in spots:
        shape, size = plants.person(int(rng.integers(plants.VARIANTS))), rng.uniform(0.86, 1.1)
        red, green, blue = rng.uniform(0.08, 0.75, 3).tolist()
        x = u + float(road.center(z))
        walker = flat_thing(shape, (x, z), classes.PERSON, (red, green, blue), size, 0.22, 1.7)
        things.append(replace(walker, box=classes.DETECTION.index("person")))
    return things
