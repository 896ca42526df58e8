"""Our own charts as images: just the part of SVG that `charts`, `matrix_chart` and `diagram` write."""

import math
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np

from hydranet.core.extras import needing

if TYPE_CHECKING:
    from PIL.Image import Image as Canvas
    from PIL.ImageDraw import ImageDraw as Pen

FINER = 2
"""Charts are drawn so many times larger and then averaged, so that edges are smooth."""
RULES = {"rule": ("#e4e4e4", 1.0), "zero": ("#888888", 1.2)}
"""Lines that the page's style sheet colors."""
TEXT_PX, TEXT_COLOR = 11.0, "#555555"
BLACK = "#000000"
Color = tuple[int, int, int]


def rasterize(svg: str, scale: float = 2.0) -> np.ndarray:
    """One chart as uint8 h w 3 RGB on white, `scale` pixels for each of its units.

    Needs Pillow (extra `train`). Raises ValueError for an element that our charts do not use.
    """
    with needing("a figure as PNG"):
        from PIL import Image, ImageDraw
    root = ElementTree.fromstring(svg)
    width, height = (float(one) for one in root.get("viewBox", "0 0 1 1").split()[2:])
    zoom = scale * FINER
    canvas = Image.new("RGB", (math.ceil(width * zoom), math.ceil(height * zoom)), "white")
    pen = ImageDraw.Draw(canvas)
    for element in root:
        _element(ImageDraw.Draw(canvas, "RGBA") if element.get("opacity") else pen, canvas, element, zoom)
    size = (math.ceil(width * scale), math.ceil(height * scale))
    return np.asarray(canvas.resize(size, Image.Resampling.BOX))


def _element(pen: "Pen", canvas: "Canvas", element: ElementTree.Element, zoom: float) -> None:
    kind = element.tag.rpartition("}")[2]
    stroke, wide = RULES.get(
        element.get("class", ""), (element.get("stroke", ""), float(element.get("stroke-width", 1)))
    )
    line_px = max(1, round(wide * zoom))
    if kind == "rect":
        x, y, w, h = (float(element.get(name, 0)) * zoom for name in ("x", "y", "width", "height"))
        if w > 0:
            outline, border_px = (_rgb(stroke), line_px) if stroke else (None, 1)
            radius = float(element.get("rx", 0)) * zoom
            pen.rounded_rectangle((x, y, x + w, y + h), min(radius, w / 2), _fill(element), outline, border_px)
    elif kind == "line":
        ends = [float(element.get(name, 0)) * zoom for name in ("x1", "y1", "x2", "y2")]
        pen.line(ends, _rgb(stroke), line_px)
    elif kind == "polyline":
        for points in _dashed(_points(element, zoom), element.get("stroke-dasharray", ""), zoom):
            pen.line(points, _rgb(stroke), line_px, joint="curve")
    elif kind == "polygon":
        pen.polygon(_points(element, zoom), (*_fill(element), round(255 * float(element.get("opacity", 1)))))
    elif kind == "circle":
        x, y, r = (float(element.get(name, 0)) * zoom for name in ("cx", "cy", "r"))
        ring = _rgb(stroke) if element.get("stroke") else None
        pen.ellipse((x - r, y - r, x + r, y + r), _fill(element), ring, line_px)
    elif kind == "text":
        _text(pen, canvas, element, zoom)
    else:
        raise ValueError(f"got a <{kind}> in a chart, expected rect, line, polyline, polygon, circle or text")


def _text(pen: "Pen", canvas: "Canvas", element: ElementTree.Element, zoom: float) -> None:
    from PIL import Image, ImageDraw, ImageFont

    size = float(element.get("font-size", TEXT_PX)) * zoom
    font = ImageFont.load_default(size)
    x, y = float(element.get("x", 0)) * zoom, float(element.get("y", 0)) * zoom
    fill = _rgb(element.get("fill", TEXT_COLOR))
    words = element.text or ""
    anchor = {"start": "ls", "middle": "ms", "end": "rs"}[element.get("text-anchor", "start")]
    turn = re.match(r"rotate\((-?[\d.]+)", element.get("transform", ""))
    if turn is None:
        pen.text((x, y), words, fill, font, anchor)
        return
    long = math.ceil(font.getlength(words) + size)
    mask = Image.new("L", (2 * long, 2 * long))
    ImageDraw.Draw(mask).text((long, long), words, 255, font, anchor)
    mask = mask.rotate(-float(turn[1]), Image.Resampling.BICUBIC)
    canvas.paste(fill, (round(x) - long, round(y) - long), mask)


def _points(element: ElementTree.Element, zoom: float) -> list[tuple[float, float]]:
    pairs = (pair.split(",") for pair in element.get("points", "").split())
    return [(float(x) * zoom, float(y) * zoom) for x, y in pairs]


def _dashed(points: Sequence[tuple[float, float]], dashes: str, zoom: float) -> list[list[tuple[float, float]]]:
    """The pieces of a dashed line; the line itself where it has no dashes."""
    lengths = [float(one) * zoom for one in dashes.split()]
    if not lengths or not points:
        return [list(points)] if points else []
    pieces, piece, left, on = [], [points[0]], lengths[0], 0
    for (x, y), (to_x, to_y) in pairwise(points):
        far = math.hypot(to_x - x, to_y - y)
        at = 0.0
        while far - at > left:
            at += left
            place = (x + (to_x - x) * at / far, y + (to_y - y) * at / far)
            pieces += [[*piece, place]] if on % 2 == 0 else []
            piece, on = [place], on + 1
            left = lengths[on % len(lengths)]
        left -= far - at
        piece.append((to_x, to_y))
    return [*pieces, piece] if on % 2 == 0 else pieces


def _fill(element: ElementTree.Element) -> Color:
    """The color inside of a shape, mixed with the white below it as `fill-opacity` says."""
    share = float(element.get("fill-opacity", 1))
    red, green, blue = (round(share * one + (1 - share) * 255) for one in _rgb(element.get("fill", BLACK)))
    return red, green, blue


def _rgb(text: str) -> Color:
    digits = text.lstrip("#")
    digits = "".join(2 * one for one in digits) if len(digits) == 3 else digits
    return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)
