"""Cars, vans and trucks in their own axes: x right, y up, z forward (the way they drive), the origin below them."""

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np

from hydranet.datasets.scenes.mesh import PAINT, Face, Mesh, disc, inset, mesh, prism

GLASS = (0.10, 0.13, 0.17)
TIRE = (0.05, 0.05, 0.055)
HUB = (0.45, 0.46, 0.48)
RED = (0.75, 0.05, 0.05)
WHITE = (0.95, 0.94, 0.85)
PLATE = (0.88, 0.88, 0.84)
TRIM = (0.12, 0.12, 0.13)

KEYPOINTS = (
    "rear left wheel",
    "rear right wheel",
    "front right wheel",
    "front left wheel",
    "rear left roof",
    "rear right roof",
    "front right roof",
    "front left roof",
)
"""Points of a vehicle: where the wheels touch the road, and the corners of the roof. Left is the driver's left."""

MIRROR = (1, 0, 3, 2, 5, 4, 7, 6)
"""For each keypoint the one it becomes when the image is flipped."""


@dataclass(frozen=True, eq=False)
class Vehicle:
    """A vehicle's surface and what the labels need of it.

    keypoints: float 8 3, see KEYPOINTS.    length_m, half_m: footprint (half the width).    height_m.
    """

    mesh: Mesh
    keypoints: np.ndarray
    length_m: float
    half_m: float
    height_m: float


@dataclass(frozen=True)
class Plan:
    """The measures of a model: side views as (z, y) points, counter-clockwise from the lower rear, in meters.

    rear, front: index of the edges of `body` that carry lights.    glass: per edge of `cabin`, whether it is a window.
    """

    label: str
    half_m: float
    body: tuple[tuple[float, float], ...]
    cabin: tuple[tuple[float, float], ...]
    rear: int
    front: int
    axles: tuple[float, ...]
    wheel_m: float = 0.32
    tilt: float = 0.18
    windows: int = 2


SEDAN = Plan(
    "car",
    0.89,
    ((-2.2, 0.28), (2.12, 0.28), (2.2, 0.62), (1.95, 0.78), (0.95, 0.93), (-2.05, 0.98), (-2.2, 0.82)),
    ((-1.75, 0.9), (1.05, 0.9), (0.25, 1.44), (-0.95, 1.44)),
    rear=6,
    front=1,
    axles=(-1.38, 1.36),
)
HATCHBACK = Plan(
    "car",
    0.87,
    ((-1.95, 0.28), (1.92, 0.28), (1.98, 0.64), (1.75, 0.82), (0.95, 0.98), (-1.9, 1.0), (-1.98, 0.85)),
    ((-1.92, 0.9), (1.15, 0.9), (0.3, 1.5), (-1.5, 1.5)),
    rear=6,
    front=1,
    axles=(-1.25, 1.28),
)
OFF_ROADER = Plan(
    "car",
    0.95,
    ((-2.25, 0.36), (2.2, 0.36), (2.28, 0.8), (2.05, 1.0), (1.0, 1.1), (-2.2, 1.12), (-2.28, 0.95)),
    ((-2.2, 1.05), (1.15, 1.05), (0.45, 1.72), (-1.95, 1.72)),
    rear=6,
    front=1,
    axles=(-1.42, 1.42),
    wheel_m=0.38,
)
VAN = Plan(
    "van",
    0.98,
    ((-2.5, 0.34), (2.45, 0.34), (2.5, 1.02), (2.38, 1.15), (-2.45, 1.15), (-2.5, 1.0)),
    ((-2.48, 1.1), (2.3, 1.1), (1.35, 2.05), (-2.42, 2.05)),
    rear=5,
    front=1,
    axles=(-1.6, 1.65),
    wheel_m=0.35,
    tilt=0.06,
    windows=1,
)
TRUCK = Plan(
    "truck",
    1.22,
    ((-4.2, 0.5), (4.1, 0.5), (4.2, 1.5), (4.15, 1.62), (2.3, 1.62), (-4.2, 1.0)),
    ((2.35, 1.55), (4.13, 1.55), (3.95, 2.75), (2.4, 2.75)),
    rear=5,
    front=1,
    axles=(-2.9, -1.75, 3.1),
    wheel_m=0.5,
    tilt=0.02,
    windows=1,
)

CARS = (SEDAN, HATCHBACK, OFF_ROADER)


@cache
def vehicle(plan: Plan) -> Vehicle:
    """The model of a plan, in the instance's paint."""
    faces: list[Face] = []
    half = plan.half_m
    _body(faces, plan)
    _cabin(faces, plan)
    roof_y = max(y for _, y in plan.cabin)
    roof = [(z, y) for z, y in plan.cabin if y == roof_y]
    roof_z, roof_half = (min(roof)[0], max(roof)[0]), half - 0.01 - plan.tilt * (roof_y - plan.cabin[0][1])
    if plan.label == "truck":
        _cargo(faces, plan)
        roof_y, roof_z, roof_half = 3.5, (-4.25, 2.15), half + 0.03
    keypoints = [_corner(x, 0.0, plan.axles[k]) for x, k in ((-half, 0), (half, 0), (half, -1), (-half, -1))]
    keypoints += [
        _corner(x, roof_y, roof_z[k]) for x, k in ((-roof_half, 0), (roof_half, 0), (roof_half, 1), (-roof_half, 1))
    ]
    length = max(z for z, _ in plan.body) - min(z for z, _ in plan.body)
    return Vehicle(mesh(faces), np.stack(keypoints), length, half, roof_y)


