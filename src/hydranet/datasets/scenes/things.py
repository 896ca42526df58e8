"""An object that stands somewhere in the world, with what the labels and its shadow need."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hydranet.datasets.scenes.mesh import Color, Mesh, facing, join, standing

NEAREST_M = 1.5
"""Nothing stands nearer than this: a polygon that crosses the camera's plane has no projection."""

FARTHEST_M = 95.0
"""Vehicles, people and signs stand within this distance, houses within half as much again."""


@dataclass(frozen=True, eq=False)
class Thing:
    """One object.

    shape: its surface in its own axes, shared by all of its kind.    where: float 3 4, own axes to the world's.
    paint: the color it brings along.    semantic: class id.    box: class in DETECTION or -1.
    keypoints: float 8 3 in world axes or None.    footprint: float k 2 (x, z) that casts a shadow, or None.
    height_m: how high the shadow's caster is.
    """

    shape: Mesh
    where: np.ndarray
    paint: Color
    semantic: int
    box: int = -1
    keypoints: np.ndarray | None = None
    footprint: np.ndarray | None = None
    height_m: float = 0.0


def in_world(things: Sequence[Thing]) -> Mesh:
    """The polygons of all objects, in their order, in world axes and with their paint."""
    whole, sizes = join([thing.shape for thing in things]), [len(thing.shape) for thing in things]
    where = np.repeat(np.stack([thing.where for thing in things]), sizes, axis=0)
    paint = np.repeat(np.array([thing.paint for thing in things]), sizes, axis=0)
    points = whole.points @ where[:, :, :3].transpose(0, 2, 1) + where[:, None, :, 3]
    return replace(whole, points=points, color=np.where(whole.color < 0, -whole.color * paint, whole.color))


def rectangle(half_m: float, near_m: float, far_m: float, where: np.ndarray) -> np.ndarray:
    """A rectangle on the ground, in an object's axes, moved by an affine map: float 4 2 (x, z)."""
    corners = np.array([(-half_m, 0, near_m), (half_m, 0, near_m), (half_m, 0, far_m), (-half_m, 0, far_m)])
    return (corners @ where[:, :3].T + where[:, 3])[:, [0, 2]]


def flat_thing(
    shape: Mesh, place_m: tuple[float, float], semantic: int, paint: Color, size: float, half_m: float, height_m: float
) -> Thing:
    """A flat image at x, z that looks at the camera; `half_m`, `height_m` measure the shadow of a unit-size object."""
    where = standing(*place_m, facing(*place_m), (size, size, size))
    foot = rectangle(half_m, -half_m / 2, half_m / 2, where)
    return Thing(shape, where, paint, semantic, footprint=foot, height_m=height_m * size)
