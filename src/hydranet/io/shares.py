"""Numbers that a label file should state in pixels, and that are shares of the image."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from hydranet.core.sample import DataError
from hydranet.io.box_rows import BoxRow, is_number, quoted

SHARE_SLACK = 1.01
"""A box may reach this far where sides are shares of the image: tools round."""

IN_PIXELS = "multiply by the image's width and height"

Places = Iterable[tuple[str, Sequence[float]]]
"""What a file states in pixels: where, and the numbers."""


def are_shares(numbers: Iterable[float]) -> bool:
    """Whether all numbers of a file are shares of images: some are there, none reaches beyond 1, not all are whole.

    0 and 1 alone are pixels: a box over the first pixel of an image is one.
    """
    whole, some = True, False
    for number in numbers:
        if abs(number) > SHARE_SLACK:
            return False
        whole, some = whole and number % 1 == 0, True
    return some and not whole


def refuse_shares(places: Places, what: str, cure: str = IN_PIXELS) -> None:
    """Raises DataError, naming the first place, where all that a file states in pixels looks like shares.

    what: of the image each place holds, such as "a box".    cure: what to do.
    """
    rest = ((where, numbers) for where, numbers in places if len(numbers))
    first = next(rest, None)
    if first is not None and are_shares(chain(first[1], chain.from_iterable(numbers for _, numbers in rest))):
        listed = ", ".join(f"{number:g}" for number in first[1][:4])
        more = ", ..." if len(first[1]) > 4 else ""
        raise DataError(
            f"{first[0]}: {what} ({listed}{more}), and all others of the file lie within 0 to 1, too: shares of the "
            f"image, expected pixels; {cure}"
        )


def refuse_path_of_shares(numbers: Sequence[float], where: str) -> None:
    """Raises DataError for a line or an outline, x y x y ..., that would lie within one pixel."""
    if len(numbers) > 2 and are_shares(numbers):
        listed = ", ".join(f"{number:g}" for number in numbers[:4])
        raise DataError(
            f"{where}: points ({listed}, ...) within one pixel, shares of the image, expected pixels; {IN_PIXELS}"
        )


def stated_sides(
    rows: Iterable[BoxRow], added: Sequence[float] = (0, 0, 0, 0)
) -> Iterator[tuple[str, Sequence[float]]]:
    """Boxes with an area as their file states them. added: what its reader added to left, top, right and bottom."""
    for row in rows:
        left, top, right, bottom = row.xyxy
        if left < right and top < bottom:
            yield row.where, [side - more for side, more in zip(row.xyxy, added, strict=True)]


def coco_boxes(annotations: Iterable[Mapping[str, Any]], file: Path) -> Iterator[tuple[str, Sequence[float]]]:
    """The boxes of COCO's annotations that have an area, as stated: left, top, width, height."""
    for place, annotation in enumerate(annotations, start=1):
        box = annotation.get("bbox")
        if isinstance(box, list) and len(box) == 4 and all(map(is_number, box)) and min(box[2:]) > 0:
            yield where_of(annotation, place, file), box


def where_of(annotation: Mapping[str, Any], place: int, file: Path) -> str:
    """A COCO annotation for a message: by its id, or where it has none, by its place in the list, from 1."""
    return f"{file}: annotation {quoted(annotation['id']) if 'id' in annotation else f'number {place}'}"
