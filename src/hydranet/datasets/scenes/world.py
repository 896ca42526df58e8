"""What a scene contains and where it stands: drawn at random from one seed, before any camera looks at it."""

from dataclasses import dataclass

import numpy as np

from hydranet.datasets.scenes import classes, plants, signs, street
from hydranet.datasets.scenes.mesh import Colour, Mesh, facing, placed, standing
from hydranet.datasets.scenes.road import COURSES, KERB, PARKING, Road, lay
from hydranet.datasets.scenes.vehicles import HATCHBACK, OFF_ROADER, PLANS, SEDAN, TRUCK, VAN, vehicle

NEAREST_M = 1.5
"""Nothing stands nearer than this: a polygon that crosses the camera's plane has no picture."""

FARTHEST_M = 95.0
"""Vehicles, people and signs stand within this distance, houses within half as much again."""

RIDGE_M = 350.0
"""The wooded ridge that closes the view; its depth is labelled like any other."""

PAINTS: tuple[Colour, ...] = (
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
WALLS: tuple[Colour, ...] = (
    (0.74, 0.68, 0.58),
    (0.66, 0.45, 0.36),
    (0.80, 0.78, 0.74),
    (0.58, 0.58, 0.56),
    (0.72, 0.62, 0.44),
    (0.50, 0.33, 0.28),
    (0.62, 0.68, 0.70),
)
ROOFS: tuple[Colour, ...] = ((0.42, 0.20, 0.15), (0.30, 0.22, 0.20), (0.22, 0.23, 0.26), (0.48, 0.28, 0.18))
PLINTH = (0.42, 0.40, 0.38)


@dataclass(frozen=True, eq=False)
class Thing:
    """One object.

    mesh: its surface in world axes.    semantic: class id.    box: class in DETECTION or -1.
    keypoints: float 8 3 in world axes or None.    footprint: float k 2 (x, z) that casts a shadow, or None.
    height_m: how high the shadow's caster is.
    """

    mesh: Mesh
    semantic: int
    box: int = -1
    keypoints: np.ndarray | None = None
    footprint: np.ndarray | None = None
    height_m: float = 0.0


@dataclass(frozen=True, eq=False)
class World:
    """A road and what stands along it.

    patches: float n 5: left, right (lateral), near, far, brightness of repaired asphalt.    grass: its colour.
    """

    kind: str
    road: Road
    things: tuple[Thing, ...]
    patches: np.ndarray
    grass: Colour


def build(rng: np.random.Generator) -> World:
    """Draws a world."""
    kind = str(rng.choice(["city", "suburb", "country", "motorway"], p=[0.4, 0.25, 0.22, 0.13]))
    road = lay(COURSES[kind], rng)
    season = rng.uniform(0.75, 1.2) * np.array([0.22, 0.34, 0.12]) + rng.uniform(0, 0.1) * np.array([1.0, 0.5, 0.0])
    leaf = (float(season[0]), float(season[1]), float(season[2]))
    things = [_ridge(rng, leaf)]
    things += _traffic(road, kind, rng)
    if kind in ("city", "suburb"):
        things += _parked(road, rng) + _people(road, rng)
    for side in (-1, 1):
        things += _houses(road, kind, side, rng)
        things += _greenery(road, kind, side, leaf, rng)
        things += _posts(road, kind, side, rng)
    lanes = rng.uniform(-0.5, 0.5, (6, 2)) * (abs(road.verge_m[1] - road.verge_m[0]), 0) + (np.mean(road.verge_m), 0)
    near = rng.uniform(4, 50, 6)
    size = np.stack([rng.uniform(0.4, 1.6, 6), rng.uniform(0.8, 9, 6)], axis=1)
    patches = np.column_stack(
        [lanes[:, 0] - size[:, 0] / 2, lanes[:, 0] + size[:, 0] / 2, near, near + size[:, 1], rng.uniform(0.7, 1.12, 6)]
    )
    return World(kind, road, tuple(things), patches, plants.shade(leaf, 1.25))


def _ridge(rng: np.random.Generator, leaf: Colour) -> Thing:
    steps = np.interp(np.linspace(0, 8, 33), np.arange(9), rng.uniform(10, 26, 9)) + rng.uniform(0, 3, 33)
    colour = plants.shade(leaf, 0.8)
    return Thing(placed(street.skyline(steps, 1100.0), standing(0, RIDGE_M, 0), colour), classes.VEGETATION)


# --- traffic ------------------------------------------------------------------------------------------------------


def _rect(half: float, near: float, far: float, where: np.ndarray) -> np.ndarray:
    """A rectangle on the ground, moved by an affine map: float 4 2 (x, z)."""
    corners = np.array([(-half, 0, near), (half, 0, near), (half, 0, far), (-half, 0, far)])
    return (corners @ where[:, :3].T + where[:, 3])[:, [0, 2]]


def _vehicle(road: Road, u: float, z: float, direction: int, big: float, rng: np.random.Generator) -> list[Thing]:
    """A vehicle of a random model on the road, unless it would be too near."""
    cars = (1 - big) / 3
    plan = PLANS[int(rng.choice(5, p=[cars, cars, cars, big / 2, big / 2]))]
    model, scale = vehicle(plan), rng.uniform(0.94, 1.06, 3)
    paint = PAINTS[int(rng.integers(len(PAINTS)))]
    if z - model.length_m / 2 * 1.1 < NEAREST_M:
        return []
    turn = road.heading(z) + rng.normal(0, 0.012) + (np.pi if direction < 0 else 0)
    where = standing(u + float(road.centre(z)), z, turn, scale)
    half, length = model.half_m, model.length_m / 2
    return [
        Thing(
            placed(model.mesh, where, plants.shade(paint, rng.uniform(0.8, 1.15))),
            classes.VEHICLE,
            box=classes.DETECTION.index(plan.label),
            keypoints=model.keypoints @ where[:, :3].T + where[:, 3],
            footprint=_rect(half, -length, length, where),
            height_m=model.height_m,
        )
    ]


def _traffic(road: Road, kind: str, rng: np.random.Generator) -> list[Thing]:
    """Vehicles in the lanes, at random gaps, none on the crossing."""
    big, gap = (0.4, 30.0) if kind == "motorway" else (0.2, 26.0 if kind == "country" else 17.0)
    things = []
    for lane in road.lanes:
        z = rng.uniform(8, 30) if lane.u_m == 0 else rng.uniform(2, 24)
        while z < FARTHEST_M:
            crossed = road.crossing_m is not None and abs(z - road.crossing_m - 1.5) < 7
            if not crossed:
                things += _vehicle(road, lane.u_m + rng.normal(0, 0.15), z, lane.direction, big, rng)
            z += 8.5 + rng.exponential(gap)
    return things


def _parked(road: Road, rng: np.random.Generator) -> list[Thing]:
    """Cars at the kerb where there is a strip for them."""
    things = []
    for side, edge in zip((-1, 1), road.verge_m, strict=True):
        index = road.edges_m.index(edge)
        if road.strips[index + (side < 0)] != PARKING:
            continue
        z = rng.uniform(4, 10)
        while z < 70:
            if rng.random() < 0.6 and (road.crossing_m is None or abs(z - road.crossing_m - 1.5) > 6):
                things += _vehicle(road, edge - side * 1.05, z, 1 if side > 0 else -1, 0.12, rng)
            z += rng.uniform(5.6, 7.5)
    return things


def _people(road: Road, rng: np.random.Generator) -> list[Thing]:
    """Walkers on the pavements, and on the crossing."""
    left, right = road.border_m
    spots = []
    for _ in range(int(rng.integers(1, 7))):
        u = left + rng.uniform(0.4, 1.4) if rng.random() < 0.5 else right - rng.uniform(0.4, 1.4)
        spots.append((u, 5 + 45 * rng.random() ** 1.5))
    if road.crossing_m is not None:
        low, high = road.verge_m
        spots += [(rng.uniform(low, high), road.crossing_m + rng.uniform(0.6, 2.6)) for _ in range(2)]
    things = []
    for u, z in spots:
        x, size = u + float(road.centre(z)), rng.uniform(0.86, 1.1)
        where = standing(x, z, facing(x, z), (size, size, size))
        jacket = tuple(rng.uniform(0.08, 0.75, 3).tolist())
        surface = placed(plants.person(rng), where, (jacket[0], jacket[1], jacket[2]))
        foot = _rect(0.22, -0.15, 0.15, where)
        things.append(Thing(surface, classes.PERSON, classes.DETECTION.index("person"), None, foot, 1.7 * size))
    return things


# --- what lines the road ------------------------------------------------------------------------------------------


def _houses(road: Road, kind: str, side: int, rng: np.random.Generator) -> list[Thing]:
    """A closed row of blocks in the city, cottages with gardens elsewhere."""
    if kind == "motorway":
        return []
    border = road.border_m[side > 0]
    things, z = [], rng.uniform(2, 8) if kind == "city" else rng.uniform(4, 16)
    z += rng.uniform(20, 70) if kind == "country" else 0
    while z < 1.5 * FARTHEST_M:
        depth, width = rng.uniform(8, 11), rng.uniform(9, 19) if kind == "city" else rng.uniform(8, 13)
        floors, setback = (int(rng.integers(2, 7)), 0.2) if kind == "city" else (int(rng.integers(1, 3)), 5.0)
        setback += rng.uniform(0, 5) if kind != "city" else 0.0
        wall = plants.shade(WALLS[int(rng.integers(len(WALLS)))], rng.uniform(0.85, 1.1))
        roof = ROOFS[int(rng.integers(len(ROOFS)))]
        middle = z + width / 2
        u = border + side * (setback + depth / 2 + abs(road.curvature_per_m) * width * width / 6)
        x = u + float(road.centre(middle)) - np.sin(road.heading(middle)) * width / 2
        where = standing(x, z, road.heading(middle))
        house = (
            street.block(depth, width, floors, PLINTH) if kind == "city" else street.cottage(depth, width, floors, roof)
        )
        foot = _rect(depth / 2, 0, width, where)
        things.append(Thing(placed(house, where, wall), classes.BUILDING, footprint=foot, height_m=3.0 * floors))
        gap = 0.0 if kind == "city" and rng.random() < 0.8 else rng.uniform(3, 9)
        z += width + gap + (rng.uniform(30, 90) if kind == "country" else 0)
    return things


def _plant(x: float, z: float, shape: Mesh, size: float, height: float, width: float) -> Thing:
    where = standing(x, z, facing(x, z), (size, size, size))
    foot = _rect(width, -width / 2, width / 2, where)
    return Thing(placed(shape, where), classes.VEGETATION, footprint=foot, height_m=height * size)


def _greenery(road: Road, kind: str, side: int, leaf: Colour, rng: np.random.Generator) -> list[Thing]:
    """Trees: on the pavement in the city, in gardens and fields elsewhere; hedges and bushes."""
    border, things = road.border_m[side > 0], []
    lined = kind != "city" or rng.random() < 0.6
    z = rng.uniform(7, 16)
    while z < 1.2 * FARTHEST_M and lined:
        beside = -0.9 if kind == "city" else 1.5 + 14 * rng.random() ** 2 * (1.5 if kind == "country" else 0.4)
        x = border + side * beside + float(road.centre(z))
        size, tint = rng.uniform(0.65, 1.3), plants.shade(leaf, rng.uniform(0.75, 1.25))
        pick = rng.random()
        if pick < 0.2 and kind != "city":
            things.append(_plant(x, z, plants.bush(rng, tint), size, 1.2, 1.0))
        elif pick < 0.45 and kind != "city":
            things.append(_plant(x, z, plants.conifer(rng, tint), size * 1.2, 7.0, 1.0))
        else:
            things.append(_plant(x, z, plants.broadleaf(rng, tint), size, 5.0, 1.3))
        z += rng.uniform(6, 13) if kind == "city" else 3 + rng.exponential(9)
    if kind == "suburb" and rng.random() < 0.6:
        z = rng.uniform(3, 12)
        while z < 80:
            length, height = rng.uniform(6, 14), rng.uniform(0.7, 1.5)
            x = border + side * 0.6 + float(road.centre(z))
            where = standing(x, z, road.heading(z + length / 2))
            bushes = placed(street.hedge(length, 0.4, height), where, plants.shade(leaf, rng.uniform(0.7, 1.0)))
            foot = _rect(0.4, 0, length, where)
            things.append(Thing(bushes, classes.VEGETATION, footprint=foot, height_m=height))
            z += length + rng.uniform(3, 12)
    return things


def _post(x: float, z: float, shape: Mesh, height: float) -> Thing:
    where = standing(x, z, facing(x, z))
    return Thing(placed(shape, where), classes.POLE, footprint=_rect(0.06, -0.06, 0.06, where), height_m=height)


def _posts(road: Road, kind: str, side: int, rng: np.random.Generator) -> list[Thing]:
    """Lamps or reflector posts, and traffic signs (those for us on the right, a few on the left)."""
    kerbed = KERB in road.strips
    edge = road.verge_m[side > 0] + side * (0.5 if kerbed else 1.0)
    things, z = [], rng.uniform(8, 28)
    lit = kind == "city" or (kind == "suburb" and side > 0)
    while z < FARTHEST_M and (lit or not kerbed):
        x = edge + float(road.centre(z))
        things.append(_post(x, z, street.lamp(-side) if lit else street.reflector(), 7.0 if lit else 1.0))
        z += rng.uniform(22, 32)
    for _ in range(int(rng.integers(1, 4)) if side > 0 else int(rng.integers(0, 2))):
        z = 8 + 50 * rng.random() ** 1.3
        x = edge + side * rng.uniform(0, 0.4) + float(road.centre(z))
        radius, label = (
            rng.uniform(0.33, 0.45) * (1.4 if kind == "motorway" else 1.0),
            int(rng.integers(len(signs.CLASSES))),
        )
        centre = rng.uniform(2.1, 2.7)
        things.append(_post(x, z, street.pole(round(centre + 0.2, 2)), centre))
        plate = placed(street.plate(label, 1.0, 0.0), _hung(x, z, centre, radius))
        things.append(Thing(plate, classes.SIGN, classes.DETECTION.index("sign")))
    return things


def _hung(x: float, z: float, centre_m: float, radius_m: float) -> np.ndarray:
    """Where a plate hangs: nearly square to the road."""
    where = standing(x, z, 0.5 * facing(x, z), (radius_m, radius_m, 1.0))
    where[1, 3] = centre_m
    return where


__all__ = ["HATCHBACK", "OFF_ROADER", "SEDAN", "TRUCK", "VAN", "Thing", "World", "build"]
