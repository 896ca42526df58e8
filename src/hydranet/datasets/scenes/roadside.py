"""What lines the road: houses, trees and hedges, lamps, reflector posts and traffic signs."""

import numpy as np

from hydranet.datasets.scenes import classes, plants, signs, street
from hydranet.datasets.scenes.mesh import Color, Mesh, facing, shade, standing
from hydranet.datasets.scenes.road import CURB, Road
from hydranet.datasets.scenes.things import FARTHEST_M, Thing, flat_thing, rectangle

WALLS: tuple[Color, ...] = (
    (0.74, 0.68, 0.58),
    (0.66, 0.45, 0.36),
    (0.80, 0.78, 0.74),
    (0.58, 0.58, 0.56),
    (0.72, 0.62, 0.44),
    (0.50, 0.33, 0.28),
    (0.62, 0.68, 0.70),
)
ROOFS: tuple[Color, ...] = ((0.42, 0.20, 0.15), (0.30, 0.22, 0.20), (0.22, 0.23, 0.26), (0.48, 0.28, 0.18))

RIDGE_M = 350.0
"""Distance of the wooded ridge that closes the view; its depth is labeled like any other."""


def ridge(leaf: Color, rng: np.random.Generator) -> Thing:
    """Hills at the far end of the road that hide the horizon from every camera."""
    hills = np.interp(np.linspace(0, 8, 21), np.arange(9), rng.uniform(10, 26, 9)) + rng.uniform(0, 3, 21)
    shape = street.skyline(hills, 1100.0)
    return Thing(shape, standing(0, RIDGE_M, 0), shade(leaf, 0.8), classes.VEGETATION)


def town(road: Road, side: int, rng: np.random.Generator) -> list[Thing]:
    """A row of tall houses with few gaps, directly behind the pavement."""
    things, z = [], rng.uniform(3.5, 8)
    while z < 1.5 * FARTHEST_M:
        depth, width, floors = (int(n) for n in rng.integers((8, 9, 2), (12, 20, 7)))
        shape = street.block(depth, width, floors)
        things.append(_house(road, side, z, shape, (depth, width, 3.0 * floors), 0.2, rng))
        z += width + (0.0 if rng.random() < 0.8 else rng.uniform(3, 8))
    return things


def village(road: Road, side: int, scattered: bool, rng: np.random.Generator) -> list[Thing]:
    """Cottages with gardens; `scattered`: single ones far apart."""
    things, z = [], rng.uniform(24, 80) if scattered else rng.uniform(4, 16)
    while z < 1.5 * FARTHEST_M:
        depth, width, floors = (int(n) for n in rng.integers((8, 8, 1), (12, 14, 3)))
        shape = street.cottage(depth, width, floors, ROOFS[rng.integers(len(ROOFS))])
        things.append(_house(road, side, z, shape, (depth, width, 3.0 * floors), rng.uniform(5, 10), rng))
        z += width + rng.uniform(3, 9) + (rng.uniform(30, 90) if scattered else 0)
    return things


def _house(
    road: Road,
    side: int,
    z: float,
    shape: Mesh,
    size: tuple[float, float, float],
    setback: float,
    rng: np.random.Generator,
) -> Thing:
    """A house of (depth, width along the road, height) whose front is `setback` behind the road's border."""
    depth, width, height = size
    middle = z + width / 2
    # a straight front on the inside of a bend would stand on the pavement with its middle or its ends
    bulge = abs(road.curvature_per_m) * width * width / 6
    u = road.border_m[side > 0] + side * (setback + depth / 2 + bulge)
    x = u + float(road.center(middle)) - np.sin(road.heading(middle)) * width / 2
    where = standing(x, z, road.heading(middle))
    wall = shade(WALLS[rng.integers(len(WALLS))], rng.uniform(0.85, 1.1))
    foot = rectangle(depth / 2, 0, width, where)
    return Thing(shape, where, wall, classes.BUILDING, footprint=foot, height_m=height)


