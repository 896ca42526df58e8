"""What BDD100K's label files say of lanes and drivable areas, in the words of each release."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from hydranet.annotations import UNKNOWN_ID
from hydranet.core.sample import DataError
from hydranet.io.box_rows import objects, quoted
from hydranet.io.poly2d import read_poly2d

AREAS = ("direct", "alternative", "background")
"""Ids of drivable area, as in the masks of 2020."""
LANE_CATEGORIES = (
    *("crosswalk", "double other", "double white", "double yellow"),
    *("road curb", "single other", "single white", "single yellow"),
)
LANE_DIRECTIONS, LANE_STYLES = ("parallel", "vertical"), ("solid", "dashed")
LANE_ASPECTS: Mapping[str, tuple[str, ...]] = {
    "category": LANE_CATEGORIES,
    "direction": LANE_DIRECTIONS,
    "style": LANE_STYLES,
}
AREA_IDS = {
    "area/drivable": 0,
    "area/alternative": 1,
    "area/unknown": UNKNOWN_ID,
    "direct": 0,
    "alternative": 1,
}
Family = Literal["area", "lane"]


@dataclass(frozen=True)
class Area:
    """One drivable area. id: place in AREAS, 255 = unknown.    points: float64 p 2, pixels from the corner; closed."""

    id: int
    points: np.ndarray


@dataclass(frozen=True)
class Lane:
    """One path of a lane marking.

    ids:    {aspect: place in LANE_ASPECTS[aspect]}.
    points: float64 p 2, pixels from the corner, from its nearer end (the lower one) to its farther.
    """

    ids: Mapping[str, int]
    points: np.ndarray


def read_areas(labels: Any, where: str) -> list[Area]:
    """The drivable areas among the labels of a frame, in their order. Raises DataError that says where."""
    areas = list[Area]()
    for label, place in _of("area", labels, where):
        category = label["category"]
        if category == "drivable area":
            category = _attribute(label, ("areaType",), "")
        if category not in AREA_IDS:
            raise DataError(f"{place}: area {quoted(category)}, expected direct or alternative; correct it")
        paths = read_poly2d(label.get("poly2d"), closed=True, where=place)
        areas.extend(Area(AREA_IDS[category], points) for points in paths)
    return areas


def read_lanes(labels: Any, where: str) -> list[Lane]:
    """The lane markings among the labels of a frame. Raises DataError that says where.

    Where direction or style is not stated, they are parallel and solid, as in BDD100K's own converter.
    """
    lanes = list[Lane]()
    for label, place in _of("lane", labels, where):
        category = label["category"].removeprefix("lane/")
        words = {
            "category": _attribute(label, ("laneType", "laneTypes"), "") if category == "lane" else category,
            "direction": _attribute(label, ("laneDirection", "direction"), LANE_DIRECTIONS[0]),
            "style": _attribute(label, ("laneStyle", "style"), LANE_STYLES[0]),
        }
        for aspect, word in words.items():
            if word not in LANE_ASPECTS[aspect]:
                known = ", ".join(LANE_ASPECTS[aspect])
                raise DataError(f"{place}: {aspect} {quoted(word)} of a lane, expected one of {known}; correct it")
        ids = {aspect: LANE_ASPECTS[aspect].index(word) for aspect, word in words.items()}
        for points in read_poly2d(label.get("poly2d"), closed=False, where=place):
            lanes.append(Lane(ids, points if points[0, 1] >= points[-1, 1] else points[::-1]))
    return lanes


def _of(family: Family, labels: Any, where: str) -> Sequence[tuple[dict[str, Any], str]]:
    """The labels of one family, each with its place; boxes and the other family are left to who reads them."""
    rows = objects([] if labels is None else labels, {"category": str}, where)
    places = [(label, f"{where}, label {i}") for i, label in enumerate(rows, start=1)]
    return [(label, place) for label, place in places if _family(label, place) == family]


def _family(label: Mapping[str, Any], where: str) -> Family | None:
    category = label["category"]
    if category in AREA_IDS or category == "drivable area" or category.startswith("area/"):
        return "area"
    if category in LANE_CATEGORIES or category == "lane" or category.startswith("lane/"):
        return "lane"
    if label.get("poly2d") is not None:
        raise DataError(f"{where}: category {quoted(category)} of a poly2d, expected an area or a lane; correct it")
    return None


def _attribute(label: Mapping[str, Any], names: Sequence[str], default: str) -> str:
    attributes = label.get("attributes")
    if attributes is None:
        return default
    if not isinstance(attributes, dict):
        return quoted(attributes)
    return str(next((attributes[name] for name in names if name in attributes), default))
