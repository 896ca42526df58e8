"""Traffic signs as flat polygons: the same designs stand on poles in the scenes and fill the crops of `SceneSigns`.

The plate spans -1..1 in x (right) and y (up). The designs are our own drawings in the manner of the Vienna convention.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np

from hydranet.datasets.scenes.mesh import Color

CLASSES = (
    "stop",
    "yield",
    "no entry",
    "priority road",
    "turn left",
    "turn right",
    "speed 30",
    "speed 50",
    "curve left",
    "curve right",
)

MIRROR = (-1, 1, 2, 3, 5, 4, -1, -1, 9, 8)
"""What each class becomes when the image is flipped; mirrored letters and digits are no sign (-1)."""

RED, WHITE, BLACK = (0.72, 0.06, 0.08), (0.93, 0.93, 0.92), (0.05, 0.05, 0.05)
BLUE, YELLOW = (0.05, 0.22, 0.62), (0.95, 0.75, 0.08)

Patch = tuple[np.ndarray, Color]
"""A convex polygon (float k 2, counter-clockwise with y up) and its color."""

SEGMENTS = {"0": "abcdef", "3": "abgcd", "5": "afgcd", "S": "afgcd", "T": "ahi", "O": "abcdef", "P": "abefg"}
"""Strokes of letters on a display of segments (a top, b c right, d bottom, e f left, g middle, h i a stem)."""


@cache
def design(label: int) -> tuple[Patch, ...]:
    """The polygons of a sign, from the plate itself to the innermost mark."""
    match CLASSES[label]:
        case "stop":
            plate = _ring(8, 1.0, WHITE, np.pi / 8) + _ring(8, 0.92, RED, np.pi / 8)
            return (*plate, *_text("STOP", 1.36, 0.5, WHITE, 0.27))
        case "yield":
            return (*_triangle(1.0, RED, up=False), *_triangle(0.66, WHITE, up=False))
        case "no entry":
            return (*_ring(12, 1.0, WHITE), *_ring(12, 0.94, RED), (_box(-0.66, -0.17, 0.66, 0.17), WHITE))
        case "priority road":
            return (*_ring(4, 1.0, BLACK), *_ring(4, 0.95, WHITE), *_ring(4, 0.64, YELLOW))
        case "turn left" | "turn right" as name:
            return (*_ring(12, 1.0, WHITE), *_ring(12, 0.94, BLUE), *_mirrored(_arrow(), name == "turn left"))
        case "speed 30" | "speed 50" as name:
            rings = _ring(12, 1.0, RED) + _ring(12, 0.72, WHITE)
            return (*rings, *_text(name[-2:], 0.94, 0.78, BLACK, 0.24))
        case "curve left" | "curve right" as name:
            plate = _triangle(1.0, RED, up=True) + _triangle(0.66, WHITE, up=True)
            return (*plate, *_mirrored(_bend(), name == "curve left"))
    raise ValueError(f"got sign {label}, expected 0..{len(CLASSES) - 1}")


def _ring(n: int, radius: float, color: Color, turn: float = 0.0) -> tuple[Patch, ...]:
    angle = turn - np.pi / 2 + 2 * np.pi * np.arange(n) / n
    return ((radius * np.stack([np.cos(angle), np.sin(angle)], axis=1), color),)


def _triangle(size: float, color: Color, up: bool) -> tuple[Patch, ...]:
    points = size * np.array([(-1.0, -0.58), (1.0, -0.58), (0.0, 1.15)])
    return ((points - (0, 0.18) if up else (-points + (0, 0.18)), color),)


def _box(left: float, low: float, right: float, high: float) -> np.ndarray:
    return np.array([(left, low), (right, low), (right, high), (left, high)])


def _mirrored(patches: tuple[Patch, ...], mirror: bool) -> tuple[Patch, ...]:
    return tuple((points[::-1] * (-1, 1), color) for points, color in patches) if mirror else patches


def _arrow() -> tuple[Patch, ...]:
    """Up, then to the right."""
    head = np.array([(0.22, -0.22), (0.68, 0.16), (0.22, 0.54)])
    return (_box(-0.42, -0.6, -0.14, 0.3), WHITE), (_box(-0.42, 0.02, 0.24, 0.3), WHITE), (head, WHITE)


def _bend() -> tuple[Patch, ...]:
    """A road that bends to the right."""
    slant = np.array([(-0.24, -0.12), (-0.04, -0.12), (0.26, 0.22), (0.06, 0.22)])
    head = np.array([(-0.06, 0.14), (0.34, 0.1), (0.26, 0.48)])
    return (_box(-0.24, -0.56, -0.04, -0.12), BLACK), (slant, BLACK), (head, BLACK)


def _text(text: str, width: float, height: float, color: Color, stroke: float) -> tuple[Patch, ...]:
    """Letters side by side, centered; `stroke` is the thickness of a line relative to a letter's width."""
    step = width / len(text)
    patches: list[Patch] = []
    for k, letter in enumerate(text):
        left = -width / 2 + k * step + 0.08 * step
        patches += [(box, color) for box in _letter(letter, left, 0.84 * step, height, stroke)]
    return tuple(patches)


def _letter(letter: str, left: float, width: float, height: float, stroke: float) -> Sequence[np.ndarray]:
    t, right, low, high = stroke * width, left + width, -height / 2, height / 2
    middle = left + width / 2
    strokes = {
        "a": (left, high - t, right, high),
        "b": (right - t, 0.0, right, high),
        "c": (right - t, low, right, 0.0),
        "d": (left, low, right, low + t),
        "e": (left, low, left + t, 0.0),
        "f": (left, 0.0, left + t, high),
        "g": (left, -t / 2, right, t / 2),
        "h": (middle - t / 2, 0.0, middle + t / 2, high),
        "i": (middle - t / 2, low, middle + t / 2, 0.0),
    }
    return [_box(*strokes[name]) for name in SEGMENTS[letter]]
