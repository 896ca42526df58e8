"""Exact labels from the raster, one function per label; each knows nothing of the image's colors."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from hydranet.annotations import (
    Annotation,
    Boxes,
    ClassMap,
    Keypoints,
    NormalMap,
    Polylines,
    Quantity,
    ScalarMap,
    Tag,
    rows,
)
from hydranet.datasets.scenes import classes, road
from hydranet.datasets.scenes.raster import GROUND_FACE, SKY_FACE
from hydranet.datasets.scenes.vehicles import MIRROR
from hydranet.datasets.scenes.view import View

LANE_POINTS = 24
"""Points of a lane polyline."""

LANE_REACH_M = 60.0
"""Lane lines are labeled up to this distance ahead."""

SMALL_PX = 5.0
"""An object lower than this in the image is a region to ignore."""

HIDDEN = 0.1
"""An object with a smaller visible share is ignored, too."""

OCCLUSION_STEPS = (0.9, 0.5, HIDDEN)
"""Visible shares where KITTI's occlusion goes from 0 (fully visible) to 1, 2 and 3 (hardly recognizable)."""

DRIVABLE_CLASS = {road.OWN_LANE: 1, road.SAME_WAY: 2}


def semantic(view: View) -> ClassMap:
    """The class that is visible at the pixel's center."""
    return ClassMap(view.classes)


def depth(view: View) -> ScalarMap:
    """Meters along the camera's axis; unknown in the sky."""
    with np.errstate(divide="ignore"):
        values = 1 / view.raster.inverse_depth
    values[view.raster.face == SKY_FACE] = np.nan
    return ScalarMap(values, unit="m")


def normals(view: View) -> NormalMap:
    """The normal of the visible polygon; unknown in the sky."""
    table = view.faces.normal.astype(np.float32)
    return NormalMap(np.stack([table[:, axis].take(view.raster.face) for axis in range(3)]))


def edges(view: View) -> ClassMap:
    """Pixels on either side of a step from one surface, object or class to another."""
    ids, plane = view.classes, view.faces.plane.take(view.raster.face)
    mask = np.zeros(ids.shape, dtype=np.uint8)
    across = (ids[:, 1:] != ids[:, :-1]) | (plane[:, 1:] != plane[:, :-1])
    down = (ids[1:] != ids[:-1]) | (plane[1:] != plane[:-1])
    mask[:, 1:] |= across
    mask[:, :-1] |= across
    mask[1:] |= down
    mask[:-1] |= down
    return ClassMap(mask)


def edge_strength(view: View) -> ScalarMap:
    """The same as strengths: 1 on an edge, 0 elsewhere."""
    return ScalarMap(edges(view).ids.astype(np.float32))


def drivable(view: View) -> ClassMap:
    """Visible road surface, markings included: our own lane, other lanes of our direction."""
    table = np.array([DRIVABLE_CLASS.get(s, 0) for s in view.ground.road.strips], dtype=np.uint8)
    ids = np.zeros(view.raster.face.shape, dtype=np.uint8)
    below = np.s_[view.ground.top :]
    np.copyto(ids[below], table.take(view.ground.strip), where=view.raster.face[below] == GROUND_FACE)
    return ClassMap(ids)


def lane_mask(view: View) -> ClassMap:
    """Lane lines with the gaps of dashes filled, also where a vehicle hides them; at least one pixel wide."""
    ground = view.ground
    ids = np.zeros(view.raster.face.shape, dtype=np.uint8)
    below = ids[ground.top :]
    near = (ground.z_m <= LANE_REACH_M)[:, None]
    for line in ground.road.lines:
        middle = ground.column(line.u_m)
        half = np.maximum(line.width_m / 2 / ground.scale, 0.75).astype(np.float32)
        window = ground.around(middle, half)
        inside = (np.abs(ground.columns()[:, window[1]] - middle[:, None]) <= half[:, None]) & near
        below[window][inside] = 1 if line.solid else 2
    return ClassMap(ids)


def lanes(view: View) -> Polylines:
    """Lane lines at even steps of the image's rows, near to far, also where a vehicle hides them."""
    ground = view.ground
    reach = np.flatnonzero(ground.z_m <= LANE_REACH_M)
    steps = np.linspace(len(ground.z_m) - 1, reach[0] if len(reach) else 0, LANE_POINTS).round().astype(int)
    y = steps + ground.top + 0.5
    points = np.stack(
        [np.stack([ground.column(line.u_m)[steps], y], axis=1) for line in ground.road.lines]
        or [np.zeros((LANE_POINTS, 2))]
    )
    valid = (points[..., 0] >= 0) & (points[..., 0] < ground.lens.width_px)
    label = np.array([0 if line.solid else 1 for line in ground.road.lines] or [0])
    keep = (valid.sum(axis=1) >= 2) & (len(ground.road.lines) > 0)
    return Polylines(points[keep].astype(np.float32), valid[keep], label=label[keep])


