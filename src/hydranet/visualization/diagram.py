"""A network as SVG: the image, the parts that tasks share, and a head per task, each with shapes and costs."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from hydranet.visualization.charts import color

WIDE, GAP, LINE = 214, 44, 15
PAD = 9
SHAPES = 6
"""Shapes that a box lists; of more it says how many."""


@dataclass(frozen=True)
class Box:
    """A box of a diagram: a bold title and lines of small print."""

    title: str
    lines: tuple[str, ...]

    @property
    def height(self) -> int:
        """Pixels."""
        return 2 * PAD + LINE * (1 + len(self.lines)) + 2


def shapes(outputs: Sequence[tuple[int, ...]]) -> tuple[str, ...]:
    """Lines such as "64 x 48 x 160", channels first; the last says how many are left out."""
    lines = [" x ".join(map(str, one)) for one in outputs[:SHAPES]]
    more = [f"and {len(outputs) - SHAPES} more"] if len(outputs) > SHAPES else []
    return (*lines, *more)


def cost(parameters: int, macs: int) -> str:
    """ "1.81 M parameters, 0.412 GMAC", or "641 parameters, 2.13 MMAC" """
    scale, unit = next(((s, u) for s, u in ((1e6, " M"), (1e3, " k")) if parameters >= s), (1.0, ""))
    work = f"{macs / 1e9:.3g} GMAC" if macs >= 1e8 else f"{macs / 1e6:.3g} MMAC"
    return f"{parameters / scale:.3g}{unit} parameters, {work}"


def tree(trunk: Sequence[Box], heads: Sequence[Box]) -> str:
    """Boxes of the trunk from left to right, then the heads below one another, each with a line from the trunk."""
    column = sum(box.height for box in heads) + 12 * max(len(heads) - 1, 0)
    height = max([column, *(box.height for box in trunk)]) + 20
    parts = []
    for i, box in enumerate(trunk):
        x = 10 + i * (WIDE + GAP)
        parts.append(_box(box, x, (height - box.height) / 2, "#f1f4f8", "#7d8a99"))
        if i:
            parts.append(_line(x - GAP, height / 2, x, height / 2))
    x, y = 10 + len(trunk) * (WIDE + GAP), (height - column) / 2
    for i, box in enumerate(heads):
        if trunk:
            parts.append(_line(x - GAP, height / 2, x, y + box.height / 2))
        parts.append(_box(box, x, y, "#ffffff", color(i)))
        y += box.height + 12
    width = x + WIDE + 10
    return f'<svg viewBox="0 0 {width} {height:.0f}" role="img">{"".join(parts)}</svg>'


def _box(box: Box, x: float, y: float, fill: str, edge: str) -> str:
    frame = (
        f'<rect x="{x}" y="{y:.1f}" width="{WIDE}" height="{box.height}" rx="5" fill="{fill}" stroke="{edge}" '
        'stroke-width="1.6"/>'
    )
    title = _text(x + PAD, y + PAD + 11, box.title, "#222", True)
    lines = [_text(x + PAD, y + PAD + 12 + LINE * (i + 1), line, "#555") for i, line in enumerate(box.lines)]
    return frame + title + "".join(lines)


def _text(x: float, y: float, words: str, fill: str, bold: bool = False) -> str:
    size = 12 if bold else 11
    weight = ";font-weight:600" if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="start" style="font-size:{size}px;fill:{fill}{weight}" '
        f'font-size="{size}" fill="{fill}">{escape(words)}</text>'
    )


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    place = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {place} stroke="#7d8a99" stroke-width="1.4"/>'
