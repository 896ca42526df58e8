"""Colors, text and bands: what drawing every kind of annotation has in common. RGB, uint8, numpy and OpenCV only."""

import colorsys
from collections.abc import Sequence

import cv2
import numpy as np

Color = tuple[int, int, int]
"""Red, green, blue; 0..255."""

DARK: Color = (22, 24, 28)
LIGHT: Color = (240, 240, 240)

LUMINANCE = (0.299, 0.587, 0.114)
"""How light red, green and blue look."""

_HUES, _FIRST = 36, (31, 119, 220)


def palette(n: int) -> list[Color]:
    """n colors that are as different to the eye as they can be; the first ones are always the same.

    Each is the saturated color farthest, in CIELAB, from those before it and from gray. Raises ValueError beyond 144.
    """
    levels = ((0.75, 0.95), (0.45, 1.0), (0.85, 0.6), (0.4, 0.65))
    candidates = [colorsys.hsv_to_rgb(i / _HUES, s, v) for s, v in levels for i in range(_HUES)]
    if n > len(candidates):
        raise ValueError(f"got {n} classes to color, expected at most {len(candidates)}; pass your own colors")
    lab = lab_of(np.array([_FIRST, (128, 128, 128), *np.array(candidates) * 255]) / 255)
    chosen: list[Color] = [_FIRST]
    distance = np.minimum(*np.linalg.norm(lab[:2, None] - lab[2:], axis=-1))
    while len(chosen) < n:
        farthest = int(distance.argmax())
        red, green, blue = (round(255 * c) for c in candidates[farthest])
        chosen.append((red, green, blue))
        distance = np.minimum(distance, np.linalg.norm(lab[2:] - lab[2 + farthest], axis=-1))
    return chosen[:n]


def lab_of(rgb: np.ndarray) -> np.ndarray:
    """float n 3 in 0..1 RGB as CIELAB, in which distances are as the eye sees them."""
    return cv2.cvtColor(rgb[None].astype(np.float32), cv2.COLOR_RGB2Lab)[0]


def readable(color: Color) -> Color:
    """Black or white, whichever can be read on this color."""
    return DARK if np.dot(color, LUMINANCE) > 128 else LIGHT


def line_px(image: np.ndarray) -> int:
    """Width of a line that looks the same on small and large images."""
    return max(1, round(min(image.shape[:2]) / 240))


def text_px(image: np.ndarray) -> int:
    """Height of a line of text that looks the same on small and large images."""
    return max(13, round(min(image.shape[:2]) / 24))


def width_of(text: str, height: int) -> int:
    """Width of a line of text in pixels."""
    return cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, height / 32, 1)[0][0]


def write(image: np.ndarray, text: str, x: float, y: float, height: int, color: Color = LIGHT) -> None:
    """Writes one line, `height` pixels high, with its top-left corner at (x, y); in place."""
    at = round(x), round(y + 0.74 * height)
    thickness = max(1, round(height / 18))
    cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, height / 32, color, thickness, cv2.LINE_AA)


Rectangle = tuple[int, int, int, int]
"""Left, top, right, bottom in whole pixels."""


def plate(image: np.ndarray, text: str, box: np.ndarray, color: Color, taken: Sequence[Rectangle]) -> Rectangle:
    """Writes text on a filled plate at a box, preferably above it, where no plate is yet; in place.

    box: left top right bottom.    Returns the place, always inside the image, to be added to `taken`.
    """
    height = text_px(image)
    width = width_of(text, height) + height // 2
    places = []
    for x, y in ((box[0], box[1] - height), (box[0], box[3]), (box[2] - width, box[1] - height), (box[0], box[1])):
        left = min(max(0, round(x)), max(0, image.shape[1] - width))
        top = min(max(0, round(y)), max(0, image.shape[0] - height))
        places.append((left, top, left + width, top + height))
    left, top, right, bottom = min(places, key=lambda place: sum(_overlap(place, other) for other in taken))
    image[top:bottom, left:right] = color
    write(image, text, left + height // 4, top, height, readable(color))
    return left, top, right, bottom


def _overlap(a: Rectangle, b: Rectangle) -> int:
    return max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))


def shade(image: np.ndarray, top: int, bottom: int) -> None:
    """Darkens some rows of the image so that a legend can be read there; in place."""
    image[top:bottom] = image[top:bottom] // 4 + np.array(DARK, dtype=np.uint8) // 2


def blend(image: np.ndarray, over: np.ndarray, where: np.ndarray, opacity: float) -> np.ndarray:
    """The image with `over` (uint8 h w 3) laid over it where `where` (bool h w) holds."""
    mixed = over if opacity == 1 else cv2.addWeighted(over, opacity, image, 1 - opacity, 0)
    return cv2.copyTo(np.ascontiguousarray(mixed), where.astype(np.uint8), image.copy())


def name_of(classes: Sequence[str], index: int) -> str:
    """The name of a class id, "class 7" where there is none."""
    return classes[index] if 0 <= index < len(classes) else f"class {index}"


def headline(image: np.ndarray, texts: Sequence[str]) -> np.ndarray:
    """Large text at the top of the image; in place."""
    height = round(1.3 * text_px(image))
    shade(image, 0, len(texts) * (height + 4) + 8)
    for i, text in enumerate(texts):
        write(image, text, height // 2, 6 + i * (height + 4), height)
    return image
