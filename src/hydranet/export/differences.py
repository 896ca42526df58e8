"""How far two sets of arrays that should be equal lie apart, by kind of annotation."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hydranet.annotations import NO_BOX, Annotation, Boxes, ClassMap, Keypoints, NormalMap, Polylines, rows
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


def gaps(mine: Annotation, theirs: Annotation, size: tuple[int, int]) -> dict[str, Gap]:
    """Differences of two decoded numpy annotations of one image, by field; `size`: of the network's input.

    Numbers are compared relative to themselves, vectors of a normal map relative to their length, scores and
    probabilities (0..1) as they are, points relative to the longer side of the image. Class ids have no distance:
    relative is the share of pixels that differ (two runtimes break a tie between two classes differently).
    Boxes come as a list whose order is arbitrary where scores tie, so that each box is compared with the nearest of
    its class on the other side, relative to its own longer side; a box without any counterpart counts as 1. Boxes of
    the last candidate's score are left out: among those, ties decide which ones are in the list at all.
    """
    if isinstance(mine, Boxes) and isinstance(theirs, Boxes):
        return _boxes(mine, theirs)
    return {name: _arrays(mine, name, a, b, size) for name, (a, b) in _fields(mine, theirs).items()}


def _fields(mine: Annotation, theirs: Annotation) -> Mapping[str, tuple[np.ndarray, np.ndarray]]:
    pairs = {name: (getattr(mine, name), getattr(theirs, name)) for name in mine.arrays()}
    given = {name: (np.asarray(a), np.asarray(b)) for name, (a, b) in pairs.items() if a is not None}
    for name, (a, b) in given.items():
        if a.shape != b.shape or a.dtype != b.dtype:
            raise DataError(
                f"{type(mine).__name__}.{name} is {b.dtype} {b.shape} here and {a.dtype} {a.shape} in PyTorch; "
                "this runtime changes the graph, use another one"
            )
    return given


def _arrays(kind: Annotation, name: str, a: np.ndarray, b: np.ndarray, size: tuple[int, int]) -> Gap:
    if a.dtype.kind in "iub":
        wrong = int(np.count_nonzero(a != b))
        whole = a.size if isinstance(kind, ClassMap) else 1
        return Gap(float(wrong), wrong / max(whole, 1))
    if not np.array_equal(np.isfinite(a), np.isfinite(b)):
        return Gap(np.inf, np.inf)
    known = np.isfinite(a)
    error = np.where(known, np.abs(np.where(known, a, 0).astype(np.float64) - np.where(known, b, 0)), 0)
    if name in ("probs", "score"):
        scale: np.ndarray | float = 1.0
    elif isinstance(kind, NormalMap):
        error, scale = np.linalg.norm(error, axis=0), 1.0
    elif isinstance(kind, Polylines | Keypoints):
        scale = float(max(size))
    else:
        scale = np.maximum(np.abs(np.where(known, a, 1)), 1e-3)
    return Gap(float(error.max(initial=0)), float((error / scale).max(initial=0)))


def _boxes(mine: Boxes, theirs: Boxes) -> dict[str, Gap]:
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
    last = max(ours.min(initial=1.0), others.min(initial=1.0))
    sure = min(SURE, float(np.sort(ours)[-FEW:].min(initial=SURE)))
    lost = 0
    for i in np.flatnonzero((ours >= sure) & (ours > last * (1 + CUT)) & (mine.label != NO_BOX)):
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