def trees(road: Road, kind: str, side: int, leaf: Color, rng: np.random.Generator) -> list[Thing]:
    """A row of trees on a town's pavement; trees and bushes of all kinds in gardens and fields."""
    things, z = [], rng.uniform(7, 16)
    while z < 1.2 * FARTHEST_M:
        depth = 14 * rng.random() ** 2 * (1.5 if kind == "country" else 0.4)
        u = road.border_m[side > 0] + side * (-0.9 if kind == "city" else 1.5 + depth)
        x, size = u + float(road.center(z)), rng.uniform(0.65, 1.3)
        tint, pick = shade(leaf, rng.uniform(0.75, 1.25)), 1.0 if kind == "city" else rng.random()
        variant = int(rng.integers(plants.VARIANTS))
        if pick < 0.2:
            things.append(flat_thing(plants.bush(variant), (x, z), classes.VEGETATION, tint, size, 1.0, 1.2))
        elif pick < 0.45:
            things.append(flat_thing(plants.conifer(variant), (x, z), classes.VEGETATION, tint, 1.2 * size, 1.0, 7.0))
        else:
            things.append(flat_thing(plants.broadleaf(variant), (x, z), classes.VEGETATION, tint, size, 1.3, 5.0))
        z += rng.uniform(6, 13) if kind == "city" else 3 + rng.exponential(9)
    return things


def hedges(road: Road, side: int, leaf: Color, rng: np.random.Generator) -> list[Thing]:
    """Clipped hedges between pavement and gardens."""
    things, z = [], rng.uniform(3, 12)
    while z < 80:
        length, height = rng.uniform(6, 14), rng.uniform(0.7, 1.5)
        x = road.border_m[side > 0] + side * 0.6 + float(road.center(z))
        where = standing(x, z, road.heading(z + length / 2))
        shape, tint = street.hedge(length, 0.4, height), shade(leaf, rng.uniform(0.7, 1.0))
        foot = rectangle(0.4, 0, length, where)
        things.append(Thing(shape, where, tint, classes.VEGETATION, footprint=foot, height_m=height))
        z += length + rng.uniform(3, 12)
    return things


def _edge(road: Road, side: int) -> float:
    """Lateral position of posts: on the pavement, or a little way off the carriageway."""
    return road.verge_m[side > 0] + side * (0.5 if CURB in road.strips else 1.0)


def posts(road: Road, side: int, rng: np.random.Generator) -> list[Thing]:
    """Lamps on pavements, reflector posts elsewhere."""
    curbed = CURB in road.strips
    shape, height = (street.lamp(-side), 7.0) if curbed else (street.reflector(), 1.0)
    things, z = [], rng.uniform(8, 28)
    while z < FARTHEST_M:
        x = _edge(road, side) + float(road.center(z))
        things.append(flat_thing(shape, (x, z), classes.POLE, street.STEEL, 1.0, 0.08, height))
        z += rng.uniform(22, 32)
    return things


def plates(road: Road, side: int, radius_m: float, rng: np.random.Generator) -> list[Thing]:
    """Traffic signs on poles, most on our side of the road."""
    things = []
    for _ in range(rng.integers(1, 4) if side > 0 else rng.integers(0, 2)):
        z = 8 + 50 * rng.random() ** 1.3
        x = _edge(road, side) + side * rng.uniform(0, 0.4) + float(road.center(z))
        radius, center = radius_m * rng.uniform(0.85, 1.15), rng.uniform(2.1, 2.7)
        label = int(rng.integers(len(signs.CLASSES)))
        things.append(flat_thing(street.pole(), (x, z), classes.POLE, street.STEEL, center / street.POLE_M, 0.06, 2.5))
        where = standing(x, z, 0.5 * facing(x, z), (radius, radius, 1.0))  # half towards us, half along the road
        where[1, 3] = center
        things.append(Thing(street.plate(label), where, street.STEEL, classes.SIGN, classes.DETECTION.index("sign")))
    return things
