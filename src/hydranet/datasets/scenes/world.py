"""What a scene contains and where it stands: drawn at random from one seed, before any camera looks at it."""

from dataclasses import dataclass

import numpy as np

from hydranet.datasets.scenes import roadside
from hydranet.datasets.scenes.mesh import Color, shade
from hydranet.datasets.scenes.road import COURSES, Road, lay
from hydranet.datasets.scenes.things import Thing
from hydranet.datasets.scenes.traffic import parked, people, traffic

KINDS = {"city": 0.4, "suburb": 0.25, "country": 0.22, "motorway": 0.13}
"""Kinds of surroundings and their probabilities."""


@dataclass(frozen=True)
class Patch:
    """A piece of repaired asphalt: lateral and forward range in meters, brightness relative to the road's."""

    left_m: float
    right_m: float
    near_m: float
    far_m: float
    brightness: float


@dataclass(frozen=True, eq=False)
class World:
    """A road and what stands along it; kind: a key of KINDS; grass: the color of open ground."""

    kind: str
    road: Road
    things: tuple[Thing, ...]
    patches: tuple[Patch, ...]
    grass: Color


def build(rng: np.random.Generator) -> World:
    """Draws a world."""
    kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
    road = lay(COURSES[kind], rng)
    red, green, blue = (
        rng.uniform(0.75, 1.2) * np.array([0.22, 0.34, 0.12]) + rng.uniform(0, 0.1) * np.array([1.0, 0.5, 0.0])
    ).tolist()
    leaf = (red, green, blue)
    things = [roadside.ridge(leaf, rng), *traffic(road, kind, rng)]
    if kind in ("city", "suburb"):
        things += parked(road, rng) + people(road, rng)
    for side in (-1, 1):
        if kind == "city":
            things += roadside.town(road, side, rng)
        elif kind != "motorway":
            things += roadside.village(road, side, kind == "country", rng)
        if kind != "city" or rng.random() < 0.6:
            things += roadside.trees(road, kind, side, leaf, rng)
        if kind == "suburb" and rng.random() < 0.6:
            things += roadside.hedges(road, side, leaf, rng)
        things += roadside.posts(road, side, rng)
        things += roadside.plates(road, side, 0.55 if kind == "motorway" else 0.39, rng)
    return World(kind, road, tuple(things), _patches(road, rng), shade(leaf, 1.25))


def _patches(road: Road, rng: np.random.Generator) -> tuple[Patch, ...]:
    patches = []
    for _ in range(rng.integers(2, 8)):
        u, z, half, length = rng.uniform(*road.verge_m), rng.uniform(4, 50), rng.uniform(0.2, 0.8), rng.uniform(0.8, 9)
        left, right = (float(np.clip(edge, *road.verge_m)) for edge in (u - half, u + half))
        patches.append(Patch(left, right, z, z + length, rng.uniform(0.72, 1.12)))
    return tuple(patches)
