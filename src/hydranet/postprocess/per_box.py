"""What heads answer about crops, as one annotation of the image that the crops were cut from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

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
    rows,
)
from hydranet.core.sample import DataError

Window = tuple[int, int, int, int]
"""Left, top, right, bottom of a crop in whole pixels of the image."""

_Join = Callable[[Boxes, Sequence[Window], Sequence[Annotation]], Annotation]


def windows(boxes: Boxes, size: tuple[int, int], margin: float, square: bool) -> list[Window]:
    """The part of an image of `size` (h, w) to cut out for each box, clipped to the image, one pixel at least.

    margin: added to each side, as a share of the longer side.    square: the shorter side grows to the longer.
    """
    height, width = size
    xyxy = np.asarray(boxes.xyxy, np.float64).reshape(-1, 4)
    center, sides = (xyxy[:, :2] + xyxy[:, 2:]) / 2, xyxy[:, 2:] - xyxy[:, :2]
    longer = sides.max(1, keepdims=True, initial=0)
    half = (np.broadcast_to(longer, sides.shape) if square else sides) / 2 + margin * longer
    low = np.floor((center - half).clip(0, [width - 1, height - 1])).astype(int)
    high = np.maximum(np.ceil((center + half).clip(0, [width, height])).astype(int), low + 1)
    return [(int(a), int(b), int(c), int(d)) for a, b, c, d in np.concatenate([low, high], 1)]


def per_box(kind: type[Annotation], boxes: Boxes, cut: Sequence[Window], answers: Sequence[Annotation]) -> Annotation:
    """One row per box, in its order: a tag as a box of that class, whose score is that of the box times the tag's
    probability (a class is sure only where the box is); a quantity as `Boxes.value` of the boxes as they are; key
    points in pixels of the image.

    kind: of the answers, also where there are none.    cut: where each crop lies.
    Raises DataError for a kind of answer that no box can have.
    """
    if kind not in _JOINS:
        raise UnknownKind("answer per box", kind, "postprocess/per_box.py")
    return _JOINS[kind](boxes, cut, answers)


def _tags(boxes: Boxes, cut: Sequence[Window], tags: Sequence[Any]) -> Annotation:
    sure = [float(np.max(tag.probs)) if tag.probs is not None else 1.0 for tag in tags]
    label = np.array([int(tag.label) for tag in tags], np.int64)
    score = np.array(sure, np.float32) * (1 if boxes.score is None else np.asarray(boxes.score, np.float32))
    return Boxes(np.asarray(boxes.xyxy), label, score, track=boxes.track)


def _quantities(boxes: Boxes, cut: Sequence[Window], numbers: Sequence[Any]) -> Annotation:
    value = np.array([float(one.value) for one in numbers], np.float32)
    return replace(boxes, value=value, value_unit=numbers[0].unit if numbers else "")


def _points(boxes: Boxes, cut: Sequence[Window], answers: Sequence[Annotation]) -> Annotation:
    """The best instance of each crop."""
    best: list[Keypoints] = []
    for (left, top, _, _), one in zip(cut, answers, strict=True):
        assert isinstance(one, Keypoints)
        if len(one.xy):
            first = int(np.argmax(one.score)) if one.score is not None else 0
            moved = replace(one, xy=np.asarray(one.xy) + np.array([left, top], np.float32))
            best.append(rows(moved, slice(first, first + 1)))
    if not best:
        return Keypoints(np.zeros((0, 0, 2), np.float32), np.zeros((0, 0), np.int64))
    arrays: dict[str, Any] = {
        name: np.concatenate([getattr(one, name) for one in best]) for name in given(best[0], "instance")
    }
    return replace(best[0], **arrays)


def _refuse(kind: type[Annotation]) -> _Join:
    def refuse(boxes: Boxes, cut: Sequence[Window], answers: Sequence[Annotation]) -> Annotation:
        raise DataError(
            f"got a {kind.__name__} for each crop of a cascade, expected a Tag, Quantity or Keypoints; choose "
            "other heads"
        )

    return refuse


_JOINS: Mapping[type[Annotation], _Join] = {
    Tag: _tags,
    Quantity: _quantities,
    Keypoints: _points,
    **{kind: _refuse(kind) for kind in (ClassMap, ScalarMap, NormalMap, Boxes, Polylines)},
}

ANSWERS = (Tag, Quantity, Keypoints)
"""Kinds of what a head may say about a crop."""
