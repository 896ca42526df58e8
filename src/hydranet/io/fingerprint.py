"""What identifies an image: its pixels, exactly, and what it looks like; and what identifies a label."""

import hashlib
from collections.abc import Iterable

import cv2
import numpy as np

LOOK_BITS = 256
NEAR_BITS = 12
"""Images whose looks differ in at most this many of 256 bits are most likely the same, scaled or compressed anew."""


def content(image: np.ndarray) -> str:
    """Sixteen hex digits of the decoded pixels (uint8 h w 3) and their size: equal for equal images only."""
    digest = hashlib.sha256(repr(image.shape).encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()[:16]


def perceptual_hash(image: np.ndarray) -> str:
    """64 hex digits: whether each of 16 x 16 places gets brighter to its right (difference hash, dHash)."""
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(gray, (17, 16), interpolation=cv2.INTER_AREA).astype(np.int16)
    return np.packbits(small[:, 1:] > small[:, :-1]).tobytes().hex()


def values(arrays: Iterable[np.ndarray]) -> str:
    """Sixteen hex digits of the numbers in some arrays, bit by bit, and of their shapes."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


def bits(looks: list[str]) -> np.ndarray:
    """uint8 n 32 of n looks."""
    return np.frombuffer(bytes.fromhex("".join(looks)), dtype=np.uint8).reshape(len(looks), LOOK_BITS // 8)


def nearest(looks: np.ndarray, among: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each of n looks the number of differing bits to the nearest of m others, and its place; int n and n."""
    best, place = np.full(len(looks), LOOK_BITS + 1), np.zeros(len(looks), dtype=np.int64)
    for i, one in enumerate(looks):
        if len(among):
            differing = np.bitwise_count(np.bitwise_xor(among, one)).sum(1)
            place[i] = differing.argmin()
            best[i] = differing[place[i]]
    return best, place
