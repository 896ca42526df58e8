"""A figure of a page, which can also stand alone as an image in a paper."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np

from hydranet.deploy.writer import save_image
from hydranet.visualization.charts import color, legend
from hydranet.visualization.rasterize import rasterize

LETTER_PX, KEY_PX = 6.3, 42
"""Widths, about, of a letter of a key and of what stands around its words."""


@dataclass(frozen=True)
class Figure:
    """A chart with a title.

    svg:  the chart (`visualization`).    key: names of its lines or bars in the order of colors; one needs no key.
    shared_key: the key is that of the whole page, which shows it once.    wide: it takes the width of the page.
    """

    title: str
    svg: str
    key: tuple[str, ...] = ()
    shared_key: bool = False
    wide: bool = False

    def html(self) -> str:
        """The figure as a part of a page."""
        keyed = f'<div class="legend">{legend(self.key)}</div>' if len(self.key) > 1 and not self.shared_key else ""
        width = ' class="wide"' if self.wide else ""
        return f"<figure{width}><figcaption>{escape(self.title)}</figcaption>{keyed}{self.svg}</figure>"

    def image(self, scale: float = 3.0) -> np.ndarray:
        """Title, key and chart as uint8 h w 3 on white."""
        width = float(self.svg.partition('viewBox="0 0 ')[2].split()[0])
        words = self.title.replace("↑", "(higher is better)").replace("↓", "(lower is better)")  # fonts lack arrows
        charts = [_title(words, width), *([_key(self.key, width)] if len(self.key) > 1 else []), self.svg]
        images = [rasterize(chart, scale) for chart in charts]
        widest = max(image.shape[1] for image in images)
        padded = [np.pad(i, ((0, 0), (0, widest - i.shape[1]), (0, 0)), constant_values=255) for i in images]
        return np.concatenate(padded)


def save_figures(figures: Iterable[Figure], folder: Path) -> list[Path]:
    """Writes each figure as FOLDER/NN-TITLE.png. Raises DataError where one cannot be written."""
    paths = []
    for number, figure in enumerate(figures, start=1):
        words = re.sub(r"[^a-z0-9]+", "-", figure.title.lower()).strip("-")[:60]
        paths.append(folder / f"{number:02d}-{words or 'figure'}.png")
        folder.mkdir(parents=True, exist_ok=True)
        save_image(paths[-1], figure.image())
    return paths


def _title(words: str, width: float) -> str:
    text = f'<text x="4" y="15" text-anchor="start" font-size="13" fill="#222222">{escape(words)}</text>'
    return f'<svg viewBox="0 0 {max(width, 8 + len(words) * 7):.0f} 22">{text}</svg>'


def _key(names: Sequence[str], width: float) -> str:
    """Colors and names in rows no wider than the chart."""
    parts, x, y = [], 4.0, 12.0
    for i, name in enumerate(names):
        wide = KEY_PX + len(name) * LETTER_PX
        if x > 4 and x + wide > width:
            x, y = 4.0, y + 16
        parts.append(f'<line x1="{x}" y1="{y - 4}" x2="{x + 22}" y2="{y - 4}" stroke="{color(i)}" stroke-width="2.4"/>')
        parts.append(f'<text x="{x + 28}" y="{y}" text-anchor="start">{escape(name)}</text>')
        x += wide
    return f'<svg viewBox="0 0 {math.ceil(width)} {y + 8:.0f}">{"".join(parts)}</svg>'
