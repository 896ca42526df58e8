"""Boxes of an image whose size, as the label file states it, is not that of the file."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hydranet.core.sample import DataError
from hydranet.io.box_rows import BoxRow, is_number, number_of, quoted
from hydranet.io.orientation import Extent, turn_box

LONGEST_PX = 1_000_000
"""Longest side of an image that anybody has labeled: more is a damaged number."""

LEAST_COPY_PX = 8
"""Shorter side of a copy that boxes may be in: below, one pixel of rounding hides another shape."""

NOT_STATED = ("", "0", "-1", "none", "null", "unspecified")


@dataclass(frozen=True)
class LabeledImage:
    """The image that labels lie in.

    extent: as it is.    stated: height and width as the label file states them, or None.    where: that file and what
    it says of which image, for messages.
    """

    extent: Extent
    stated: tuple[int, int] | None
    where: str

    @property
    def labeled(self) -> tuple[int, int]:
        """Height and width of what the annotator saw."""
        return self.stated or self.extent.size

    def check_size(self) -> None:
        """Raises DataError where labels that are not scaled lie in an image of another size."""
        if self.labeled != self.extent.size:
            (height, width), (high, wide) = self.labeled, self.extent.size
            raise DataError(
                f"{self.where} states {width}x{height} pixels, the image has {wide}x{high} upright, and its labels are "
                "not scaled; label it again, or restore the image"
            )


def stated_size(height: Any, width: Any, where: str) -> tuple[int, int] | None:
    """Height and width in pixels as a label file states them; None where it does not.

    Some tools write -1, 0 or nothing for a size that they do not know. Raises DataError for what is no whole number.
    """
    sides = []
    for name, value in (("height", height), ("width", width)):
        if value is None or str(value).strip().lower() in NOT_STATED:
            return None
        try:
            side = (
                number_of(value.strip()) if isinstance(value, str) else float(value) if is_number(value) else math.nan
            )
        except ValueError:
            side = math.nan
        if not math.isfinite(side) or side != int(side) or not -1 <= side <= LONGEST_PX:
            raise DataError(f"{where}: {name} {quoted(value)}, expected a whole number of pixels; correct it")
        sides.append(int(side))
    return (sides[0], sides[1]) if min(sides) > 0 else None


def fitted(rows: Sequence[BoxRow], stated: tuple[int, int] | None, extent: Extent, where: str) -> list[BoxRow]:
    """Rows in pixels of the upright image.

    stated: height and width of the image that the annotator saw; None = not stated: the upright one, as tools show it.
    extent: the image as it is.    where: the label file and what it says of which image, for messages.

    Rows of the stored, unturned image are turned with it; rows of a larger or smaller copy are scaled.
    Raises DataError where the shapes differ, so that no scale fits.
    """
    if stated is None or stated == extent.size:
        return list(rows)
    if stated == extent.stored:
        return [replace(row, xyxy=turn_box(row.xyxy, extent)) for row in rows]
    for size, turned in ((extent.size, False), (extent.stored, True)):
        if _alike(stated, size):
            down, right = size[0] / stated[0], size[1] / stated[1]
            scaled = [replace(row, xyxy=_scaled(row.xyxy, right, down)) for row in rows]
            return [replace(row, xyxy=turn_box(row.xyxy, extent)) for row in scaled] if turned else scaled
    swapped = " (height and width swapped?)" if stated[::-1] == extent.size else ""
    raise DataError(
        f"{where} states {stated[1]}x{stated[0]} pixels{swapped}, the image has {extent.size[1]}x{extent.size[0]}; "
        "correct the label file or restore the image"
    )


def _alike(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two sizes have one shape, up to the rounding of a side to whole pixels; none for tiny ones."""
    (h1, w1), (h2, w2) = one, other
    if min(h1, w1) < LEAST_COPY_PX:
        return False
    return abs(h1 * w2 / w1 - h2) <= 1 or abs(h2 * w1 / w2 - h1) <= 1


def _scaled(xyxy: tuple[float, float, float, float], right: float, down: float) -> tuple[float, float, float, float]:
    return xyxy[0] * right, xyxy[1] * down, xyxy[2] * right, xyxy[3] * down
