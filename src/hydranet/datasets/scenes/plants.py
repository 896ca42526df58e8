"""Trees, bushes and people: flat pictures in the plane z = 0, seen from -z, that are turned towards the camera."""

import numpy as np

from hydranet.datasets.scenes.mesh import PAINT, ROUGH, Colour, Face, Mesh, disc, flat, picture

BARK = (0.26, 0.20, 0.15)
RIGHT = (1.0, 0.0, 0.0)


def _blob(x: float, y: float, radius_m: float, rng: np.random.Generator) -> np.ndarray:
    """A convex lump: a circle pressed and pulled a little."""
    points = disc((0, 0, 0), radius_m, RIGHT, n=12)
    turn = rng.uniform(0, np.pi)
    along = points @ (np.cos(turn), np.sin(turn), 0.0)
    points = points + (0.22 * along[:, None]) * (np.cos(turn), np.sin(turn), 0.0)
    return points + (x, y, 0.0)


def shade(colour: Colour, factor: float) -> Colour:
    """A lighter or darker version of a colour."""
    r, g, b = (min(1.0, c * factor) for c in colour)
    return r, g, b


def broadleaf(rng: np.random.Generator, leaf: Colour) -> Mesh:
    """A round tree about 6 m high: a trunk and lumps of leaves, dark below and light above."""
    faces = [Face(flat([(-0.16, 0), (0.16, 0), (0.10, 3.2), (-0.10, 3.2)]), BARK, look=ROUGH)]
    for y, spread, radius, light, n in ((3.0, 0.9, 1.1, 0.62, 3), (3.9, 1.0, 1.2, 0.85, 3), (4.8, 0.5, 1.0, 1.12, 2)):
        for k in range(n):
            x = spread * (k - (n - 1) / 2) * 1.2 + rng.normal(0, 0.18)
            lump = _blob(x, y + rng.normal(0, 0.2), radius * rng.uniform(0.8, 1.15), rng)
            faces.append(Face(lump, shade(leaf, light * rng.uniform(0.9, 1.1)), look=ROUGH))
    return picture(faces)


def conifer(rng: np.random.Generator, leaf: Colour) -> Mesh:
    """A fir about 8 m high."""
    faces = [Face(flat([(-0.14, 0), (0.14, 0), (0.12, 1.5), (-0.12, 1.5)]), BARK, look=ROUGH)]
    for k in range(5):
        y, half = 0.9 + 1.35 * k, (1.75 - 0.31 * k) * rng.uniform(0.9, 1.1)
        skirt = flat([(-half, y), (-half * 0.4, y - 0.25), (half * 0.4, y - 0.25), (half, y), (0.0, y + 2.3)])
        faces.append(Face(skirt, shade(leaf, 0.62 + 0.1 * k), look=ROUGH))
    return picture(faces)


def bush(rng: np.random.Generator, leaf: Colour) -> Mesh:
    """A bush about 1.2 m high."""
    faces = []
    for x, light in ((-0.7, 0.7), (0.6, 0.8), (0.0, 1.0)):
        lump = _blob(x, 0.0, rng.uniform(0.45, 0.7), rng)
        faces.append(Face(lump - (0, lump[:, 1].min(), 0), shade(leaf, light), look=ROUGH))
    return picture(faces)


def person(rng: np.random.Generator) -> Mesh:
    """A walking person 1.7 m tall in a jacket of the instance's paint."""
    trousers = (np.array([0.16, 0.17, 0.22]) * rng.uniform(0.6, 1.8)).tolist()
    skin = (np.array([0.86, 0.66, 0.53]) * rng.uniform(0.45, 1.05)).tolist()
    hair = (np.array([0.25, 0.18, 0.12]) * rng.uniform(0.3, 2.2)).tolist()
    stride, swing = rng.uniform(-0.2, 0.2), rng.uniform(-0.12, 0.12)
    legs = [
        flat([(k * 0.08 + s - 0.06, 0.0), (k * 0.08 + s + 0.07, 0.0), (k * 0.08 + 0.09, 0.86), (k * 0.08 - 0.09, 0.86)])
        for k, s in ((-1, stride), (1, -stride))
    ]
    arms = [
        flat([(k * 0.26 + s - 0.05, 0.75), (k * 0.26 + s + 0.05, 0.75), (k * 0.2 + 0.06, 1.4), (k * 0.2 - 0.06, 1.4)])
        for k, s in ((-1, swing), (1, -swing))
    ]
    torso = flat([(-0.17, 0.8), (0.17, 0.8), (0.22, 1.35), (0.13, 1.46), (-0.13, 1.46), (-0.22, 1.35)])
    head = disc((0, 1.6, 0), 0.115, RIGHT)
    faces = [Face(legs[0], _colour(trousers)), Face(legs[1], shade(_colour(trousers), 0.8))]
    faces += [Face(arm, PAINT) for arm in arms]
    faces += [Face(torso, PAINT), Face(head, _colour(skin))]
    faces.append(Face(disc((0, 1.64, 0), 0.11, RIGHT), _colour(hair), fine=True))
    return picture(faces)


def _colour(values: list[float]) -> Colour:
    r, g, b = values
    return r, g, b
