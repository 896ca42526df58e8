"""Street furniture and houses, in world units with the ground at y = 0."""

from functools import cache

import numpy as np

from hydranet.datasets.scenes.mesh import (
    FACADE,
    PAINT,
    PLASTER,
    ROUGH,
    Color,
    Face,
    Mesh,
    flat,
    image,
    inset,
    mesh,
    prism,
)
from hydranet.datasets.scenes.signs import design

STEEL = (0.42, 0.43, 0.44)
DOOR, PLINTH = (0.23, 0.16, 0.12), (0.42, 0.40, 0.38)
FLOOR_M, POLE_M = 3.0, 2.4


@cache
def pole() -> Mesh:
    """A post, flat like everything thin."""
    return image([Face(flat([(-0.05, 0), (0.05, 0), (0.05, POLE_M + 0.2), (-0.05, POLE_M + 0.2)]), STEEL)])


@cache
def lamp(side: int) -> Mesh:
    """A street lamp 7 m high whose arm reaches to the right (side = 1) or left (-1)."""
    low, high = (0.0, 1.9) if side > 0 else (-1.9, 0.0)
    head = (1.2, 2.1) if side > 0 else (-2.1, -1.2)
    return image(
        [
            Face(flat([(-0.09, 0), (0.09, 0), (0.06, 7.0), (-0.06, 7.0)]), STEEL),
            Face(flat([(low, 6.9), (high, 6.9), (high, 7.0), (low, 7.0)]), STEEL),
            Face(
                flat([(head[0], 6.78), (head[1], 6.78), (head[1], 6.92), (head[0], 6.92)]), (1.0, 0.93, 0.75), glow=1.0
            ),
        ]
    )


@cache
def reflector() -> Mesh:
    """The white post beside a country road."""
    white, black = (0.88, 0.88, 0.86), (0.08, 0.08, 0.08)
    return image(
        [
            Face(flat([(-0.06, 0), (0.06, 0), (0.06, 1.0), (-0.06, 1.0)]), white),
            Face(flat([(-0.06, 0.68), (0.06, 0.68), (0.06, 0.9), (-0.06, 0.9)]), black, fine=True),
        ]
    )


@cache
def plate(label: int) -> Mesh:
    """A sign's plate of radius 1 around the origin, in front of its pole."""
    return image([Face(flat(points) - (0, 0, 0.05), color) for points, color in design(label)])


@cache
def block(depth_m: float, width_m: float, floors: int) -> Mesh:
    """A town house with a flat roof: z along the street, its walls in the instance's paint."""
    high = floors * FLOOR_M + 0.9
    walls = prism(((0, 0), (width_m, 0), (width_m, high), (0, high)), depth_m / 2)
    faces = [Face(points, PAINT, look=FACADE) for points in walls[:2]]
    faces += [Face(points, PAINT, look=PLASTER) for points in walls[3:]]
    for side in (0, 1):
        quad = walls[side] if side == 0 else np.roll(walls[1], 2, axis=0)
        faces.append(Face(inset(quad, (0, 1), (0, 0.6 / high)), PLINTH, on=side, fine=True))
        faces.append(Face(inset(quad, (0, 1), (1 - 0.35 / high, 1)), PLINTH, on=side, fine=True))
        faces.append(Face(inset(quad, (0.45, 0.45 + 1.3 / width_m), (0, 2.3 / high)), DOOR, on=side, fine=True))
    return mesh(faces)


@cache
def cottage(depth_m: float, width_m: float, floors: int, tiles: Color) -> Mesh:
    """A house with a gable roof: z along the street, the ridge along z or across it by its proportions."""
    high, rise = floors * FLOOR_M + 0.3, 0.36 * depth_m
    walls = prism(((0, 0), (width_m, 0), (width_m, high), (0, high)), depth_m / 2)
    faces = [Face(points, PAINT, look=FACADE) for points in walls[:2]]
    faces += [Face(points, PAINT, look=PLASTER) for points in (walls[3], walls[5])]
    eave, half = 0.4, depth_m / 2
    low = high - eave * rise / half
    for x in (1.0, -1.0):
        edge, ridge = x * (half + eave), high + rise
        slope = np.array([(edge, low, 0), (edge, low, width_m), (0, ridge, width_m), (0, ridge, 0)], dtype=np.float64)
        faces.append(Face(slope if x > 0 else slope[::-1], tiles, look=PLASTER))
    gable = np.array([(-half, high, 0), (half, high, 0), (0, high + rise, 0)], dtype=np.float64)
    far_gable = gable + np.array([0, 0, width_m])
    faces.append(Face(gable, PAINT, on=3, look=PLASTER))
    faces.append(Face(far_gable[::-1], PAINT, on=2, look=PLASTER))
    return mesh(faces)


def hedge(length_m: float, half_m: float, height_m: float) -> Mesh:
    """A clipped hedge along z in the instance's paint."""
    walls = prism(((0, 0), (length_m, 0), (length_m, height_m), (0, height_m)), half_m)
    return mesh([Face(points, PAINT, look=ROUGH) for points in (*walls[:2], *walls[3:])])


def skyline(outline_m: np.ndarray, span_m: float) -> Mesh:
    """A wooded ridge across the view in the plane z = 0: trapezoids below `outline_m` (heights at even steps)."""
    x = np.linspace(-span_m / 2, span_m / 2, len(outline_m))
    faces = []
    for k in range(len(x) - 1):
        a, b, ya, yb = x[k], x[k + 1], outline_m[k], outline_m[k + 1]
        faces.append(Face(flat([(a, -2.0), (b, -2.0), (b, yb), (a, ya)]), PAINT, look=ROUGH))
    return image(faces)
