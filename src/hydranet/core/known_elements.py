"""How much a label says: pixels, or images for kinds that list instances."""

from functools import singledispatch

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


@singledispatch
def known_elements(label: Annotation) -> int:
    """How many pixels of a map (numpy) are known; for other kinds 1, or 0 where nothing is known.

    A list of instances is 1 also where it is empty: then somebody looked, and the whole image is background.
    """
    raise UnknownKind("count", type(label), "core/known_elements.py")


@known_elements.register
def _(label: ClassMap) -> int:
    return int(np.count_nonzero(label.ids != UNKNOWN_ID))


@known_elements.register
def _(label: ScalarMap) -> int:
    return int(np.count_nonzero(np.isfinite(label.values)))


@known_elements.register
def _(label: NormalMap) -> int:
    return int(np.count_nonzero(np.isfinite(label.xyz).all(0)))


@known_elements.register(Boxes)
@known_elements.register(Polylines)
@known_elements.register(Keypoints)
def _(label: Annotation) -> int:
    return 1


@known_elements.register
def _(label: Tag) -> int:
    return int(int(label.label) != UNKNOWN_ID)


@known_elements.register
def _(label: Quantity) -> int:
    return int(np.isfinite(label.value).all())
