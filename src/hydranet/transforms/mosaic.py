"""Four images on one canvas, where every label of all four survives it.

A mosaic (YOLOv4, Bochkovskiy et al. 2020, arXiv 2004.10934, section 3.3) shows objects smaller, in other surroundings
and four images at a time. What holds for a place or an instance of one image holds for the tile that shows it:
classes and normals of pixels, boxes, keypoints. What holds for the image as a whole or hangs on its one camera does
not: a tag, a quantity, meters and disparities (the height of the horizon tells a network how far things are), lane
lines that are ordered around the car. A sample with such a label is never part of a mosaic, and a mosaic has no camera.

Tiles of one mosaic state the same labels in the same classes: a class that one of them does not list would be unknown
there and background next to it, which one `annotated_classes` for the whole canvas could not express.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import singledispatch

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
    UnknownKind,
    given,
    row_count,
)
from hydranet.core.errors import UserError
from hydranet.core.sample import Sample
from hydranet.transforms.view import Size, random_view
from hydranet.transforms.warp import warp

TILES = 4
CENTER = (0.3, 0.7)
"""Range, as a share of each side, of the point in which the tiles meet."""
DRAWS = 6
"""Samples that are drawn for the three other tiles; where too few of them fit, there is no mosaic."""


def survives(sample: Sample) -> bool:
    """Whether every label of the sample means the same on a tile."""
    return all(map(_survives, sample.labels.values()))


@singledispatch
def _survives(label: Annotation) -> bool:
    raise UnknownKind("mosaic", type(label), "transforms/mosaic.py")


@_survives.register
def _(label: ClassMap | NormalMap | Boxes | Keypoints) -> bool:
    return True


@_survives.register
def _(label: ScalarMap) -> bool:
    return not label.unit


@_survives.register
def _(label: Polylines | Tag | Quantity) -> bool:
    return False


def fits(one: Sample, other: Sample) -> bool:
    """Whether two samples have the same labels: names, kinds, known classes, soft or hard, static fields."""
    return one.labels.keys() == other.labels.keys() and all(
        _alike(label, other.labels[name]) for name, label in one.labels.items()
    )


def _alike(one: Annotation, other: Annotation) -> bool:
    """Whether two labels can become one: of one kind, static fields, known classes, arrays and row shapes."""
    if type(one) is not type(other) or any(getattr(one, name) != getattr(other, name) for name in one.metadata()):
        return False
    if any(_listed(getattr(one, name)) != _listed(getattr(other, name)) for name in one.arrays("class")):
        return False
    if given(one, "image").keys() != given(other, "image").keys():
        return False
    columns, others = given(one, "instance"), given(other, "instance")
    if any(one.roles()[name].absent is None for name in columns.keys() ^ others.keys()):
        return False
    return all(np.shape(columns[name])[1:] == np.shape(others[name])[1:] for name in columns.keys() & others.keys())


def _listed(known: np.ndarray | None) -> list[bool] | None:
    return None if known is None or np.all(known) else np.asarray(known, bool).tolist()


def partners(sample: Sample, draw: Callable[[], Sample]) -> list[Sample]:
    """Three samples that may share a canvas with this one, or none where `DRAWS` draws yield too few."""
    if not survives(sample):
        return []
    others: list[Sample] = []
    for _ in range(DRAWS):
        other = draw()
        if fits(sample, other):
            others.append(other)
        if len(others) == TILES - 1:
            return others
    return []


def mosaic(
    samples: Sequence[Sample],
    size: Size,
    rng: np.random.Generator,
    scale: tuple[float, float] = (1.0, 1.0),
    rotate_rad: float = 0.0,
    flip: float = 0.5,
) -> Sample:
    """Four samples that `fit` each other, each seen through a random view of its tile; the first in a random corner.

    A tile shows anything between its whole image, small, and a part of it as large as it would be without a mosaic.
    scale, rotate_rad, flip: as in `Augment`.
    """
    middle = [round(side * rng.uniform(*CENTER)) for side in size]
    heights, widths = ([middle_px, side - middle_px] for middle_px, side in zip(middle, size, strict=True))
    tiles = []
    for corner, which in enumerate(rng.permutation(TILES)):
        sample, to = samples[which], (heights[corner // 2], widths[corner % 2])
        whole, part = (max(a / b for a, b in zip(side, sample.size, strict=True)) for side in (to, size))
        reach = (scale[0], scale[1] * max(part / whole, 1.0))
        view = random_view(sample.size, to, rng, reach, rotate_rad, mirror=bool(rng.random() < flip))
        tiles.append(warp(sample, view))
    offsets = [(x, y) for y in (0, middle[0]) for x in (0, middle[1])]
    labels = {name: _joined([tile.labels[name] for tile in tiles], offsets) for name in tiles[0].labels}
    image = _canvas([tile.image.transpose(2, 0, 1) for tile in tiles]).transpose(1, 2, 0)
    return samples[0].but(image=np.ascontiguousarray(image), labels=labels, camera=None)


def _canvas(tiles: Sequence[np.ndarray]) -> np.ndarray:
    """Arrays ... h w of the four tiles, row by row, as one."""
    rows = [np.concatenate(tiles[i : i + 2], axis=-1) for i in (0, 2)]
    return np.concatenate(rows, axis=-2)


@singledispatch
def _moved(label: Annotation, offset: np.ndarray) -> Annotation:
    """A label of a tile whose corner is at `offset` (x, y) of the canvas."""
    raise UnknownKind("mosaic", type(label), "transforms/mosaic.py")


@_moved.register
def _(label: ClassMap | ScalarMap | NormalMap, offset: np.ndarray) -> Annotation:
    return label  # `_canvas` puts maps in their places


@_moved.register
def _(label: Boxes, offset: np.ndarray) -> Boxes:
    return replace(label, xyxy=label.xyxy + np.tile(offset, 2))


@_moved.register
def _(label: Keypoints, offset: np.ndarray) -> Keypoints:
    xyxy = None if label.xyxy is None else label.xyxy + np.tile(offset, 2)
    return replace(label, xy=label.xy + offset, xyxy=xyxy)


@_moved.register
def _(label: Polylines | Tag | Quantity, offset: np.ndarray) -> Annotation:
    raise NotOnTiles(f"a {type(label).__name__} belongs to one whole image; ask `survives` before making a mosaic")


class NotOnTiles(UserError, ValueError):
    """A label that means nothing on a part of a canvas."""


def _joined(labels: Sequence[Annotation], offsets: Sequence[tuple[int, int]]) -> Annotation:
    """The four tiles' labels as one of the canvas; `offsets` are the tiles' corners (x, y)."""
    moved = [_moved(label, np.array(offset)) for label, offset in zip(labels, offsets, strict=True)]
    maps = {name: _canvas([vars(label)[name] for label in moved]) for name in given(moved[0], "image")}
    columns = {name: _column(moved, name) for name in moved[0].arrays("instance")}
    return replace(moved[0], **maps, **columns)


def _column(labels: Sequence[Annotation], name: str) -> np.ndarray | None:
    """One row per instance, of all tiles; None where no tile has it. One object in two tiles is no track."""
    values = [vars(label)[name] for label in labels]
    like = next((value for value in values if value is not None), None)
    if like is None or name == "track":
        return None
    absent = labels[0].roles()[name].absent
    filled = [
        np.full((row_count(label), *np.shape(like)[1:]), absent, np.asarray(like).dtype) if value is None else value
        for label, value in zip(labels, values, strict=True)
    ]
    return np.concatenate(filled).astype(np.asarray(like).dtype)
