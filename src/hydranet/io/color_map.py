"""Images in which every pixel's color stands for a class."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from hydranet.annotations import UNKNOWN_ID, ClassMap
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError, unknown
from hydranet.io.box_rows import quoted
from hydranet.io.class_map import fitted_map
from hydranet.io.images import read_map
from hydranet.io.orientation import Extent

NAMED = 5
"""Colors that a message names."""

Colors = Mapping[str, str | None]
"""{color, as "#804080" or "128 64 128": class name, or None for unknown}."""


def parse_color(text: str) -> int:
    """A color as one number, red first. Raises SpecError for what is none."""
    digits = re.fullmatch(r"#?([0-9a-fA-F]{6})", text.strip())
    if digits and (text.strip().startswith("#") or not text.strip().isdecimal()):
        return int(digits[1], 16)
    parts = re.fullmatch(r"[(\[]?\s*(\d{1,3})[\s,]+(\d{1,3})[\s,]+(\d{1,3})\s*[)\]]?", text.strip(), re.ASCII)
    if parts is None or max(map(int, parts.groups())) > 255:
        raise SpecError(f"got color {quoted(text)}, expected '#804080' or '128 64 128'; correct it")
    red, green, blue = map(int, parts.groups())
    return red << 16 | green << 8 | blue


@dataclass(frozen=True)
class ColorCoding:
    """Which color stands for which class.

    classes: class names in the order of ids.    colors: every color that occurs.
    """

    classes: tuple[str, ...]
    colors: Colors

    def __post_init__(self) -> None:
        numbers = [parse_color(color) for color in self.colors]
        if len(set(numbers)) != len(numbers):
            raise SpecError("got a color twice in colors, expected every color once; remove one")
        for name in self.colors.values():
            if name is not None and name not in self.classes:
                raise SpecError(unknown(name, self.classes, "class of the masks (in colors)"))

    @cached_property
    def table(self) -> tuple[np.ndarray, np.ndarray]:
        """The colors as sorted numbers (int n) and the class id of each (uint8 n)."""
        ids = {parse_color(c): UNKNOWN_ID if n is None else self.classes.index(n) for c, n in self.colors.items()}
        return np.array(sorted(ids)), np.array([ids[color] for color in sorted(ids)], np.uint8)


def read_color_map(path: Path, coding: ColorCoding, extent: Extent | None = None) -> ClassMap:
    """Class ids by the color of each pixel, of color images and of palettes alike; transparency does not count.

    Raises DataError for a broken file, one of another size than its image (`extent`), and a color without a meaning.
    """
    stored = read_map(path)
    if stored.dtype != np.uint8:
        raise DataError(f"{path} holds {stored.dtype}, expected colors of 8 bits; convert it")
    stored = fitted_map(path, stored, extent)
    packed = pack(stored)
    colors, ids = coding.table
    place = np.searchsorted(colors, packed).clip(max=len(colors) - 1)
    foreign = colors[place] != packed
    if foreign.any():
        foreign_colors, count = np.unique(packed[foreign], return_counts=True)
        order = np.argsort(-count)[:NAMED]
        lossy = "; JPEG blurs colors: masks must be PNG" if path.suffix.lower() in (".jpg", ".jpeg") else ""
        raise DataError(
            f"{path} holds colors without a meaning in {foreign.mean():.1%} of its pixels, most often "
            f"{', '.join(named(foreign_colors[order].tolist()))}; add them to colors, or map them to None for "
            f"unknown{lossy}"
        )
    return ClassMap(ids[place])


def pack(pixels: np.ndarray) -> np.ndarray:
    """Colors (uint8 h w 3, or h w of gray) as one number per pixel, int32 h w, red first."""
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    wide = pixels.astype(np.int32)
    return wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]


def named(colors: Sequence[int]) -> list[str]:
    """Colors as "#rrggbb"."""
    return [f"#{color:06x}" for color in colors]
