"""How far two sets of arrays that should be equal lie apart, by kind of annotation."""

from dataclasses import dataclass
from functools import singledispatch

import numpy as np

from hydranet.annotations import (
    NO_BOX,
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

SURE = 0.01
"""Candidates below this score are not compared: NMS and every threshold that is in use drop them."""

FEW = 10
"""At least this many of the best candidates are compared, whatever their scores."""

CUT = 1e-3
"""Candidates this close to the last candidate's score, relatively, may be in one list and not in the other."""

FAR = 0.1
"""Nearest boxes farther apart than this share of their side, or of score, are different boxes."""


@dataclass(frozen=True)
class Gap:
    """The largest differences between two arrays.

    absolute: in the array's own unit; for ids and labels the number of elements that differ.
    relative: what is compared with the bound: see `gaps`.
    """

    absolute: float = 0.0
    relative: float = 0.0

    def __or__(self, other: "Gap") -> "Gap":
        return Gap(max(self.absolute, other.absolute), max(self.relative, other.relative))


@singledispatch
def gaps(mine: Annotation, theirs: Annotation, size: tuple[int, int]) -> dict[str, Gap]:
    """Differences of two decoded numpy annotations of one image, by field; `size`: of the network's input.

    Numbers are compared relative to themselves, vectors of a normal map relative to their length, scores and
    probabilities (0..1) as they are, points relative to the longer side of the image. Class ids have no distance:
    relative is the share of pixels that differ (two runtimes break a tie between two classes differently).
    Boxes come as a list whose order is arbitrary where scores tie, so that each box is compared with the nearest of
    its class on the other side, relative to its own longer side; a box without any counterpart counts as 1. Boxes of
    the last candidate's score are left out: among those, ties decide which ones are in the list at all. So do several
    instances with points and scores, each compared with the nearest one in all its points.
    """
    raise UnknownKind("comparison", type(mine), "export/differences.py")


@gaps.register
def _(mine: ClassMap, theirs: Annotation, size: tuple[int, int]) -> dict[str, Gap]:
    return {
        name: _ids(a, b, a.size) if a.dtype.kind in "iub" else _numbers(a, b, 1.0)
        for name, a, b in _pairs(mine, theirs)
    }


@gaps.register
def _(mine: ScalarMap | Quantity | Tag, theirs: Annotation, size: tuple[int, int]) -> dict[str, Gap]:
    return {name: _field(name, a, b, None) for name, a, b in _pairs(mine, theirs)}


@gaps.register
def _(mine: NormalMap, theirs: Annotation, size: tuple[int, int]) -> dict[str, Gap]:
    return {name: _numbers(a, b, 1.0, vectors=True) for name, a, b in _pairs(mine, theirs)}


@gaps.register
def _(mine: Polylines, theirs: Annotation, size: tuple[int, int]) -> dict[str, Gap]:
    return _points(mine, theirs, size)


@gaps.register
def _(mine: Keypoints, theirs: Annotation, size: tuple[int, int]) -> dict[str, Gap]:
    assert isinstance(theirs, Keypoints)
    whole = _points(mine, theirs, size)
    if len(mine.xy) < 2 or mine.score is None:
        return whole
    sound, other = (np.isfinite(one.xy).all((1, 2)) & np.isfinite(np.asarray(one.score)) for one in (mine, theirs))
    if np.count_nonzero(~sound) != np.count_nonzero(~other):
        return dict.fromkeys(whole, Gap(np.inf, np.inf))
    mine, theirs = rows(mine, np.flatnonzero(sound)), rows(theirs, np.flatnonzero(other))
    forth, back = _nearest_points(mine, theirs, size), _nearest_points(theirs, mine, size)
    return {name: forth[name] | back[name] for name in whole}


def _points(mine: Annotation, theirs: Annotation, size: tuple[int, int]) -> dict[str, Gap]:
    """Each instance against the one in its place."""
    return {name: _field(name, a, b, None if name == "area" else max(size)) for name, a, b in _pairs(mine, theirs)}


def _nearest_points(mine: Keypoints, theirs: Keypoints, size: tuple[int, int]) -> dict[str, Gap]:
    """Each sure instance of mine against the nearest one of theirs, in all its points and score together."""
    ours, others = np.asarray(mine.score, np.float64), np.asarray(theirs.score, np.float64)
    sure = _sure(ours, others)
    shift = np.abs(theirs.xy[None].astype(np.float64) - mine.xy[sure][:, None]).max((2, 3), initial=0) / max(size)
    apart = np.maximum(shift, np.abs(others[None] - ours[sure][:, None]))
    if mine.label is not None and theirs.label is not None:
        apart = apart + (theirs.label[None] != mine.label[sure][:, None])
    return _points(rows(mine, sure), rows(theirs, apart.argmin(1)), size)


def _sure(ours: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Indices of the candidates that are compared: sure ones, but for those that may be in one list alone."""
    last = max(ours.min(initial=1.0), others.min(initial=1.0))
    sure = min(SURE, float(np.sort(ours)[-FEW:].min(initial=SURE)))
    return np.flatnonzero((ours >= sure) & (ours > last * (1 + CUT)))


def _pairs(mine: Annotation, theirs: Annotation) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Field, my array, their array, of every field that I have."""
    pairs = [(name, np.asarray(value), np.asarray(vars(theirs)[name])) for name, value in given(mine).items()]
    for name, a, b in pairs:
        if a.shape != b.shape or a.dtype != b.dtype:
            raise DataError(
                f"{type(mine).__name__}.{name} is {b.dtype} {b.shape} here and {a.dtype} {a.shape} in PyTorch; "
                "this runtime changes the graph, use another one"
            )
    return pairs


SHARES = ("probs", "score", "point_score")
"""Fields whose numbers are shares of 1."""


def _field(name: str, a: np.ndarray, b: np.ndarray, scale: float | None) -> Gap:
    """One array: ids by count, shares as they are, other numbers relative to `scale`, or to themselves without one."""
    if a.dtype.kind in "iub":
        return _ids(a, b, 1)
    return _numbers(a, b, 1.0 if name in SHARES else scale)


def _ids(a: np.ndarray, b: np.ndarray, whole: int) -> Gap:
    wrong = int(np.count_nonzero(a != b))
    return Gap(float(wrong), wrong / max(whole, 1))


def _numbers(a: np.ndarray, b: np.ndarray, scale: float | None, vectors: bool = False) -> Gap:
    """Relative to `scale`, or to themselves where it is None; `vectors`: the length of what the first axis holds."""
    if not np.array_equal(np.isfinite(a), np.isfinite(b)):
        return Gap(np.inf, np.inf)
    known = np.isfinite(a)
    error = np.where(known, np.abs(np.where(known, a, 0).astype(np.float64) - np.where(known, b, 0)), 0)
    error = np.linalg.norm(error, axis=0) if vectors else error
    size = np.maximum(np.abs(np.where(known, a, 1)), 1e-3) if scale is None else scale
    return Gap(float(error.max(initial=0)), float((error / size).max(initial=0)))


@gaps.register
def _(mine: Boxes, theirs: Annotation, size: tuple[int, int]) -> dict[str, Gap]:
    assert isinstance(theirs, Boxes)
    sound, other = _sound(mine), _sound(theirs)
    if np.count_nonzero(~sound) != np.count_nonzero(~other):
        return dict.fromkeys(("xyxy", "label", "score"), Gap(np.inf, np.inf))
    mine, theirs = rows(mine, np.flatnonzero(sound)), rows(theirs, np.flatnonzero(other))
    forth, back = _nearest(mine, theirs), _nearest(theirs, mine)
    return {name: forth[name] | back[name] for name in forth}


def _sound(boxes: Boxes) -> np.ndarray:
    return np.isfinite(boxes.xyxy).all(1) & np.isfinite(np.asarray(boxes.score))


def _nearest(mine: Boxes, theirs: Boxes) -> dict[str, Gap]:
    """Each sure box of mine against the nearest one of theirs, in place and score together."""
    worst = {"xyxy": Gap(), "label": Gap(), "score": Gap()}
    ours, others = np.asarray(mine.score, np.float64), np.asarray(theirs.score, np.float64)
    lost = 0
    for i in _sure(ours, others):
        if mine.label[i] == NO_BOX:
            continue
        same = np.flatnonzero(theirs.label == mine.label[i])
        side = max(float((mine.xyxy[i, 2:] - mine.xyxy[i, :2]).max()), 1.0)
        shift = np.abs(theirs.xyxy[same].astype(np.float64) - mine.xyxy[i]).max(1, initial=0)
        off = np.abs(others[same] - ours[i])
        apart = np.maximum(shift / side, off)
        if not len(same) or apart.min() > FAR:
            lost += 1
            continue
        best = int(apart.argmin())
        worst["xyxy"] |= Gap(float(shift[best]), float(shift[best] / side))
        worst["score"] |= Gap(float(off[best]), float(off[best]))
    worst["label"] = Gap(float(lost), float(lost))
    return worst
