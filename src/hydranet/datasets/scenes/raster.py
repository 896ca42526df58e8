"""Which polygon is seen at every pixel: an exact z-buffer over convex polygons, sampled at the pixel centres."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hydranet.datasets.scenes.camera import Lens
from hydranet.datasets.scenes.mesh import CORNERS, Mesh, join
from hydranet.datasets.scenes.world import NEAREST_M, Thing

SKY_FACE, GROUND_FACE, FIRST = 0, 1, 2
"""Numbers of the two faces that every picture has, and of the first polygon."""

DETAIL_PX = 14.0
"""Fine details of an object are drawn where one metre of it is at least this long."""


@dataclass(frozen=True, eq=False)
class Faces:
    """All polygons of a scene that may be seen, after those of sky and ground.

    mesh:    float p 3, ... as in `Mesh`; row k belongs to face k + FIRST.
    pixels:  float p CORNERS 2, projected.
    normal:  float f 3, camera axes, towards the camera; rows of `SKY_FACE` (NaN) and `GROUND_FACE` included.
    inverse: float f 3, the plane as 1 / depth = a u + b v + c.
    plane:   int f, number of the surface; faces on one plane of one object share it.
    thing:   int f, index of the object, -1 for sky and ground.
    """

    mesh: Mesh
    pixels: np.ndarray
    normal: np.ndarray
    inverse: np.ndarray
    plane: np.ndarray
    thing: np.ndarray


@dataclass(frozen=True, eq=False)
class Raster:
    """What is seen.

    face:    int32 h w, number of the face.    inverse_depth: float32 h w, 1/m; 0 = sky.
    extent:  float t 4, box around each object's projection, not clipped; inf for objects behind the camera.
    covered: int t, pixels each object would have if nothing stood before it (0 for objects without a box).
    """

    face: np.ndarray
    inverse_depth: np.ndarray
    extent: np.ndarray
    covered: np.ndarray


def faces_of(things: Sequence[Thing], lens: Lens) -> Faces:
    """The polygons of the objects as the camera sees them; those that turn their back are left out."""
    scene = join([thing.mesh for thing in things])
    owner = np.repeat(np.arange(len(things)), [len(thing.mesh) for thing in things])
    seen = lens.seen(scene.points)
    pixels = lens.project(seen)
    normal = lens.turned(_normals(scene.points))[scene.plane]
    toward = np.sum(normal * seen[:, 0], axis=1)
    far = lens.focal_px / seen[..., 2].min(axis=1) < DETAIL_PX
    keep = (toward < -1e-6) & ~(far & scene.fine)
    keep &= _in_picture(pixels, lens)
    ground = -lens.down
    return Faces(
        mesh=Mesh(
            scene.points[keep],
            scene.colour[keep],
            scene.plane[keep],
            scene.glow[keep],
            scene.look[keep],
            scene.fine[keep],
        ),
        pixels=pixels[keep],
        normal=np.concatenate([np.full((1, 3), np.nan), ground[None], normal[keep]]),
        inverse=np.concatenate([np.zeros((2, 3)), lens.planes(normal, seen[scene.plane, 0])[keep]]),
        plane=np.concatenate([[SKY_FACE, GROUND_FACE], scene.plane[keep] + FIRST]),
        thing=np.concatenate([[-1, -1], owner[keep]]),
    )


def _normals(points: np.ndarray) -> np.ndarray:
    """Unit normals of polygons (float p CORNERS 3) on the side from which they are counter-clockwise.

    Sums the cross products of a fan (Newell's method), so that no three special corners are needed. World axes are
    left-handed (x right, y up, z forward), which turns the sign of a cross product around.
    """
    spokes = points[:, 1:] - points[:, :1]
    normal = -np.cross(spokes[:, :-1], spokes[:, 1:]).sum(axis=1)
    return normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)


def _in_picture(pixels: np.ndarray, lens: Lens) -> np.ndarray:
    low, high = pixels.min(axis=1), pixels.max(axis=1)
    return (high > 0).all(1) & (low[:, 0] < lens.width_px) & (low[:, 1] < lens.height_px)


def _spans(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where polygons begin and end in a row: two arrays float p 2 CORNERS of x = slope * y + start, by edge.

    Counter-clockwise seen from the front is clockwise in pixels (y points down): edges that go up bound a polygon on
    the right... and the interior of a row lies between the largest left and the smallest right bound.
    """
    ends = np.roll(pixels, -1, axis=1)
    step = ends - pixels
    level = np.abs(step[..., 1]) < 1e-9
    slope = np.where(level, 0.0, step[..., 0] / np.where(level, 1.0, step[..., 1]))
    start = pixels[..., 0] - slope * pixels[..., 1]
    left, right = (step[..., 1] > 0) & ~level, (step[..., 1] < 0) & ~level
    begins = np.stack([np.where(left, slope, 0.0), np.where(left, start, -np.inf)], axis=1)
    stops = np.stack([np.where(right, slope, 0.0), np.where(right, start, np.inf)], axis=1)
    return begins, stops


def rasterise(faces: Faces, things: Sequence[Thing], lens: Lens) -> Raster:
    """Draws all objects into a z-buffer that starts with sky and ground."""
    h, w = lens.height_px, lens.width_px
    ground = lens.ground()
    nearest = np.repeat(np.maximum(ground, 0).astype(np.float32)[:, None], w, axis=1)
    shown = np.where(nearest > 0, GROUND_FACE, SKY_FACE).astype(np.int32)
    begins, stops = _spans(faces.pixels)
    low = np.ceil(faces.pixels.min(axis=1) - 0.5).clip(0).astype(int)
    high = np.ceil(faces.pixels.max(axis=1) - 0.5).clip(None, (w, h)).astype(int)
    owner = faces.thing[FIRST:]
    covered = np.zeros(len(things), dtype=np.int64)
    rows, columns = lens.rows, lens.columns
    firsts = np.searchsorted(owner, np.arange(len(things) + 1))
    for k, thing in enumerate(things):
        part = range(firsts[k], firsts[k + 1])
        if not part:
            continue
        x0, y0 = low[part.start : part.stop].min(axis=0)
        x1, y1 = high[part.start : part.stop].max(axis=0)
        if x0 >= x1 or y0 >= y1:
            continue
        # an object with a box is drawn alone first: how much of it would be seen is part of its label
        alone = thing.box >= 0
        depth = np.zeros((y1 - y0, x1 - x0), np.float32) if alone else nearest[y0:y1, x0:x1]
        face = np.zeros(depth.shape, np.int32) if alone else shown[y0:y1, x0:x1]
        for p in part:
            (xa, ya), (xb, yb) = low[p], high[p]
            if xa >= xb or ya >= yb:
                continue
            y, x = rows[ya:yb], columns[xa:xb]
            left = (begins[p, 0][:, None] * y + begins[p, 1][:, None]).max(axis=0)
            right = (stops[p, 0][:, None] * y + stops[p, 1][:, None]).min(axis=0)
            a, b, c = faces.inverse[p + FIRST]
            inverse = ((b * y + c)[:, None] + a * x).astype(np.float32)
            window = np.s_[ya - y0 : yb - y0, xa - x0 : xb - x0]
            front = (x >= left[:, None]) & (x < right[:, None]) & (inverse >= depth[window])
            np.copyto(depth[window], inverse, where=front)
            np.copyto(face[window], p + FIRST, where=front)
        if alone:
            covered[k] = np.count_nonzero(face)
            front = depth > nearest[y0:y1, x0:x1]
            np.copyto(nearest[y0:y1, x0:x1], depth, where=front)
            np.copyto(shown[y0:y1, x0:x1], face, where=front)
    return Raster(shown, nearest, _extents(things, lens), covered)


def _extents(things: Sequence[Thing], lens: Lens) -> np.ndarray:
    pixels = [lens.project(lens.seen(thing.mesh.points)).reshape(-1, 2) if thing.box >= 0 else None for thing in things]
    none = np.array([np.inf, np.inf, -np.inf, -np.inf])
    return np.stack([none if p is None else np.concatenate([p.min(axis=0), p.max(axis=0)]) for p in pixels])


__all__ = ["CORNERS", "NEAREST_M", "Faces", "Raster", "faces_of", "rasterise"]
