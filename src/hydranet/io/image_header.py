"""What the header of an image file states, read before anything is decoded: a small file can declare a huge image.

PNG (ISO/IEC 15948), JPEG (ITU-T T.81, annex B), TIFF 6.0 and BigTIFF, EXIF 2.3 (CIPA DC-008), WebP (RFC 9649), BMP,
GIF89a, PNM (Netpbm), AVIF (ISO/IEC 23008-12: the `ispe` property).
"""

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hydranet.io.tiff_tags import (
    BITS_TAG,
    COLORS_TAG,
    EXTRA_TAG,
    HEIGHT_TAG,
    LAB,
    ORIENTATION_TAG,
    PREMULTIPLIED,
    SAMPLES_TAG,
    SUBFILE_TAG,
    WIDTH_TAG,
    tiff_directory,
    tiff_tags,
)

JPEG, PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
PALETTE, GRAY = 3, 0
"""Color types of PNG: pixels are indices of colors; pixels are gray."""
SAMPLES = {GRAY: 1, 2: 3, PALETTE: 1, 4: 2, 6: 4}
"""Numbers per pixel of each color type of PNG."""
DEFLATED = 1032
"""Most bytes that one compressed byte stands for (RFC 1951): 258 bytes for a length and a distance of a bit each."""
START_OF_SCAN, APP1 = 0xDA, 0xE1
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
"""Markers of JPEG segments that state the size."""
ARITHMETIC = 0xC9
"""From this frame marker on the entropy coder is arithmetic, which has no least length of a block."""
GIF_IMAGE, GIF_EXTENSION = 0x2C, 0x21
"""What the blocks of a GIF begin with."""
AVIF_TURNS = ((1, 4, 2), (8, 5, 7), (3, 2, 4), (6, 7, 5))
"""EXIF orientation by quarter turns counterclockwise (`irot`) and then no mirror, axis 0 or axis 1 (`imir`)."""


@dataclass(frozen=True)
class Header:
    """What a file declares about its first image.

    size:        height and width in pixels as stored.
    orientation: EXIF's 1..8, how to turn the stored pixels upright; 1 = as they are.
    bits:        bits per sample that the values fill, where the format states it; 0 = not stated.
    color_type:  of a PNG, else -1.
    least_bytes: a whole file is not shorter.
    several:     whether other images follow the first one: an animation, or pages.
    white:       the largest value where that is no 2 ** n - 1 from 255; 0 = it is.
    premultiplied: whether colors are stored multiplied by their transparency.
    odd_colors: the name of a color space that is not read; "" = it is.
    """

    format: str
    size: tuple[int, int]
    orientation: int = 1
    bits: int = 0
    color_type: int = -1
    least_bytes: int = 0
    several: bool = False
    white: int = 0
    premultiplied: bool = False
    odd_colors: str = ""


def read_header(data: bytes) -> Header | None:
    """The header of a file, None where it is damaged or of no format that is read here."""
    for start, parse in PARSERS:
        if re.match(start, data, re.DOTALL):
            try:
                header = parse(data)
            except (struct.error, ValueError, IndexError):
                return None
            return header if header is not None and min(header.size) > 0 else None
    return None


def png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, begin and end of the content of every chunk of a PNG, as far as they go."""
    place = len(PNG)
    while place + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        yield data[place + 4 : place + 8], place + 8, place + 8 + length
        place += 12 + length


def _png(data: bytes) -> Header:
    width, height, bits, color_type = struct.unpack_from(">IIBB", data, 16)
    orientation, several = 1, False
    least = width * height * bits * SAMPLES.get(color_type, 1) // 8 // DEFLATED
    for name, begin, end in png_chunks(data):
        if name == b"IEND":
            break  # what follows is no part of the image
        least = max(least, end)  # a decoder would make room for the gigabytes that a damaged length states
        several = several or (name == b"acTL" and int.from_bytes(data[begin : begin + 4], "big") > 1)
        if name == b"eXIf":
            orientation = _exif_orientation(data[begin:end])
    return Header("PNG", (height, width), orientation, bits if bits < 16 else 0, color_type, least, several)


def jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, begin and end of the content of every segment of a JPEG before its first scan, and of that scan."""
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == 0xFF:  # fill byte
            place += 1
        elif marker == 0x01 or 0xD0 <= marker <= 0xD8:  # markers without a length
            place += 2
        else:
            end = place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")
            yield marker, place + 4, end
            if marker == START_OF_SCAN:
                return
            place = end


