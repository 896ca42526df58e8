"""The tags of a TIFF, of a BigTIFF and of an EXIF block: whole numbers and where they lie in the file (TIFF 6.0)."""

import struct
from dataclasses import dataclass

WIDTH_TAG, HEIGHT_TAG, BITS_TAG, ORIENTATION_TAG, SUBFILE_TAG = 256, 257, 258, 274, 254
SAMPLES_TAG, EXTRA_TAG, COLORS_TAG = 277, 338, 262
LAB = {8: "CIELab", 9: "ICCLab", 10: "ITULab"}
"""Color spaces of a TIFF that OpenCV takes for RGB."""
PREMULTIPLIED, APART = 1, 2
"""What a TIFF calls transparency that its colors are multiplied by, and transparency that left the colors alone."""


@dataclass(frozen=True)
class Tag:
    """A whole number in a TIFF: the value, where it lies in the file, and its code for `struct`."""

    value: int
    place: int
    code: str


def tiff_tags(data: bytes) -> dict[int, Tag]:
    """The first value of every whole-number tag in the first directory of a TIFF or an EXIF block.

    Raises struct.error or ValueError for a damaged one.
    """
    return tiff_directory(data)[0]


def tiff_directory(data: bytes, begin: int = 0) -> tuple[dict[int, Tag], int]:
    """The tags of the directory at a place (0 = the first one), and the place of the next one; 0 = there is none."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None:
        raise ValueError("no byte order")
    (version,) = struct.unpack_from(order + "H", data, 2)
    big = version == 43
    place = begin or struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)[0]
    (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, place)
    place += 8 if big else 2
    entry, offset = (20, 12) if big else (12, 8)
    tags = {}
    for i in range(min(count, (len(data) - place) // entry)):
        at = place + i * entry
        tag, kind = struct.unpack_from(order + "HH", data, at)
        code = {1: "B", 3: "H", 4: "I", 16: "Q"}.get(kind)
        (number,) = struct.unpack_from(order + ("Q" if big else "I"), data, at + 4)
        if code is None or not number:
            continue
        where, length = at + offset, struct.calcsize(order + code)
        if length * number > entry - offset:  # the values lie elsewhere
            (where,) = struct.unpack_from(order + ("Q" if big else "I"), data, where)
        if where + length <= len(data):
            (value,) = struct.unpack_from(order + code, data, where)
            tags[tag] = Tag(value, where, order + code)
    following = place + count * entry
    if following + (8 if big else 4) > len(data):
        return tags, 0
    return tags, struct.unpack_from(order + ("Q" if big else "I"), data, following)[0]
