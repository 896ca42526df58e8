"""Which polygon is visible at every pixel: an exact z-buffer over convex polygons, sampled at the pixel centers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hydranet.datasets.scenes.camera import Lens
from hydranet.datasets.scenes.mesh import Mesh, chosen
from hydranet.datasets.scenes.things import Thing, in_world

SKY_FACE, GROUND_FACE, FIRST = 0, 1, 2
"""Numbers of the two faces that every image has, and of the first polygon."""

DETAIL_PX = 14.0
"""Fine details of an object are drawn where one meter of it is at least this long."""


@dataclass(frozen=True, eq=False)
class Faces:
    """All polygons of a scene that may be visible, after those of sky and ground.

    mesh:    float p 3, ... as in `Mesh`; row k belongs to face k + FIRST.
    pixels:  float p CORNERS 2, projected.
    normal:  float f 3, camera axes, towards the camera; rows of `SKY_FACE` (NaN) and `GROUND_FACE` included.
    inverse: float f 3, the plane as 1 / depth = a u + b v + c.
    plane:   int f, number of the surface; faces on one plane of one object share it.
    thing:   int f, index of the object, -1 for sky and ground.
    extent:  float t 4, the box around each object's whole projection, not clipped.
    """

    mesh: Mesh
    pixels: np.ndarray
    normal: np.ndarray
    inverse: np.ndarray
    plane: np.ndarray
    thing: np.ndarray
    extent: np.ndarray


@dataclass(frozen=True, eq=False)
class Raster:
    """What is visible at every pixel.

    face:    int32 h w, number of the face.    inverse_depth: float32 h w, 1/m; 0 = sky.
    covered: int t, pixels each object would have if no other object hid it (0 for objects without a box).
    reach:   float t 4, the box around those pixels (the whole image for objects without a box).
    """

    face: np.ndarray
    inverse_depth: np.ndarray
    covered: np.ndarray
    reach: np.ndarray


def faces_of(things: Sequence[Thing], lens: Lens) -> Faces:
    """The polygons of the objects as the camera sees them; those that turn their back are left out."""
    scene = in_world(things)
    sizes = np.array([len(thing.shape) for thing in things])
    owner, starts = np.repeat(np.arange(len(things)), sizes), np.cumsum(sizes) - sizes
    points = lens.to_camera(scene.points)
    pixels = lens.project(points)
    normal = lens.turned(_normals(scene.points))[scene.plane]
    toward = np.sum(normal * points[:, 0], axis=1)
    far = lens.focal_px / points[..., 2].min(axis=1) < DETAIL_PX
    keep = (toward < -1e-6) & ~(far & scene.fine)
    keep &= _in_image(pixels, lens)
    ground = -lens.down
    return Faces(
        mesh=chosen(scene, keep),
        pixels=pixels[keep],
        normal=np.concatenate([np.full((1, 3), np.nan), ground[None], normal[keep]]),
        inverse=np.concatenate([np.zeros((2, 3)), _planes(normal, points[scene.plane, 0], lens)[keep]]),
        plane=np.concatenate([[SKY_FACE, GROUND_FACE], scene.plane[keep] + FIRST]),
        thing=np.concatenate([[-1, -1], owner[keep]]),
        extent=np.concatenate(
            [np.minimum.reduceat(pixels.min(axis=1), starts), np.maximum.reduceat(pixels.max(axis=1), starts)], axis=1
        ),
    )


def _normals(points: np.ndarray) -> np.ndarray:
    """Unit normals of polygons (float p CORNERS 3) on the side from which they are counter-clockwise.

    Sums the cross products of a fan (Newell's method), so that no three special corners are needed. World axes are
    left-handed (x right, y up, z forward), which turns the sign of a cross product around.
    """
    spokes = points[:, 1:] - points[:, :1]
    normal = -np.cross(spokes[:, :-1], spokes[:, 1:]).sum(axis=1)
    return normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)


def _planes(normal: np.ndarray, point: np.ndarray, lens: Lens) -> np.ndarray:
    """float n 3: a, b, c of 1 / depth = a u + b v + c for planes given in camera axes by normal and point."""
    (x, y), f = lens.center_px, lens.focal_px
    across = np.sum(normal * point, axis=-1)
    across = np.where(np.abs(across) < 1e-9, 1e-9, across)
    nx, ny, nz = normal.T
    return np.stack([nx / f, ny / f, nz - (nx * x + ny * y) / f], axis=-1) / across[:, None]


def _in_image(pixels: np.ndarray, lens: Lens) -> np.ndarray:
    low, high = pixels.min(axis=1), pixels.max(axis=1)
    return (high > 0).all(1) & (low[:, 0] < lens.width_px) & (low[:, 1] < lens.height_px)


@dataclass(frozen=True, eq=False)
class Spans:
    """Rows of pixels inside polygons, of all polygons one after the other; polygon p has rows start[p]:start[p + 1].

    begin, end: int n 1, first column inside and first one outside.    base: float32 n 1, b v + c of 1 / depth.
    rectangle:  p x (left, top, right, bottom) around each polygon in the image; lists, as plain numbers are faster.
    """

    start: list[int]
    begin: np.ndarray
    end: np.ndarray
    base: np.ndarray
    rectangle: list[list[int]]


def _spans(faces: Faces, lens: Lens) -> Spans:
    """Cuts polygons into rows.

    Seen from its front a polygon runs counter-clockwise: down its left side and up its right side, in pixels. A row
    lies inside between the rightmost of the left edges and the leftmost of the right ones.
    """
    size = (lens.width_px, lens.height_px)
    low = np.ceil(faces.pixels.min(axis=1) - 0.5).clip(0, size).astype(int)
    high = np.ceil(faces.pixels.max(axis=1) - 0.5).clip(0, size).astype(int)
    rows = np.maximum(high[:, 1] - low[:, 1], 0)
    start = np.concatenate([[0], np.cumsum(rows)])
    polygon = np.repeat(np.arange(len(rows)), rows)
    y = np.arange(start[-1]) - start[polygon] + low[polygon, 1] + 0.5
    step = np.roll(faces.pixels, -1, axis=1) - faces.pixels
    level = np.abs(step[..., 1]) < 1e-9
    slope = np.where(level, 0.0, step[..., 0] / np.where(level, 1.0, step[..., 1]))
    offset = faces.pixels[..., 0] - slope * faces.pixels[..., 1]
    left = np.where((step[..., 1] > 0) & ~level, offset, -np.inf)
    right = np.where((step[..., 1] < 0) & ~level, offset, np.inf)
    lean = slope[polygon] * y[:, None] - 0.5
    begin = np.ceil((lean + left[polygon]).max(axis=1)).clip(0, lens.width_px)
    end = np.ceil((lean + right[polygon]).min(axis=1)).clip(0, lens.width_px)
    _, b, c = faces.inverse[polygon + FIRST].T
    base = (b * y + c).astype(np.float32)
    return Spans(
        start=start.tolist(),
        begin=begin.astype(np.int32)[:, None],
        end=end.astype(np.int32)[:, None],
        base=base[:, None],
        rectangle=np.concatenate([low, high], axis=1).tolist(),
    )


def rasterize(faces: Faces, things: Sequence[Thing], lens: Lens) -> Raster:
    """Draws all objects into a z-buffer that starts with sky and ground."""
    ground = np.maximum(lens.ground(), 0).astype(np.float32)[:, None]
    nearest = np.repeat(ground, lens.width_px, axis=1)
    shown = np.where(nearest > 0, GROUND_FACE, SKY_FACE).astype(np.int32)
    spans = _spans(faces, lens)
    covered = np.zeros(len(things), dtype=np.int64)
    reach = np.tile((0.0, 0.0, lens.width_px, lens.height_px), (len(things), 1))
    firsts = np.searchsorted(faces.thing[FIRST:], np.arange(len(things) + 1))
    for k, thing in enumerate(things):
        first, last = firsts[k], firsts[k + 1]
        if first == last:
            continue
        if thing.box < 0:
            _draw(faces, spans, (first, last), (0, 0), nearest, shown)
            continue
        # an object with a box is drawn alone first: its label needs all the pixels that it would cover
        lefts, tops, rights, bottoms = zip(*spans.rectangle[first:last], strict=True)
        x0, y0, x1, y1 = min(lefts), min(tops), max(rights), max(bottoms)
        depth, face = np.zeros((y1 - y0, x1 - x0), np.float32), np.zeros((y1 - y0, x1 - x0), np.int32)
        _draw(faces, spans, (first, last), (x0, y0), depth, face)
        covered[k] = np.count_nonzero(face)
        if covered[k]:
            columns, rows = np.flatnonzero(face.any(axis=0)), np.flatnonzero(face.any(axis=1))
            reach[k] = x0 + columns[0], y0 + rows[0], x0 + columns[-1] + 1, y0 + rows[-1] + 1
        front = depth > nearest[y0:y1, x0:x1]
        np.copyto(nearest[y0:y1, x0:x1], depth, where=front)
        np.copyto(shown[y0:y1, x0:x1], face, where=front)
    return Raster(shown, nearest, covered, reach)


def _draw(
    faces: Faces, spans: Spans, part: tuple[int, int], corner: tuple[int, int], depth: np.ndarray, face: np.ndarray
) -> None:
    """Draws some polygons into a z-buffer whose first pixel is `corner` (x, y) of the image. In place."""
    x0, y0 = corner
    columns = np.arange(x0, x0 + depth.shape[1], dtype=np.int32)
    centers = columns.astype(np.float32) + np.float32(0.5)
    slopes = faces.inverse[FIRST:, 0].astype(np.float32)
    for p in range(*part):
        xa, ya, xb, yb = spans.rectangle[p]
        if xa >= xb or ya >= yb:
            continue
        rows, x = slice(spans.start[p], spans.start[p + 1]), slice(xa - x0, xb - x0)
        inverse = spans.base[rows] + slopes[p] * centers[x]
        window = slice(ya - y0, yb - y0), x
        front = (columns[x] >= spans.begin[rows]) & (columns[x] < spans.end[rows]) & (inverse >= depth[window])
        np.copyto(depth[window], inverse, where=front)
        np.copyto(face[window], np.int32(p + FIRST), where=front)
