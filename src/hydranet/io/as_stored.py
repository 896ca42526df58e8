"""TIFF and PNM: their pixels as they are stored, where OpenCV would turn, darken or stretch them."""

import struct

import numpy as np

from hydranet.io.image_header import pnm_words
from hydranet.io.tiff_tags import APART, EXTRA_TAG, ORIENTATION_TAG, PREMULTIPLIED, tiff_tags


def plain_tiff(data: bytes) -> bytes:
    """A TIFF whose pixels OpenCV gives as they are stored: it turns them whatever the flags say, and multiplies them by
    transparency that is stored apart."""
    tags, plain = tiff_tags(data), bytearray(data)
    for name, value in ((ORIENTATION_TAG, 1), (EXTRA_TAG, PREMULTIPLIED)):
        if (tag := tags.get(name)) and (name == ORIENTATION_TAG or tag.value == APART):
            struct.pack_into(tag.code, plain, tag.place, value)
    return bytes(plain)


def plain_pnm(data: bytes, white: int) -> bytes:
    """A PNM of text as OpenCV reads its numbers as they stand: it stretches those with a white below 255, and misses
    the last one where no space follows."""
    words = pnm_words(data)
    if words is None or words[1] not in b"123":
        return data
    if 0 < white < 255:
        data = data[: words.start(4)] + b"255" + data[words.end(4) :]
    return data + b"\n"


def stretched(pixels: np.ndarray, white: int) -> np.ndarray:
    """Values up to 255 where the file states a white that is no 2 ** n - 1; 0 = it does not."""
    if not white:
        return pixels
    table = (np.arange(white + 1) * 255 + white // 2) // white
    return table.astype(np.uint8)[np.minimum(pixels, white)]


def undarkened(pixels: np.ndarray) -> np.ndarray:
    """The colors of pixels h w 4 that were multiplied by their transparency, as far as they were kept."""
    if pixels.ndim != 3 or pixels.shape[2] != 4 or pixels.dtype.kind != "u":
        return pixels
    opaque, alpha = np.iinfo(pixels.dtype).max, np.maximum(pixels[..., 3:].astype(np.uint64), 1)
    return np.minimum((pixels[..., :3] * np.uint64(opaque) + alpha // 2) // alpha, opaque).astype(pixels.dtype)
