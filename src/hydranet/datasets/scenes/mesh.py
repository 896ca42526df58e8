"""Solids made of flat convex polygons: all that stands on the road is built of these.

World axes: x right, y up, z forward, in meters; the origin lies on the ground below the camera. A polygon's points
go counter-clockwise as seen from its front, so that a projected polygon shows its back when it turns the other way.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

CORNERS = 12
"""Every polygon is stored with this many points; the last one is repeated where there are fewer."""

PLAIN, ROUGH, PLASTER, FACADE = range(4)
"""What a surface looks like: one color; leaves or bark; a bare wall or roof; a wall with windows."""

Color = tuple[float, float, float]

PAINT: Color = (-1.0, -1.0, -1.0)
"""Stands for the color that an instance of a mesh brings along; (-0.5, -0.5, -0.5) for half its brightness."""


@dataclass(frozen=True, eq=False)
class Face:
    """One polygon while a mesh is being put together.

    points: float k 3.    color: red, green, blue in 0..1.
    on:     index of the face whose plane it lies on (a window on a wall); -1 = its own plane.
    glow:   0..1, how much of its light is its own.    look: PLAIN, ROUGH, PLASTER or FACADE.
    fine:   a detail that may be left out when the object is far.
    """

    points: np.ndarray
    color: Color = PAINT
    on: int = -1
    glow: float = 0.0
    look: int = PLAIN
    fine: bool = False


@dataclass(frozen=True, eq=False)
class Mesh:
    """p polygons as arrays.

    points: float64 p CORNERS 3.    color: float64 p 3, negative = a share of the instance's paint.
    plane:  int p, the polygon whose plane each lies on.    glow: float64 p.    look: int p.    fine: bool p.
    """

    points: np.ndarray
    color: np.ndarray
    plane: np.ndarray
    glow: np.ndarray
    look: np.ndarray
    fine: np.ndarray

    def __len__(self) -> int:
        return len(self.points)


def mesh(faces: Sequence[Face]) -> Mesh:
    """Faces to arrays."""
    index = np.arange(len(faces))
    on = np.array([face.on for face in faces])
    return Mesh(
        points=np.stack([np.pad(f.points, ((0, CORNERS - len(f.points)), (0, 0)), mode="edge") for f in faces]),
        color=np.array([face.color for face in faces], dtype=np.float64),
        plane=np.where(on < 0, index, on),
        glow=np.array([face.glow for face in faces]),
        look=np.array([face.look for face in faces]),
        fine=np.array([face.fine for face in faces]),
    )


def image(faces: Sequence[Face]) -> Mesh:
    """Faces that all lie in the plane of the first one, later ones on top."""
    return replace(mesh(faces), plane=np.zeros(len(faces), dtype=np.int64))


def join(meshes: Sequence[Mesh]) -> Mesh:
    """Several meshes as one."""
    sizes = [len(part) for part in meshes]
    starts = np.cumsum([0, *sizes[:-1]])
    return Mesh(
        points=np.concatenate([part.points for part in meshes]),
        color=np.concatenate([part.color for part in meshes]),
        plane=np.concatenate([part.plane for part in meshes]) + np.repeat(starts, sizes),
        glow=np.concatenate([part.glow for part in meshes]),
        look=np.concatenate([part.look for part in meshes]),
        fine=np.concatenate([part.fine for part in meshes]),
    )


def chosen(whole: Mesh, keep: np.ndarray) -> Mesh:
    """Some polygons of a mesh (bool p); `plane` still counts in the whole mesh."""
    return Mesh(*(getattr(whole, f.name)[keep] for f in fields(whole)))


def shade(color: Color, factor: float) -> Color:
    """A lighter or darker version of a color, of PAINT too."""
    r, g, b = (min(1.0, c * factor) for c in color)
    return r, g, b


def standing(x_m: float, z_m: float, heading_rad: float, scale: Sequence[float] = (1.0, 1.0, 1.0)) -> np.ndarray:
    """float 3 4: puts an object on the ground; `heading_rad` turns its z axis from forward towards the right."""
    c, s = np.cos(heading_rad), np.sin(heading_rad)
    turn = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]) * np.asarray(scale)
    return np.column_stack([turn, (x_m, 0.0, z_m)])


def facing(x_m: float, z_m: float) -> float:
    """The heading of a flat image (front towards -z) at this place that looks at the camera."""
    return float(np.arctan2(x_m, z_m))


def prism(profile: Sequence[tuple[float, float]], half_m: float, tilt: float = 0.0) -> list[np.ndarray]:
    """A convex side view extruded to both sides: the polygons right, left, then one per edge of the profile.

    profile: (z, y) points, counter-clockwise with z to the right and y up, the bottom edge first.
    half_m:  half the width at y = 0.    tilt: by how much each side leans inwards per meter of height.
    The polygon of an edge starts at the lower left as seen from behind (-z); see `inset`.
    """
    zy = np.asarray(profile, dtype=np.float64)
    side = half_m - tilt * zy[:, 1]
    right = np.stack([side, zy[:, 1], zy[:, 0]], axis=1)
    left = right * (-1, 1, 1)
    ends = [
        np.stack([left[j], right[j], right[i], left[i]]) for i, j in ((i, (i + 1) % len(zy)) for i in range(len(zy)))
    ]
    return [right, left[::-1], *ends]


def inset(quad: np.ndarray, s: tuple[float, float], t: tuple[float, float]) -> np.ndarray:
    """The part of a four-sided polygon between fractions `s` of its width and `t` of its height.

    quad: float 4 3: lower left, lower right, upper right, upper left as seen from its front.
    """
    a, b, c, d = quad

    def at(u: float, v: float) -> np.ndarray:
        return (1 - v) * ((1 - u) * a + u * b) + v * ((1 - u) * d + u * c)

    return np.stack([at(s[0], t[0]), at(s[1], t[0]), at(s[1], t[1]), at(s[0], t[1])])


def disc(center: Sequence[float], radius_m: float, across: Sequence[float], n: int = 10) -> np.ndarray:
    """A regular polygon standing upright with a corner at the bottom; `across` is its right as seen from its front."""
    angle = -np.pi / 2 + 2 * np.pi * np.arange(n) / n
    flat = radius_m * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return np.asarray(center) + flat[:, :1] * np.asarray(across) + flat[:, 1:] * np.array([0.0, 1.0, 0.0])


def flat(xy: Sequence[tuple[float, float]] | np.ndarray) -> np.ndarray:
    """A polygon in the plane z = 0 that is seen from -z."""
    points = np.asarray(xy, dtype=np.float64)
    return np.column_stack([points, np.zeros(len(points))])
