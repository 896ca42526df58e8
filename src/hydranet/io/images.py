"""The one way an image file is read: for training, for prediction and for labels that are images."""

import os
import struct
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.io.as_stored import plain_pnm, plain_tiff, stretched, undarkened
from hydranet.io.image_header import GRAY, PALETTE, PNG, Header, png_chunks, read_header
from hydranet.io.missing_file import MissingFile
from hydranet.io.orientation import Extent, turn
from hydranet.io.truncation import is_whole

IMAGES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".ppm", ".pgm", ".tif", ".tiff", ".gif", ".avif")
"""Suffixes of image files."""

PIXELS_VARIABLE = "HYDRANET_MAX_PIXELS"
"""Environment variable with the most pixels that an image may have."""
MAX_PIXELS = 100_000_000
"""The limit without that variable: 300 MB in memory, twice the largest sensor of a usual camera."""

TWELVE_BITS = 4095
FEW_GRAYS = 32
TURN_CURE = "save the image upright (`magick mogrify -auto-orient FILE`)"


class ImageWarning(UserWarning):
    """Something about an image that is read by a rule which may not be what the user means."""


@dataclass(frozen=True, eq=False)
class ImageFile:
    """An image as read: uint8 h w 3 RGB, upright; and how it was stored."""

    rgb: np.ndarray
    extent: Extent


def max_pixels() -> int:
    """The most pixels that an image may have. Raises SpecError where the environment variable is no such number."""
    text = os.environ.get(PIXELS_VARIABLE, "")
    try:
        limit = float(text or MAX_PIXELS)
        return int(limit) if limit >= 1 else _refuse_limit(text)
    except (ValueError, OverflowError):
        return _refuse_limit(text)


def _refuse_limit(text: str) -> int:
    raise SpecError(f"got {PIXELS_VARIABLE}={text[:20]!r}, expected a number of pixels from 1, such as {MAX_PIXELS}")


def read_image(path: Path) -> ImageFile:
    """An image, upright as its EXIF tag says, as viewers and annotation tools show it.

    Gray, transparent (the colors under the transparency) and CMYK images become RGB. Those of a PNM file whose largest
    value is no 2 ** n - 1 from 255 are scaled to 0..255. Other samples of more than 8 bits
    are cut to the upper 8 of their 16 bits; to the upper 8 of 12, with an ImageWarning, where none is above 4095, as
    12-bit cameras write them. The rule depends on nothing else in the image, so that a scene keeps its brightness.

    Raises DataError for a missing, cut off or broken file, floating-point samples, or more pixels than `max_pixels`.
    """
    data = read_whole(path)
    return _image(path, data, _header(path, data, max_pixels()))


def header_of(name: str, data: bytes, limit: int) -> Header:
    """What the bytes of a whole image file declare, before anything is decoded. name: for messages.

    Raises DataError for what `decode_image` would refuse by its header alone: no image, cut off, more pixels than
    `limit`.
    """
    _check_whole(Path(name), data)
    return _header(Path(name), data, limit)


def decode_image(name: str, data: bytes, limit: int) -> np.ndarray:
    """The bytes of an image file as `read_rgb` reads a file: uint8 h w 3, RGB, upright. Raises DataError.

    name: for messages.    limit: most pixels that it may have.
    """
    return _image(Path(name), data, header_of(name, data, limit)).rgb


def _image(path: Path, data: bytes, header: Header) -> ImageFile:
    if header.several:
        warnings.warn(
            "of files that hold several images (animations, pages of a TIFF) only the first one is read; save the "
            "others as files of their own, or an animation as a video",
            ImageWarning,
            stacklevel=3,
        )
    deep = cv2.IMREAD_ANYDEPTH if header.format in ("PNG", "TIFF", "PNM") else 0
    if header.premultiplied:
        stored = undarkened(_decode(path, data, cv2.IMREAD_UNCHANGED, header))
    else:
        stored = _decode(path, data, cv2.IMREAD_COLOR | deep, header)
    upright = turn(_in_8_bits(path, stretched(stored, header.white), header.bits), header.orientation)
    return ImageFile(cv2.cvtColor(upright, cv2.COLOR_BGR2RGB), Extent(upright.shape[:2], header.orientation))


def read_rgb(path: Path) -> np.ndarray:
    """The pixels of `read_image`: uint8 h w 3, RGB, upright. Raises DataError."""
    return read_image(path).rgb


def read_unturned(path: Path) -> np.ndarray:
    """The pixels of an image that comes with a camera's calibration. Raises DataError, also where EXIF turns it."""
    image = read_image(path)
    if image.extent.orientation != 1:
        raise DataError(
            f"{path} has EXIF orientation {image.extent.orientation}, expected 1: its calibration belongs to one "
            f"of the two images; {TURN_CURE}"
        )
    return image.rgb


def read_map(path: Path) -> np.ndarray:
    """A label image: uint8 or uint16 as stored, h w (or h w 3 in RGB order), upright. Raises DataError."""
    data = read_whole(path)
    header = _header(path, data, max_pixels())
    pixels = _decode(path, data, cv2.IMREAD_UNCHANGED, header)
    return turn(_in_rgb(pixels), header.orientation)