def _jpeg(data: bytes) -> Header | None:
    size, orientation, least = None, 1, 0
    for marker, begin, end in jpeg_segments(data):
        if marker in FRAMES and size is None:
            size = struct.unpack_from(">HH", data, begin + 1)
            # every 8x8 block of the largest component costs at least one bit
            least = -(-size[0] // 8) * -(-size[1] // 8) // 8 if marker < ARITHMETIC else 0
        if marker == APP1 and data[begin : begin + 6] == b"Exif\0\0":
            orientation = _exif_orientation(data[begin + 6 : end])
    return None if size is None else Header("JPEG", size, orientation, 8, least_bytes=least)


def _exif_orientation(block: bytes) -> int:
    try:
        tags = tiff_tags(block)
    except (struct.error, ValueError):
        return 1
    value = tags[ORIENTATION_TAG].value if ORIENTATION_TAG in tags else 1
    return value if 1 <= value <= 8 else 1


def _tiff(data: bytes) -> Header:
    values, following = tiff_directory(data)
    tags = {tag: one.value for tag, one in values.items()}
    bits = tags.get(BITS_TAG, 1)
    filled = 16 if 8 < bits < 16 else bits if bits <= 8 else 0  # OpenCV widens 10, 12, 14 bits to 16
    size = tags.get(HEIGHT_TAG, 0), tags.get(WIDTH_TAG, 0)
    several = bool(following) and _is_page(data, following)
    multiplied = tags.get(EXTRA_TAG) == PREMULTIPLIED and tags.get(SAMPLES_TAG) == 4
    return Header(
        "TIFF",
        size,
        _exif_orientation(data),
        filled,
        several=several,
        premultiplied=multiplied,
        odd_colors=LAB.get(tags.get(COLORS_TAG, 0), ""),
    )


def _is_page(data: bytes, place: int) -> bool:
    """Whether a directory of a TIFF is another image, not the same one smaller."""
    try:
        kind = tiff_directory(data, place)[0].get(SUBFILE_TAG)
    except struct.error:
        return False
    return kind is None or not kind.value & 1


def _bmp(data: bytes) -> Header:
    (length,) = struct.unpack_from("<I", data, 14)
    width, height = struct.unpack_from("<HH" if length == 12 else "<ii", data, 18)
    return Header("BMP", (abs(height), abs(width)), bits=8)


def _gif(data: bytes) -> Header:
    width, height = struct.unpack_from("<HH", data, 6)
    return Header("GIF", (height, width), bits=8, several=_gif_images(data) > 1)


def _gif_images(data: bytes) -> int:
    """How many images a GIF holds, as far as it goes, at most 2: an animation need not state durations."""
    place, count = 13 + _gif_colors(data[10]), 0
    while place + 10 <= len(data) and count < 2 and data[place] in (GIF_IMAGE, GIF_EXTENSION):
        if data[place] == GIF_IMAGE:
            count += 1
            place += 11 + _gif_colors(data[place + 9])
        else:
            place += 2
        while place < len(data) and data[place]:  # blocks of up to 255 bytes; an empty one ends them
            place += 1 + data[place]
        place += 1
    return count


def _gif_colors(flags: int) -> int:
    """Bytes of the color table that flags announce."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _webp(data: bytes) -> Header | None:
    size, orientation, place, several = None, 1, 12, False
    while place + 8 <= len(data):
        name, (length,) = data[place : place + 4], struct.unpack_from("<I", data, place + 4)
        body = data[place + 8 : place + 8 + (length if name == b"EXIF" else 10)]
        if name == b"EXIF":
            orientation = _exif_orientation(body.removeprefix(b"Exif\0\0"))
        elif name == b"VP8X":
            size = int.from_bytes(body[7:10], "little") + 1, int.from_bytes(body[4:7], "little") + 1
            several = bool(body[0] & 2)
        elif name == b"VP8 " and size is None:
            width, height = struct.unpack_from("<HH", body, 6)
            size = height & 0x3FFF, width & 0x3FFF
        elif name == b"VP8L" and size is None:
            (packed,) = struct.unpack_from("<I", body, 1)
            size = (packed >> 14 & 0x3FFF) + 1, (packed & 0x3FFF) + 1
        place += 8 + length + length % 2
    return None if size is None else Header("WebP", size, orientation, 8, several=several)


def pnm_words(data: bytes) -> re.Match[bytes] | None:
    """Kind, width, height and the largest value with which a PNM file begins."""
    word = rb"(?:\s+(?:#[^\n]*\n\s*)*)(\d{1,9})"
    return re.match(rb"P([1-6])" + word * 2 + rb"(?:" + word + rb")?", data[:4096])


def _pnm(data: bytes) -> Header | None:
    lines = pnm_words(data)
    if lines is None:
        return None
    greatest = int(lines[4] or 255) if lines[1] not in b"14" else 255
    bits = max(greatest.bit_length(), 8)
    odd = bits <= 16 and greatest + 1 != 1 << bits
    return Header("PNM", (int(lines[3]), int(lines[2])), bits=bits, white=greatest if odd else 0)


def _avif(data: bytes) -> Header | None:
    head = data[: 1 << 16]
    sizes = [struct.unpack_from(">II", head, place.end() + 4) for place in re.finditer(b"ispe", head)]
    turned, mirrored = re.search(b"irot(.)", head, re.DOTALL), re.search(b"imir(.)", head, re.DOTALL)
    orientation = AVIF_TURNS[turned[1][0] & 3 if turned else 0][1 + (mirrored[1][0] & 1) if mirrored else 0]
    if not sizes:
        return None
    brands = head[8 : int.from_bytes(head[:4], "big")]
    counts = [struct.unpack_from(">I", head, place.end() + 8)[0] for place in re.finditer(b"stsz", head)]
    size = max(h for _, h in sizes), max(w for w, _ in sizes)
    return Header("AVIF", size, orientation, 8, several=b"avis" in brands and max(counts, default=2) > 1)


PARSERS: tuple[tuple[bytes, Callable[[bytes], Header | None]], ...] = (
    (re.escape(PNG), _png),
    (re.escape(JPEG), _jpeg),
    (rb"II[\x2a\x2b]\x00|MM\x00[\x2a\x2b]", _tiff),
    (rb"BM", _bmp),
    (rb"GIF8[79]a", _gif),
    (rb"RIFF....WEBP", _webp),
    (rb"P[1-6]\s", _pnm),
    (rb"....ftypavi[fs]", _avif),
)
"""What a file of each format begins with, and how its header is read."""
