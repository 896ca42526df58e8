"""What labels hold, counted: one function for every kind of annotation, never for a task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
    row_count,
    rows,
)

SAMPLED = 500
"""Values of a map that are kept, evenly spread, beside the least and the greatest: enough for a median."""

TINY_PX = 8
"""Boxes lower or narrower than this are hard to see even for people."""


@dataclass(frozen=True, eq=False)
class LabelStatistics:
    """What one label holds.

    empty:   nothing is known, or nothing is there.
    counts:  named numbers that add up over samples.
    classes: by class id how many `unit`s.
    ranges:  named values whose range is of interest.
    """

    kind: str
    empty: bool
    counts: Mapping[str, int] = field(default_factory=dict)
    classes: Mapping[int, int] = field(default_factory=dict)
    unit: str = ""
    ranges: Mapping[str, np.ndarray] = field(default_factory=dict)


@singledispatch
def label_statistics(label: Annotation, size: tuple[int, int]) -> LabelStatistics:
    """Counts one label of an image of `size` (height, width)."""
    raise UnknownKind("statistics", type(label), "data/label_statistics.py")


def _map(label: Annotation, known: np.ndarray, **more: Any) -> LabelStatistics:
    counts = {"pixels": known.size, "known pixels": int(np.count_nonzero(known))} | more.pop("counts", {})
    return LabelStatistics(type(label).__name__, not counts["known pixels"], counts, **more)


def _some(values: np.ndarray) -> np.ndarray:
    """The least, the greatest and some between."""
    if not values.size:
        return values
    return np.concatenate([values[:: -(-values.size // SAMPLED)], [values.min(), values.max()]])


def _by_class(ids: np.ndarray) -> dict[int, int]:
    classes, count = np.unique(ids, return_counts=True)
    return dict(zip(classes.tolist(), count.tolist(), strict=True))


@label_statistics.register
def _(label: ClassMap, size: tuple[int, int]) -> LabelStatistics:
    known = label.ids != UNKNOWN_ID
    return _map(label, known, classes=_by_class(label.ids[known]), unit="pixels")


@label_statistics.register
def _(label: ScalarMap, size: tuple[int, int]) -> LabelStatistics:
    known = np.isfinite(label.values)
    return _map(label, known, ranges={label.unit or "values": _some(label.values[known])})


@label_statistics.register
def _(label: NormalMap, size: tuple[int, int]) -> LabelStatistics:
    known = np.isfinite(label.xyz).all(0)
    xyz = label.xyz[:, known]
    wrong = int(np.count_nonzero(np.abs(np.linalg.norm(xyz, axis=0) - 1) > 0.01))
    return _map(
        label,
        known,
        counts={"not of length 1": wrong},
        ranges={axis: _some(values) for axis, values in zip("xyz", xyz, strict=True)},
    )


@label_statistics.register
def _(label: Boxes, size: tuple[int, int]) -> LabelStatistics:
    ignore = _ignored(label)
    xyxy, ids = label.xyxy[~ignore], label.label[~ignore]
    sides = xyxy[:, 2:] - xyxy[:, :2]
    height, width = size
    border = ((xyxy <= 0.5) | (xyxy >= np.array([width, height, width, height]) - 0.5)).any(1)
    counts = {
        "boxes": len(ids),
        "ignored": int(ignore.sum()),
        "at the border": int(border.sum()),
        f"under {TINY_PX} px": int((sides < TINY_PX).any(1).sum()),
    }
    if copies := len(ids) - len(np.unique(np.column_stack([ids, xyxy]), axis=0)):
        counts["copies of another box"] = copies
    ranges = {"width px": sides[:, 0], "height px": sides[:, 1]}
    return LabelStatistics("Boxes", not len(ids), counts, _by_class(ids), "boxes", ranges)


@label_statistics.register
def _(label: Polylines, size: tuple[int, int]) -> LabelStatistics:
    kept = rows(label, ~_ignored(label))
    counts = {"lines": len(kept.points), "points": int(np.count_nonzero(kept.valid))}
    classes = {} if kept.label is None else _by_class(kept.label)
    return LabelStatistics("Polylines", not counts["points"], counts | _ignored_count(label), classes, "lines")


@label_statistics.register
def _(label: Keypoints, size: tuple[int, int]) -> LabelStatistics:
    kept = rows(label, ~_ignored(label))
    visible = np.asarray(kept.visible)
    counts = {"instances": len(visible), "seen": int((visible == 2).sum()), "hidden": int((visible == 1).sum())}
    counts |= {"unknown": int((visible == 0).sum())} | _ignored_count(label)
    classes = {} if kept.label is None else _by_class(kept.label)
    return LabelStatistics("Keypoints", not visible.any(), counts, classes, "instances")


def _ignored(label: Instances) -> np.ndarray:
    return np.zeros(row_count(label), dtype=bool) if label.ignore is None else np.asarray(label.ignore, bool)


def _ignored_count(label: Instances) -> dict[str, int]:
    return {} if label.ignore is None else {"ignored": int(_ignored(label).sum())}


@label_statistics.register
def _(label: Tag, size: tuple[int, int]) -> LabelStatistics:
    known = int(label.label) != UNKNOWN_ID
    return LabelStatistics("Tag", not known, classes={int(label.label): 1} if known else {}, unit="images")


@label_statistics.register
def _(label: Quantity, size: tuple[int, int]) -> LabelStatistics:
    value = np.atleast_1d(np.asarray(label.value, dtype=np.float64))
    known = np.isfinite(value)
    return LabelStatistics("Quantity", not known.any(), ranges={"value": value[known]})


@dataclass(frozen=True)
class LabelReport:
    """What the labels of one name hold, over a data set.

    images:  images that have the label.    empty: those of them where nothing is known or nothing is there.
    counts:  named sums.    classes: by class name how many `unit`s.    in_images: in how many images.
    ranges:  least, median and greatest value by name.
    """

    kind: str
    images: int
    empty: int
    counts: Mapping[str, int]
    classes: Mapping[str, int]
    in_images: Mapping[str, int]
    unit: str
    ranges: Mapping[str, tuple[float, float, float]]


def add_up(statistics: Sequence[LabelStatistics], names: Sequence[str]) -> LabelReport:
    """Statistics of one label over its samples (at least one), with class names in the order of ids."""
    counts: dict[str, int] = {}
    classes, in_images = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
    values: dict[str, list[np.ndarray]] = {}
    for one in statistics:
        for name, count in one.counts.items():
            counts[name] = counts.get(name, 0) + count
        for index, count in one.classes.items():
            name = names[index] if 0 <= index < len(names) else str(index)
            classes[name] = classes.get(name, 0) + count
            in_images[name] = in_images.get(name, 0) + 1
        for name, some in one.ranges.items():
            values.setdefault(name, []).append(some)
    values_by_name = {name: np.concatenate(parts) for name, parts in values.items()}
    return LabelReport(
        kind=statistics[0].kind,
        images=len(statistics),
        empty=sum(one.empty for one in statistics),
        counts=counts,
        classes=classes,
        in_images=in_images,
        unit=statistics[0].unit,
        ranges={name: _range(all_values) for name, all_values in values_by_name.items() if all_values.size},
    )


def _range(values: np.ndarray) -> tuple[float, float, float]:
    least, middle, greatest = np.quantile(values, (0, 0.5, 1)).tolist()
    return least, middle, greatest
