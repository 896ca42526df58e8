"""Labels that may be read in the wrong unit, form or depth: recognized from many labels of one name, by kind."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import singledispatch
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
)
from hydranet.data.finding import Finding, Severity
from hydranet.io.fingerprint import values

FAR_M, NEAR_M = 500.0, 0.05
"""Medians of distances beyond these are read in another unit: nobody measures a road to 500 m, nor a room in mm."""
FEW_STEPS = 256
"""Values of 8 bits."""
AT_BORDER, ONE_SIDED = 0.3, 3.0
"""Boxes at the right or lower border: their share, and how much more often than at the left or upper one."""
SOME_EMPTY, MOST_EMPTY = 0.05, 0.95
"""Shares of images without a box: perhaps nobody labeled them; boxes are matched with images by the wrong name."""
LEAST_KNOWN = 0.3
"""Share of the pixels of maps that somebody labeled."""
ONE_CLASS = 0.995
SAMPLED = 4000


@dataclass(frozen=True, eq=False)
class Fact:
    """What is kept of one label. key: of its image.    digest: of all its numbers.    shares: named shares, 0 to 1.

    numbers: some values of it.    size: height and width of the image.
    """

    key: str
    digest: str
    shares: dict[str, float] = field(default_factory=dict)
    numbers: np.ndarray = field(default_factory=lambda: np.zeros(0))
    unit: str = ""


def fact(key: str, label: Annotation, size: tuple[int, int]) -> Fact:
    """What is kept of a label of an image of `size` (height, width)."""
    arrays = [np.asarray(value) for name in label.arrays() if (value := vars(label)[name]) is not None]
    return Fact(key, values(arrays), **_numbers(label, size))


@singledispatch
def _numbers(label: Annotation, size: tuple[int, int]) -> dict[str, Any]:
    raise UnknownKind("look at oddities", type(label), "data/peculiar.py")


@_numbers.register
def _(label: ClassMap, size: tuple[int, int]) -> dict[str, Any]:
    known = label.ids[label.ids != 255]
    most = np.bincount(known).max() / known.size if known.size else 0.0
    return {"shares": {"known": known.size / label.ids.size, "most": float(most), "map": 1.0}}


@_numbers.register
def _(label: ScalarMap, size: tuple[int, int]) -> dict[str, Any]:
    known = label.values[np.isfinite(label.values)]
    some = known[:: max(1, known.size // SAMPLED)]
    return {"shares": {"known": known.size / label.values.size}, "numbers": some, "unit": label.unit}


@_numbers.register
def _(label: NormalMap, size: tuple[int, int]) -> dict[str, Any]:
    return {"shares": {"known": float(np.isfinite(label.xyz).all(0).mean())}}


@_numbers.register
def _(label: Boxes, size: tuple[int, int]) -> dict[str, Any]:
    if not len(label.xyxy):
        return {"shares": {"empty": 1.0}}
    left, top, right, bottom = label.xyxy.T
    end = ((right >= size[1] - 0.5) | (bottom >= size[0] - 0.5)).mean()
    begin = ((left <= 0.5) | (top <= 0.5)).mean()
    sides = np.minimum(right - left, bottom - top) / np.array(size).max()
    return {"shares": {"end": float(end), "begin": float(begin), "empty": 0.0}, "numbers": sides}


@_numbers.register(Polylines)
@_numbers.register(Keypoints)
@_numbers.register(Tag)
@_numbers.register(Quantity)
def _(label: Annotation, size: tuple[int, int]) -> dict[str, Any]:
    return {}


def peculiarities(where: str, facts: Sequence[Fact]) -> list[Finding]:
    """What is odd about the labels of one name. where: source and label, for sentences."""
    made = [*_maps(where, facts), *_distances(where, facts), *_boxes(where, facts)]
    known = [one for one in facts if one.shares.get("known", 1.0) > 0 and "most" in one.shares]
    if len(known) > 3 and len({one.digest for one in known}) == 1:
        cure = "one file was copied over all others, or one label is read for all images: look at how they are matched"
        keys = tuple(one.key for one in known[:3])
        made.append(Finding(Severity.POINTLESS, where, f"all {len(known)} labels are the same", cure, keys))
    return made


def _mean(facts: Sequence[Fact], name: str) -> float:
    given = [one.shares[name] for one in facts if name in one.shares]
    return float(np.mean(given)) if given else float("nan")


def _maps(where: str, facts: Sequence[Fact]) -> list[Finding]:
    made = []
    known, most = _mean(facts, "known"), _mean(facts, "most")
    classes = [one for one in facts if "map" in one.shares]
    if classes and known < LEAST_KNOWN:
        holes = tuple(one.key for one in sorted(classes, key=lambda one: one.shares["known"])[:3])
        what = f"only {known:.1%} of the pixels have a class, the rest is unknown"
        cure = "map the stored value of the rest to a class (values, colors, background), unless nobody labeled it"
        made.append(Finding(Severity.HARMFUL, where, what, cure, holes))
    if most > ONE_CLASS:
        what = f"{most:.2%} of the pixels of an image are of one class"
        made.append(
            Finding(Severity.HARMFUL, where, what, "look at the drawn labels: are ids read as they are stored?")
        )
    return made


def _distances(where: str, facts: Sequence[Fact]) -> list[Finding]:
    meters = [one.numbers for one in facts if one.unit == "m" and one.numbers.size]
    if not meters:
        return []
    numbers = np.concatenate(meters)
    middle = float(np.median(numbers))
    made = []
    if middle > FAR_M:
        cure = "they are stored in millimeters, most likely: read them with unit='mm' (init: --unit mm)"
        made.append(Finding(Severity.POINTLESS, where, f"the median distance is {middle:,.0f} m", cure))
    if middle < NEAR_M:
        cure = "they are stored in meters and read as millimeters, most likely: correct unit and scale"
        made.append(Finding(Severity.POINTLESS, where, f"the median distance is {middle:.2g} m", cure))
    different = np.unique(numbers)
    step = np.diff(different).min() if len(different) > 1 else 0.0
    if len(facts) > 1 and len(different) > 16 and step > 0 and np.ptp(different) / step <= FEW_STEPS:
        what = f"distances have {round(np.ptp(different) / step) + 1} steps of {step:.3g} m, as 8 bits give"
        cure = "16 bits were cut to 8 when they were saved or converted: make them anew, or expect no finer depth"
        made.append(Finding(Severity.HARMFUL, where, what, cure))
    return made


def _boxes(where: str, facts: Sequence[Fact]) -> list[Finding]:
    filled = [one for one in facts if "end" in one.shares]
    made = []
    end, begin = _mean(filled, "end"), _mean(filled, "begin")
    if len(filled) > 3 and end > AT_BORDER and end > ONE_SIDED * begin:
        what = f"{end:.0%} of the boxes end at the right or lower border, {begin:.0%} begin at the left or upper one"
        cure = (
            "right and bottom are written where width and height are read, most likely: correct the form of the boxes"
        )
        made.append(Finding(Severity.POINTLESS, where, what, cure, tuple(one.key for one in filled[:3])))
    empty = _mean(facts, "empty")
    if len(facts) > 3 and SOME_EMPTY < empty <= MOST_EMPTY:
        none = [one.key for one in facts if one.shares.get("empty")]
        what = f"{len(none)} of {len(facts)} images have no box: they teach that nothing is there"
        cure = "where nobody labeled them yet, take them out of the label file, or out of the folder"
        made.append(Finding(Severity.ODD, where, what, cure, tuple(none[:3])))
    if len(facts) > 3 and empty > MOST_EMPTY:
        what = f"{empty:.0%} of the images have no box"
        made.append(
            Finding(Severity.HARMFUL, where, what, "look whether boxes are matched with images by the right name")
        )
    return made
