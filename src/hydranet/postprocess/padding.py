"""Instances without the rows that are none: what stacking, and suppression inside a graph, fill up with. numpy only."""

from functools import singledispatch

import numpy as np

from hydranet.annotations import (
    NO_BOX,
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
    rows,
)


@singledispatch
def unpadded(label: Annotation) -> Annotation:
    """One image's annotation without padding rows: of label -1 and not ignored, or without a single point."""
    raise UnknownKind("padding", type(label), "postprocess/padding.py")


@unpadded.register
def _(label: Boxes) -> Boxes:
    return rows(label, _labeled(label, np.ones(len(label.label), bool)))


@unpadded.register
def _(label: Polylines) -> Polylines:
    return rows(label, _labeled(label, np.any(label.valid, axis=1)))


@unpadded.register
def _(label: Keypoints) -> Keypoints:
    some = np.any(np.asarray(label.visible) > 0, axis=1)
    if label.ignore is not None:
        some = some | np.asarray(label.ignore, bool)  # of a crowd no point is known
    return rows(label, _labeled(label, some))


@unpadded.register
def _(label: ClassMap | ScalarMap | NormalMap | Tag | Quantity) -> Annotation:
    return label


def _labeled(label: Instances, otherwise: np.ndarray) -> np.ndarray:
    """bool n: rows with a label, or ignored; `otherwise` where the instances have no labels."""
    if label.label is None:
        return otherwise
    real = np.asarray(label.label) != NO_BOX
    return real if label.ignore is None else real | np.asarray(label.ignore, bool)
