"""Colors of classes by their names, so that a road has one color in every data set, task and order of classes."""

import colorsys
import hashlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from hydranet.visualization.primitives import LUMINANCE, Color, lab_of, palette

_USUAL: dict[Color, tuple[str, ...]] = {
    (128, 64, 128): ("road", "street", "drivable", "drivable area", "own lane"),
    (244, 35, 232): ("sidewalk", "pavement", "footpath"),
    (70, 70, 70): ("building", "house", "bridge", "tunnel"),
    (102, 102, 156): ("wall",),
    (190, 153, 153): ("fence", "guard rail"),
    (153, 153, 153): ("pole", "column"),
    (250, 170, 30): ("traffic light",),
    (220, 220, 0): ("traffic sign", "sign", "sign symbol"),
    (107, 142, 35): ("vegetation", "tree", "plant", "bush"),
    (152, 251, 152): ("terrain", "grass", "ground", "soil"),
    (70, 130, 180): ("sky",),
    (220, 20, 60): ("person", "pedestrian", "people", "living things"),
    (255, 0, 0): ("rider", "cyclist", "bicyclist", "motorcyclist"),
    (0, 0, 142): ("car", "vehicle", "vehicles"),
    (0, 0, 70): ("truck",),
    (0, 60, 100): ("bus",),
    (0, 80, 100): ("train", "tram"),
    (0, 0, 230): ("motorcycle", "motor", "motorbike"),
    (119, 11, 32): ("bicycle", "bike"),
    (250, 170, 160): ("parking",),
    (255, 255, 255): ("lane marking", "road marking"),
    (70, 200, 160): ("other lane", "adjacent lane"),
    (0, 220, 220): ("edge",),
    (0, 0, 0): ("none", "no", "background"),
}
"""The colors of Cityscapes (Cordts et al. 2016), and what other data sets call its classes."""

_BY_NAME = {name: color for color, names in _USUAL.items() for name in names}

_BACKGROUND = _USUAL[(0, 0, 0)]
"""Classes of pixels that are nothing in particular."""

LIGHT_ENOUGH = 90.0
"""Luminance, of 255, that lines have at least."""

_APART = 22.0
"""Colors of one list are at least this far apart in CIELAB, as long as there is room."""

_LEVELS = ((0.75, 0.95), (0.45, 1.0), (0.85, 0.6), (0.4, 0.65))
_HUES = 36

MOST = _HUES * len(_LEVELS)
"""How many colors there are."""


def class_colors(classes: Sequence[str]) -> list[Color]:
    """A color for each class, by its name: Cityscapes' where it has the class, else one made of the name's digest.

    The order of the classes makes no difference. Where the colors of two names would look alike, the one that comes
    later in the alphabet takes the next free color.
    """
    return list(_class_colors(tuple(classes)))


@lru_cache(maxsize=256)
def _class_colors(classes: tuple[str, ...]) -> tuple[Color, ...]:
    """Kept, since every frame of a video asks for the same."""
    colors = {name: _BY_NAME[_plain(name)] for name in classes if _plain(name) in _BY_NAME}
    for name in sorted({name for name in classes if name not in colors}):
        colors[name] = _free(name, list(colors.values()))
    return tuple(colors[name] for name in classes)


def line_colors(colors: Sequence[Color]) -> list[Color]:
    """The same colors, as light as a thin line must be to be seen on any image."""
    return [_light(color) for color in colors]


def _light(color: Color) -> Color:
    strong = np.array(color, dtype=np.float64) * min(1.6, 255 / max(*color, 1))
    luminance = float(strong @ LUMINANCE)
    if luminance < LIGHT_ENOUGH:
        strong += (255 - strong) * (LIGHT_ENOUGH - luminance) / (255 - luminance)
    red, green, blue = np.round(strong).astype(int).tolist()
    return red, green, blue


def is_background(classes: Sequence[str], index: int) -> bool:
    """Whether pixels of a class show the image: "none", "background", ..., and "not X" in a map of two classes."""
    if not 0 <= index < len(classes):
        return False
    name = _plain(classes[index])
    denied = len(classes) == 2 and name.split(" ")[0] in ("no", "not", "non")
    return name in _BACKGROUND or denied


def colors_of(colors: Sequence[Color] | None, classes: Sequence[str], highest: int) -> Sequence[Color]:
    """The caller's colors by class id, or those of the names; ids beyond the names get colors by number."""
    if colors is not None:
        return colors
    numbered = palette(MOST) if highest >= len(classes) else []
    return class_colors(classes) + [numbered[i % MOST] for i in range(len(classes), highest + 1)]


def _plain(name: str) -> str:
    return name.lower().replace("_", " ").replace("-", " ").strip()


def _free(name: str, taken: Sequence[Color]) -> Color:
    """The first color, from the one of the name's digest on, that no other class has."""
    candidates = [colorsys.hsv_to_rgb(i / _HUES, s, v) for s, v in _LEVELS for i in range(_HUES)]
    start = int.from_bytes(hashlib.sha256(_plain(name).encode()).digest()[:4], "big") % len(candidates)
    order = [(start + 29 * i) % len(candidates) for i in range(len(candidates))]  # 29 and 144 share no factor
    rgb = np.round(255 * np.array(candidates)[order]).astype(int)
    if not taken:
        red, green, blue = rgb[0].tolist()
        return red, green, blue
    distance = np.linalg.norm(lab_of(rgb / 255)[:, None] - lab_of(np.array(taken) / 255), axis=-1).min(1)
    far = np.flatnonzero(distance >= _APART)
    red, green, blue = rgb[far[0] if len(far) else int(distance.argmax())].tolist()
    return red, green, blue
