"""Whether an answer is one: a network whose weights or values are NaN would say "no boxes" and "road everywhere"."""

import math
from functools import singledispatch
from typing import Any

import cv2
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
    UnknownKind,
)

MAP_STEP = 61
"""Of a map, every 61st value is looked at: a broken network breaks all of it, and looking costs no time then."""


@singledispatch
def broken_field(prediction: Annotation) -> str:
    """The array of one image's decoded annotation that is no answer; "" where all are.

    Broken are scores, coordinates, probabilities and numbers that are not finite, and a map without a known pixel;
    single pixels of a map that are NaN mean unknown and are none of it.
    """
    raise UnknownKind("finite values", type(prediction), "deploy/finite.py")


@broken_field.register
def _(prediction: ClassMap) -> str:
    ids = np.asarray(prediction.ids).reshape(-1)
    if not ids.size or (ids[0] == UNKNOWN_ID and (ids[::MAP_STEP] == UNKNOWN_ID).all()):
        return "ids"
    return "" if _some(prediction.probs) else "probs"


@broken_field.register
def _(prediction: ScalarMap) -> str:
    return "" if _some(prediction.values) else "values"


@broken_field.register
def _(prediction: NormalMap) -> str:
    return "" if _some(prediction.xyz) else "xyz"


@broken_field.register
def _(prediction: Boxes) -> str:
    return _first(xyxy=prediction.xyxy, score=prediction.score)


@broken_field.register
def _(prediction: Polylines | Keypoints) -> str:
    return _first(score=prediction.score)  # points that are not valid may hold anything


@broken_field.register
def _(prediction: Tag) -> str:
    return "label" if int(prediction.label) == UNKNOWN_ID else _first(probs=prediction.probs)


@broken_field.register
def _(prediction: Quantity) -> str:
    return _first(value=prediction.value)


def _some(array: Any) -> bool:
    """Whether any value that is looked at is finite; there is nothing to look at in no array."""
    if array is None:
        return True
    values = np.asarray(array).reshape(-1)
    return values.size > 0 and (math.isfinite(values[0]) or bool(np.isfinite(values[::MAP_STEP]).any()))


def _first(**arrays: Any) -> str:
    """The name of the first array that holds a value which is not finite."""
    return next((name for name, a in arrays.items() if a is not None and not _all(np.asarray(a))), "")


def _all(values: np.ndarray) -> bool:
    """Whether every value is finite."""
    if values.dtype != np.float32 or not values.size:
        return bool(np.isfinite(values).all())
    return cv2.checkRange(values.reshape(-1))[0]  # one call; numpy's two take three times as long with a cold cache
