"""Annotations as JSON, one function per kind."""

from collections.abc import Sequence
from functools import singledispatch
from typing import Any

import numpy as np

from hydranet.annotations import (
    UNKNOWN_ID,
    Annotation,
    Boxes,
    ClassMap,
    Keypoints,
    NormalMap,
    Polylines,
    Quantity,
    ScalarMap,
    Tag,
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


@singledispatch
def message(annotation: Annotation, classes: Sequence[str] = ()) -> dict[str, Any]:
    """An annotation as JSON values. Maps are summarized; their pixels belong in an image or an array file."""
    raise TypeError(f"no message for a {type(annotation).__name__}; add one in deploy/messages.py")


@message.register
def _(annotation: ClassMap, classes: Sequence[str] = ()) -> dict[str, Any]:
    count = np.bincount(np.asarray(annotation.ids).reshape(-1), minlength=256)
    known = max(int(count[:UNKNOWN_ID].sum()), 1)
    shares = {_name(classes, int(i)): round(count[i] / known, 4) for i in count[:UNKNOWN_ID].nonzero()[0]}
    return {"kind": "ClassMap", "size": list(annotation.ids.shape), "share": shares}


@message.register
def _(annotation: ScalarMap, classes: Sequence[str] = ()) -> dict[str, Any]:
    values = annotation.values[np.isfinite(annotation.values)]
    range_ = (
        dict(zip(("min", "median", "max"), _numbers(np.quantile(values, (0, 0.5, 1))), strict=True))
        if len(values)
        else {}
    )
    return {"kind": "ScalarMap", "size": list(annotation.values.shape), "unit": annotation.unit, **range_}


@message.register
def _(annotation: NormalMap, classes: Sequence[str] = ()) -> dict[str, Any]:
    known = np.isfinite(annotation.xyz).all(0)
    mean = _numbers(annotation.xyz[:, known].mean(1)) if known.any() else None
    return {"kind": "NormalMap", "size": list(annotation.xyz.shape[1:]), "mean_xyz": mean}


@message.register
def _(annotation: Boxes, classes: Sequence[str] = ()) -> dict[str, Any]:
    rows = []
    for i, (xyxy, label) in enumerate(zip(annotation.xyxy, annotation.label, strict=True)):
        row = {"class": _name(classes, int(label)), "label": int(label), "xyxy": _numbers(xyxy)}
        if annotation.score is not None:
            row["score"] = round(float(annotation.score[i]), 4)
        if annotation.track is not None:
            row["track"] = int(annotation.track[i])
        rows.append(row)
    return {"kind": "Boxes", "boxes": rows}


@message.register
def _(annotation: Polylines, classes: Sequence[str] = ()) -> dict[str, Any]:
    rows = []
    for i, (points, valid) in enumerate(zip(annotation.points, annotation.valid, strict=True)):
        row: dict[str, Any] = {"points": _numbers(points[np.asarray(valid, bool)])}
        if annotation.label is not None:
            row |= {"class": _name(classes, int(annotation.label[i])), "label": int(annotation.label[i])}
        if annotation.score is not None:
            row["score"] = round(float(annotation.score[i]), 4)
        rows.append(row)
    return {"kind": "Polylines", "lines": rows}


@message.register
def _(annotation: Keypoints, classes: Sequence[str] = ()) -> dict[str, Any]:
    pairs = zip(annotation.xy, annotation.visible, strict=True)
    rows: list[dict[str, Any]] = [{"xy": _numbers(xy), "visible": np.asarray(v).tolist()} for xy, v in pairs]
    if annotation.score is not None:
        rows = [row | {"score": _numbers(score)} for row, score in zip(rows, annotation.score, strict=True)]
    return {"kind": "Keypoints", "instances": rows}


@message.register
def _(annotation: Tag, classes: Sequence[str] = ()) -> dict[str, Any]:
    label = int(annotation.label)
    probability = {} if annotation.probs is None else {"probability": round(float(np.max(annotation.probs)), 4)}
    return {"kind": "Tag", "class": _name(classes, label), "label": label, **probability}


@message.register
def _(annotation: Quantity, classes: Sequence[str] = ()) -> dict[str, Any]:
    return {"kind": "Quantity", "value": _numbers(annotation.value)}