def detection(view: View) -> Boxes:
    """Boxes around whole objects, hidden parts included, as far as they lie in the image; KITTI's attributes.

    Truncation is the share of the projection's box that is outside; occlusion follows from the share of visible pixels.
    """
    return _boxes(view, [k for k, thing in enumerate(view.world.things) if thing.box >= 0])


def _boxes(view: View, things: Sequence[int]) -> Boxes:
    """Boxes around those of these objects that are seen."""
    raster, lens, shown = view.raster, view.ground.lens, _shown(view)
    rows = np.array([k for k in things if shown[k] > 0], dtype=int)
    whole, reach = view.faces.extent[rows], raster.reach[rows]
    boxes = np.clip(whole, 0, (lens.width_px, lens.height_px) * 2)
    outside = 1 - _area(boxes) / _area(whole)
    # where an object reaches outside the image, its corners do not bound the part inside: the pixels do, within 1 px
    tight = np.concatenate(
        [np.maximum(boxes[:, :2], reach[:, :2] - 1), np.minimum(boxes[:, 2:], reach[:, 2:] + 1)], axis=1
    )
    boxes = np.where((outside > 0)[:, None], tight, boxes)
    share = shown[rows] / raster.covered[rows]
    return Boxes(
        boxes.astype(np.float32),
        np.array([view.world.things[k].box for k in rows], dtype=np.int64),
        ignore=(share < HIDDEN) | (boxes[:, 3] - boxes[:, 1] < SMALL_PX),
        truncation=outside.astype(np.float32),
        occlusion=np.sum(share[:, None] < OCCLUSION_STEPS, axis=1),
    )


def _shown(view: View) -> np.ndarray:
    """int t: how many pixels of each object are visible."""
    owner = view.faces.thing.take(view.raster.face).ravel()
    return np.bincount(owner + 1, minlength=len(view.world.things) + 1)[1:]


def _area(boxes: np.ndarray) -> np.ndarray:
    return np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)


def keypoints(view: View) -> Keypoints:
    """KEYPOINTS of every visible vehicle; 2 = visible, 1 = hidden by this or another object, 0 = outside.

    Box and `ignore` are those of `detection`: whoever is hardly visible is neither to be found nor background.
    """
    things, raster, lens = view.world.things, view.raster, view.ground.lens
    owner, shown = view.faces.thing.take(raster.face), _shown(view)
    chosen = [k for k, thing in enumerate(things) if thing.keypoints is not None and shown[k] > 0]
    world = np.array([things[k].keypoints for k in chosen]).reshape(-1, len(MIRROR), 3)
    camera = lens.to_camera(world)
    xy = lens.project(camera)
    inside = ((xy >= 0) & (xy < (lens.width_px, lens.height_px))).all(axis=-1)
    visible = np.where(inside, 1, 0)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            column = (xy[..., 0] + dx).astype(int).clip(0, lens.width_px - 1)
            row = (xy[..., 1] + dy).astype(int).clip(0, lens.height_px - 1)
            same = owner[row, column] == np.array(chosen, dtype=int)[:, None]
            close = np.abs(camera[..., 2] * raster.inverse_depth[row, column] - 1) < 0.02
            visible[inside & same & close] = 2
    boxes = _boxes(view, chosen)
    return Keypoints(
        xy.astype(np.float32),
        visible.astype(np.int64),
        area=_area(boxes.xyxy),
        xyxy=boxes.xyxy,
        ignore=boxes.ignore,
        mirror=MIRROR,
    )


def nearest_vehicle(view: View) -> Keypoints:
    """The same of one vehicle, if there is one: of those that are not ignored, the one with the largest box."""
    every = keypoints(view)
    clear = np.flatnonzero(~np.asarray(every.ignore, bool))
    return rows(every, clear[np.argsort(np.asarray(every.area)[clear])[-1:]])


def place(view: View) -> Tag:
    """What surrounds the road: a city, a suburb, open country, a motorway."""
    return Tag(np.asarray(classes.PLACE.index(view.world.kind)))


def road_width(view: View) -> Quantity:
    """Meters from verge to verge across all lanes, parking included."""
    left, right = view.world.road.verge_m
    return Quantity(np.float32(right - left), unit="m")


LABELS: Mapping[str, Callable[[View], Annotation]] = {
    "semantic": semantic,
    "depth": depth,
    "normals": normals,
    "detection": detection,
    "lanes": lanes,
    "lane_mask": lane_mask,
    "drivable": drivable,
    "edges": edges,
    "edge_strength": edge_strength,
    "keypoints": keypoints,
    "nearest_vehicle": nearest_vehicle,
    "place": place,
    "road_width": road_width,
}
"""How each label is made."""