def _corner(x: float, y: float, z: float) -> np.ndarray:
    return np.array([x, y, z])


def _body(faces: list[Face], plan: Plan) -> None:
    """The lower part: sides with wheels, rear with red lights and plate, front with lights and grille."""
    sides = prism(plan.body, plan.half_m)
    faces += [Face(points) for points in sides]
    rear, front = sides[2 + plan.rear], np.roll(sides[2 + plan.front], 2, axis=0)
    on = 2 + plan.rear
    bottom = plan.body[0][1]
    for s in ((0.03, 0.2), (0.8, 0.97)):
        faces.append(Face(inset(rear, s, (0.5, 0.88)), RED, on, glow=0.8))
        faces.append(Face(_tire(rear, s, bottom), TIRE, on))
    faces.append(Face(inset(rear, (0.36, 0.64), (0.45, 0.68)), PLATE, on, fine=True))
    faces.append(Face(inset(rear, (0.0, 1.0), (0.0, 0.26)), TRIM, on, fine=True))
    on = 2 + plan.front
    for s in ((0.03, 0.22), (0.78, 0.97)):
        faces.append(Face(inset(front, s, (0.55, 0.95)), WHITE, on, glow=1.0))
        faces.append(Face(_tire(front, s, bottom), TIRE, on))
    faces.append(Face(inset(front, (0.26, 0.74), (0.35, 0.9)), TRIM, on, fine=True))
    faces.append(Face(inset(front, (0.38, 0.62), (0.1, 0.28)), PLATE, on, fine=True))
    for side, x in ((0, plan.half_m), (1, -plan.half_m)):
        across = (0.0, 0.0, 1.0 if side == 0 else -1.0)
        for z in plan.axles:
            faces.append(Face(disc((x, plan.wheel_m, z), plan.wheel_m, across), TIRE, on=side))
            faces.append(Face(disc((x, plan.wheel_m, z), plan.wheel_m * 0.55, across), HUB, on=side, fine=True))


def _tire(quad: np.ndarray, s: tuple[float, float], height_m: float) -> np.ndarray:
    """The part of a tire that is visible below the end of a body, in the plane of that end."""
    up = inset(quad, s, (0.0, 0.02))
    drop = (quad[3] - quad[0]) * (height_m / (quad[3][1] - quad[0][1]))
    return np.stack([up[0] - drop, up[1] - drop, up[1], up[0]])


def _cabin(faces: list[Face], plan: Plan) -> None:
    """The upper part: its sides lean inwards; windows all around."""
    base = plan.cabin[0][1]
    lean = [(z, y - base) for z, y in plan.cabin]
    up = np.array([0.0, base, 0.0])
    sides = [points + up for points in prism(lean, plan.half_m - 0.01, plan.tilt)]
    start = len(faces)
    faces += [Face(points) for points in sides]
    front, rear = np.roll(sides[3], 2, axis=0), sides[5]
    faces.append(Face(inset(front, (0.06, 0.94), (0.08, 0.92)), GLASS, start + 3))
    faces.append(Face(inset(rear, (0.1, 0.9), (0.3, 0.9)), GLASS, start + 5))
    for side, quad in ((0, sides[0]), (1, np.roll(sides[1], 2, axis=0))):
        edges = np.array([0.1, 0.5, 0.9]) if plan.windows == 2 else np.array([0.66, 0.92])
        edges = edges if side == 0 else 1 - edges[::-1]
        for a, b in pairwise(edges):
            faces.append(Face(inset(quad, (a + 0.015, b - 0.015), (0.15, 0.88)), GLASS, start + side))


def _cargo(faces: list[Face], plan: Plan) -> None:
    """The box of a truck with doors at the rear."""
    low, high, back, front = 1.0, 3.5, -4.25, 2.15
    sides = prism(((back, low), (front, low), (front, high), (back, high)), plan.half_m + 0.03)
    start = len(faces)
    faces += [Face(points, (0.82, 0.83, 0.84)) for points in sides]
    rear = sides[5]
    for s in ((0.03, 0.49), (0.51, 0.97)):
        faces.append(Face(inset(rear, s, (0.04, 0.96)), (0.72, 0.73, 0.75), start + 5, fine=True))
    for side in (0, 1):
        quad = sides[side] if side == 0 else np.roll(sides[side], 2, axis=0)
        faces.append(Face(inset(quad, (0.05, 0.95), (0.35, 0.6)), PAINT, start + side, fine=True))
