"""Trees, bushes and people: flat images in the plane z = 0, seen from -z, that are turned towards the camera.

Leaves and jackets have the instance's paint; `variant` chooses one of many shapes.
"""

from functools import cache

import numpy as np

from hydranet.datasets.scenes.mesh import PAINT, ROUGH, Face, Mesh, disc, flat, image, shade

VARIANTS = 24
"""How many shapes there are of each kind."""

BARK = (0.26, 0.20, 0.15)
RIGHT = (1.0, 0.0, 0.0)


def _blob(x: float, y: float, radius_m: float, rng: np.random.Generator) -> np.ndarray:
    """A convex lump: a circle stretched a little along a random axis."""
    points = disc((0, 0, 0), radius_m, RIGHT, n=12)
    turn = rng.uniform(0, np.pi)
    axis = np.array([np.cos(turn), np.sin(turn), 0.0])
    return points + 0.22 * (points @ axis)[:, None] * axis + np.array([x, y, 0.0])


@cache
def broadleaf(variant: int) -> Mesh:
    """A round tree about 6 m high: a trunk and lumps of leaves, dark below and light above."""
    rng = np.random.default_rng([1, variant])
    faces = [Face(flat([(-0.16, 0), (0.16, 0), (0.10, 3.2), (-0.10, 3.2)]), BARK, look=ROUGH)]
    for y, spread, radius, light, n in ((3.0, 0.9, 1.1, 0.62, 3), (3.9, 1.0, 1.2, 0.85, 3), (4.8, 0.5, 1.0, 1.12, 2)):
        for k in range(n):
            x = spread * (k - (n - 1) / 2) * 1.2 + rng.normal(0, 0.18)
            lump = _blob(x, y + rng.normal(0, 0.2), radius * rng.uniform(0.8, 1.15), rng)
            faces.append(Face(lump, shade(PAINT, light * rng.uniform(0.9, 1.1)), look=ROUGH))
    return image(faces)


@cache
def conifer(variant: int) -> Mesh:
    """A fir about 8 m high."""
    rng = np.random.default_rng([2, variant])
    faces = [Face(flat([(-0.14, 0), (0.14, 0), (0.12, 1.5), (-0.12, 1.5)]), BARK, look=ROUGH)]
    for k in range(5):
        y, half = 0.9 + 1.35 * k, (1.75 - 0.31 * k) * rng.uniform(0.9, 1.1)
        skirt = flat([(-half, y), (-half * 0.4, y - 0.25), (half * 0.4, y - 0.25), (half, y), (0.0, y + 2.3)])
        faces.append(Face(skirt, shade(PAINT, 0.62 + 0.1 * k), look=ROUGH))
    return image(faces)


@cache
def bush(variant: int) -> Mesh:
    """A bush about 1.2 m high."""
    rng = np.random.default_rng([3, variant])
    faces = []
    for x, light in ((-0.7, 0.7), (0.6, 0.8), (0.0, 1.0)):
        lump = _blob(x, 0.0, rng.uniform(0.45, 0.7), rng)
        faces.append(Face(lump - (0, lump[:, 1].min(), 0), shade(PAINT, light), look=ROUGH))
    return image(faces)


@cache
def person(variant: int) -> Mesh:
    """A walking person 1.7 m tall."""
    rng = np.random.default_rng([4, variant])
    trousers = shade((0.16, 0.17, 0.22), rng.uniform(0.6, 1.8))
    skin, hair = shade((0.86, 0.66, 0.53), rng.uniform(0.45, 1.05)), shade((0.25, 0.18, 0.12), rng.uniform(0.3, 2.2))
    stride, swing = rng.uniform(-0.2, 0.2), rng.uniform(-0.12, 0.12)
    faces = []
    for side, step, light in ((-1, stride, 1.0), (1, -stride, 0.8)):
        hip, foot = side * 0.08, side * 0.08 + step
        leg = flat([(foot - 0.06, 0.0), (foot + 0.07, 0.0), (hip + 0.09, 0.86), (hip - 0.09, 0.86)])
        faces.append(Face(leg, shade(trousers, light)))
    for side, step in ((-1, swing), (1, -swing)):
        hand, shoulder = side * 0.26 + step, side * 0.2
        arm = flat([(hand - 0.05, 0.75), (hand + 0.05, 0.75), (shoulder + 0.06, 1.4), (shoulder - 0.06, 1.4)])
        faces.append(Face(arm, shade(PAINT, 0.85)))
    torso = flat([(-0.17, 0.8), (0.17, 0.8), (0.22, 1.35), (0.13, 1.46), (-0.13, 1.46), (-0.22, 1.35)])
    faces += [Face(torso), Face(disc((0, 1.6, 0), 0.115, RIGHT), skin)]
    faces.append(Face(disc((0, 1.64, 0), 0.11, RIGHT), hair, fine=True))
    return image(faces)
