"""How the pixels of an image are stored where they are read often: without loss in three ways, and smaller with loss.

Of photos, zstd decodes about six times as fast as PNG and is no larger; WebP is the smallest without loss and takes
longest to write (`benchmarks/packed.py` measures them).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from hydranet.core.extras import needing
from hydranet.core.sample import DataError

ZSTD_LEVEL = 3
PNG_LEVEL = 1
"""Quick to write; higher levels save a few percent."""
WEBP_LOSSLESS = 101
"""OpenCV's quality above 100 means without loss."""
JPEG_QUALITY = 95


class Codec(Protocol):
    """A way to store images, uint8 h w 3 RGB.

    suffix: of a file that holds one.    lossless: whether `decode` gives exactly what `encode` got.
    """

    @property
    def suffix(self) -> str: ...

    @property
    def lossless(self) -> bool: ...

    def encode(self, image: np.ndarray) -> bytes:
        """The bytes of an image."""

    def decode(self, data: bytes, size: tuple[int, int]) -> np.ndarray:
        """The image of a known height and width. Raises DataError for bytes that hold no such image."""


@dataclass(frozen=True)
class Zstd:
    """Rows, each as its difference (modulo 256) to the row above, h w 3 in RGB order, compressed by Zstandard."""

    suffix: str = "rgb.zst"
    lossless: bool = True

    def encode(self, image: np.ndarray) -> bytes:
        """Differences between rows are small numbers, which compress by a third better than the rows."""
        rows = np.ascontiguousarray(image)
        differences = rows.copy()
        differences[1:] -= rows[:-1]
        return squeezed(differences.tobytes())

    def decode(self, data: bytes, size: tuple[int, int]) -> np.ndarray:
        """Adds the differences up again."""
        plain = unsqueezed(data, size[0] * size[1] * 3)
        if len(plain) != size[0] * size[1] * 3:
            raise DataError(f"an image of {size[1]}x{size[0]} pixels has {len(plain)} bytes, expected 3 per pixel")
        image = np.frombuffer(bytearray(plain), dtype=np.uint8).reshape(*size, 3)
        for row in range(1, size[0]):  # quicker than numpy's own sum along rows
            image[row] += image[row - 1]
        return image


@dataclass(frozen=True)
class OfOpenCV:
    """A usual image format, by OpenCV; `options` as `cv2.imencode` takes them."""

    suffix: str
    lossless: bool
    options: tuple[int, ...]

    def encode(self, image: np.ndarray) -> bytes:
        """The image as the bytes of a file."""
        return cv2.imencode(f".{self.suffix}", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), self.options)[1].tobytes()

    def decode(self, data: bytes, size: tuple[int, int]) -> np.ndarray:
        """The image in a file's bytes."""
        pixels = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_COLOR)
        if pixels is None or pixels.shape[:2] != size:
            held = "nothing that can be decoded" if pixels is None else f"{pixels.shape[1]}x{pixels.shape[0]} pixels"
            raise DataError(f"an image of {size[1]}x{size[0]} pixels holds {held}")
        return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


CODECS: Mapping[str, Codec] = {
    "zstd": Zstd(),
    "png": OfOpenCV("png", True, (cv2.IMWRITE_PNG_COMPRESSION, PNG_LEVEL)),
    "webp": OfOpenCV("webp", True, (cv2.IMWRITE_WEBP_QUALITY, WEBP_LOSSLESS)),
    "jpeg": OfOpenCV("jpg", False, (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY)),
}
"""By the word that a command takes."""


def squeezed(data: bytes) -> bytes:
    """Bytes compressed by Zstandard. Raises ImportError naming the extra where that is not installed."""
    with needing("a pack"):
        import zstandard
    return zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress(data)


def unsqueezed(data: bytes, most: int) -> bytes:
    """The inverse of `squeezed`. Raises DataError for other bytes, and for those of more than `most` when unpacked."""
    with needing("a pack"):
        import zstandard
    try:
        size = zstandard.frame_content_size(data)
        if not 0 <= size <= most:
            raise DataError(f"its bytes would become {size}, expected at most {most}")
        return zstandard.ZstdDecompressor().decompress(data)
    except (zstandard.ZstdError, MemoryError) as error:
        raise DataError(f"its bytes cannot be decompressed ({error})") from error
