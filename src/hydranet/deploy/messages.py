"""Annotations as JSON, one function per kind."""

import math
from collections.abc import Sequence
from functools import singledispatch
from typing import Any

import numpy as np

from hydranet.annotations import (
    UNKNOWN_ID,
    Annotation,
    Boxes,
    ClassMap,
    Instances,
    Keypoints,
    NormalMap,
    Polylines,
    Quantity,
    ScalarMap,
    Tag,
    UnknownKind,
)


def _name(classes: Sequence[str], index: int) -> str:
    if index == UNKNOWN_ID:
        return "unknown"
    return classes[index] if 0 <= index < len(classes) else str(index)


def _numbers(values: np.ndarray) -> Any:
    """Rounded to a thousandth; values that are not finite become null, since JSON has no such numbers."""
    given = np.asarray(values, dtype=np.float64)
    rounded = np.array(given.round(3), dtype=object)
    rounded[~np.isfinite(given)] = None
    return rounded.tolist()


def _number(value: Any) -> float | None:
    """A share of 0..1 to four places, null where it is not finite."""
    return round(float(value), 4) if np.isfinite(value) else None


LOOKED_AT = 65_536
"""Pixels of a map that its summary looks at, evenly spaced; a summary of all of a large frame would cost more time than
the network's own head."""


def _thinned(plane: np.ndarray) -> np.ndarray:
    """Every n-th row and column of ... h w, so that about `LOOKED_AT` pixels are left."""
    height, width = plane.shape[-2:]
    step = max(math.ceil(math.sqrt(height * width / LOOKED_AT)), 1)
    return np.ascontiguousarray(plane[..., step // 2 :: step, step // 2 :: step])


@singledispatch
def message(annotation: Annotation, classes: Sequence[str] = ()) -> dict[str, Any]:
    """An annotation as JSON values. Maps are summarized; their pixels belong in an image or an array file.

    The statistics of maps are those of at most `LOOKED_AT` evenly spaced pixels.
    """
    raise UnknownKind("message", type(annotation), "deploy/messages.py")


@message.register
def _(annotation: ClassMap, classes: Sequence[str] = ()) -> dict[str, Any]:
    count = np.bincount(_thinned(np.asarray(annotation.ids)).reshape(-1), minlength=256)
    known = max(int(count[:UNKNOWN_ID].sum()), 1)
    shares = {_name(classes, int(i)): round(count[i] / known, 4) for i in count[:UNKNOWN_ID].nonzero()[0]}
    confidence = {}
    if annotation.confidence is not None:
        sure = _thinned(np.asarray(annotation.confidence))
        confidence["mean_confidence"] = _number(sure[np.isfinite(sure)].mean()) if np.isfinite(sure).any() else None
    return {"kind": "ClassMap", "size": list(annotation.ids.shape), "share": shares, **confidence}


@message.register
def _(annotation: ScalarMap, classes: Sequence[str] = ()) -> dict[str, Any]:
    values = _thinned(annotation.values)
    values = values[np.isfinite(values)]
    range_ = (
        dict(zip(("min", "median", "max"), _numbers(np.quantile(values, (0, 0.5, 1))), strict=True))
        if len(values)
        else {}
    )
    return {"kind": "ScalarMap", "size": list(annotation.values.shape), "unit": annotation.unit, **range_}


@message.register
def _(annotation: NormalMap, classes: Sequence[str] = ()) -> dict[str, Any]:
    xyz = _thinned(annotation.xyz)
    known = np.isfinite(xyz).all(0)
    mean = _numbers(xyz[:, known].mean(1)) if known.any() else None
    return {"kind": "NormalMap", "size": list(annotation.xyz.shape[1:]), "mean_xyz": mean}


def _instance(annotation: Instances, i: int, classes: Sequence[str]) -> dict[str, Any]:
    """What all instances have in common, as far as this one has it."""
    row: dict[str, Any] = {}
    if annotation.label is not None:
        row |= {"class": _name(classes, int(annotation.label[i])), "label": int(annotation.label[i])}
    if annotation.score is not None:
        row["score"] = _number(annotation.score[i])
    if annotation.track is not None:
        row["track"] = int(annotation.track[i])
    if annotation.ignore is not None and annotation.ignore[i]:
        row["ignore"] = True
    return row


@message.register
def _(annotation: Boxes, classes: Sequence[str] = ()) -> dict[str, Any]:
    rows = [{**_instance(annotation, i, classes), "xyxy": _numbers(xyxy)} for i, xyxy in enumerate(annotation.xyxy)]
    if annotation.distance_m is not None:
        meters = _numbers(annotation.distance_m)
        rows = [row | {"distance_m": distance} for row, distance in zip(rows, meters, strict=True)]
    if annotation.value is None:
        return {"kind": "Boxes", "boxes": rows}
    rows = [row | {"value": value} for row, value in zip(rows, _numbers(annotation.value), strict=True)]
    unit = {"value_unit": annotation.value_unit} if annotation.value_unit else {}
    return {"kind": "Boxes", "boxes": rows, **unit}


@message.register
def _(annotation: Polylines, classes: Sequence[str] = ()) -> dict[str, Any]:
    lines = [points[np.asarray(valid, bool)] for points, valid in zip(annotation.points, annotation.valid, strict=True)]
    rows = [{**_instance(annotation, i, classes), "points": _numbers(points)} for i, points in enumerate(lines)]
    return {"kind": "Polylines", "lines": rows}


@message.register
def _(annotation: Keypoints, classes: Sequence[str] = ()) -> dict[str, Any]:
    rows = []
    for i, (xy, visible) in enumerate(zip(annotation.xy, annotation.visible, strict=True)):
        row = {**_instance(annotation, i, classes), "xy": _numbers(xy), "visible": np.asarray(visible).tolist()}
        if annotation.point_score is not None:
            row["point_score"] = _numbers(annotation.point_score[i])
        if annotation.xyxy is not None:
            row["xyxy"] = _numbers(annotation.xyxy[i])
        rows.append(row)
    return {"kind": "Keypoints", "instances": rows}


@message.register
def _(annotation: Tag, classes: Sequence[str] = ()) -> dict[str, Any]:
    label = int(annotation.label)
    probability = {} if annotation.probs is None else {"probability": _number(np.max(annotation.probs))}
    return {"kind": "Tag", "class": _name(classes, label), "label": label, **probability}


@message.register
def _(annotation: Quantity, classes: Sequence[str] = ()) -> dict[str, Any]:
    unit = {"unit": annotation.unit} if annotation.unit else {}
    return {"kind": "Quantity", "value": _numbers(annotation.value), **unit}