def read_ids(path: Path) -> np.ndarray:
    """An image of ids as `read_map` reads it; of a PNG with a palette the indices, of 1, 2 or 4 bits the values.

    Raises DataError.
    """
    data = read_whole(path)
    header = _header(path, data, max_pixels())
    if header.color_type not in (GRAY, PALETTE) or (header.color_type == GRAY and header.bits in (0, 8)):
        return turn(_in_rgb(_decode(path, data, cv2.IMREAD_UNCHANGED, header)), header.orientation)
    # decoders turn indices into colors and stretch few bits to 0..255: so the file is decoded as plain gray
    pixels = _decode(path, _as_gray(data), cv2.IMREAD_GRAYSCALE, header)
    step = 255 // ((1 << header.bits) - 1)
    return turn(pixels // step, header.orientation)


def read_whole(path: Path) -> bytes:
    """The bytes of an image file that is not cut off. Raises DataError."""
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise MissingFile(f"missing file {path}; restore it or leave it out") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise DataError(f"cannot read {path}: {reason}; check its name, its owner and its disk") from error
    _check_whole(path, data)
    return data


def _check_whole(path: Path, data: bytes) -> None:
    if not is_whole(data):
        raise DataError(f"{path} is cut off ({len(data)} bytes without an end); restore it or leave it out")


def _header(path: Path, data: bytes, limit: int) -> Header:
    header = read_header(data)
    if header is None:
        raise _broken(path, data)
    height, width = header.size
    if height * width > limit:
        raise DataError(
            f"{path} declares {width}x{height} pixels, expected at most {limit / 1e6:g} million; make it smaller, "
            f"leave it out or raise the limit ({PIXELS_VARIABLE} or --max-pixels)"
        )
    if header.odd_colors:
        raise DataError(f"{path} has its colors in {header.odd_colors}, expected gray or RGB; save it as RGB")
    if len(data) < header.least_bytes:
        raise DataError(
            f"{path} is cut off ({len(data)} bytes, expected {header.least_bytes} or more for its {width}x{height} "
            "pixels); restore it or leave it out"
        )
    return header


def _decode(path: Path, data: bytes, flags: int, header: Header) -> np.ndarray:
    """The stored pixels, never turned. Raises DataError."""
    if header.format == "TIFF":
        data = plain_tiff(data)
    if header.format == "PNM":
        data = plain_pnm(data, header.white)
    try:
        pixels = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        reason = " ".join(error.err.split())[:120]
        raise DataError(f"cannot decode {path}: {reason}; convert it to PNG or leave it out") from error
    if pixels is None:
        if header.format in ("GIF", "AVIF"):
            raise DataError(
                f"broken image {path}, or an OpenCV {cv2.__version__} that reads no {header.format}; convert it to PNG"
            )
        raise _broken(path, data)
    if pixels.shape[:2] != header.size:
        raise DataError(
            f"broken image {path}: declares {header.size[1]}x{header.size[0]} pixels, holds "
            f"{pixels.shape[1]}x{pixels.shape[0]}; restore it or convert it to PNG"
        )
    return pixels


def _broken(path: Path, data: bytes) -> DataError:
    return DataError(f"broken image {path} ({len(data)} bytes cannot be decoded); restore it or leave it out")


def _in_rgb(pixels: np.ndarray) -> np.ndarray:
    if pixels.ndim == 2:
        return pixels
    if pixels.shape[2] == 2:  # gray with transparency
        return np.ascontiguousarray(pixels[..., 0])
    return cv2.cvtColor(pixels[..., :3], cv2.COLOR_BGR2RGB)


def _in_8_bits(path: Path, pixels: np.ndarray, bits: int) -> np.ndarray:
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype != np.uint16:
        raise DataError(f"{path} holds {pixels.dtype} samples, expected 8 or 16 bits; convert it to PNG")
    if not bits:
        bits = 16 if pixels.max() > TWELVE_BITS else 12
        if bits == 12:
            warnings.warn(
                "16-bit images without a value above 4095 are read as 12-bit images (value / 16); "
                "save them as 8-bit images where that is wrong",
                ImageWarning,
                stacklevel=3,
            )
    narrow = np.minimum(pixels >> (bits - 8), 255).astype(np.uint8)
    if bits == 16 and int(narrow.max()) - int(narrow.min()) < FEW_GRAYS and narrow.size > 1:
        warnings.warn(
            f"16-bit images use fewer than {FEW_GRAYS} of 256 gray levels (value / 256), as thermal cameras write "
            "them; stretch a fixed range of theirs to 8 bits before",
            ImageWarning,
            stacklevel=3,
        )
    return narrow


def _as_gray(data: bytes) -> bytes:
    """A PNG of indices as one of gray values: another color type, no palette, no transparency."""
    parts = [PNG]
    for name, begin, end in png_chunks(data):
        body = data[begin:end]
        if name == b"IHDR":
            body = body[:9] + bytes([GRAY]) + body[10:]
        if name in (b"IHDR", b"IDAT", b"IEND"):
            parts.append(struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)))
    return b"".join(parts)
