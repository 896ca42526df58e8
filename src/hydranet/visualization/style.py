"""What drawing an annotation depends on beside the annotation."""

from collections.abc import Sequence
from dataclasses import dataclass

from hydranet.visualization.primitives import Color

RANGE_M = (0.0, 80.0)
"""Distances that the color scale covers unless a caller says otherwise."""


@dataclass(frozen=True)
class Style:
    """How annotations are drawn.

    classes: names by class id ("class 7" where missing).    colors: RGB by class id; None = by name.
    range_m: distances, in meters, of the warmest and the coldest color: the same for all images, so that frames of a
             video, and a prediction and its label, can be compared.
    Raises ValueError for a range that is none.
    """

    classes: Sequence[str] = ()
    colors: Sequence[Color] | None = None
    range_m: tuple[float, float] = RANGE_M

    def __post_init__(self) -> None:
        low, high = self.range_m
        if not 0 <= low < high < float("inf"):
            raise ValueError(f"got range_m={self.range_m}, expected 0 <= nearest < farthest in meters, such as (0, 80)")
