"""A confusion matrix as SVG: how often each class of labels was predicted as which."""

from collections.abc import Sequence
from html import escape

from hydranet.visualization.charts import COLORS

NUMBERED = 24
"""Classes up to which every cell says its share."""
LETTER_PX = 6.2
"""Width of a letter, about."""


def confusion_chart(classes: Sequence[str], counts: Sequence[Sequence[int]]) -> str:
    """Rows are classes of labels, columns predicted ones; a cell is the darker, the larger its share of its row.

    classes: c names.    counts: c rows of c + 1 numbers, the last: without a prediction (shown where there are any).
    Rows without an element have no color. Shares below half a percent have no number.
    """
    names = [*classes, "none"] if any(row[-1] for row in counts) else list(classes)
    cell = 34 if len(classes) <= 12 else 26 if len(classes) <= NUMBERED else 13
    letters = 11 if cell > 13 else 9
    left = min(max(map(len, names)) * LETTER_PX + 14, 190)
    top = left * 0.72 + 18
    parts = []
    for j, name in enumerate(names):
        x = left + (j + 0.5) * cell
        parts.append(_turned(x + 3, top - 8, name, letters))
    for i, (name, row) in enumerate(zip(classes, counts, strict=True)):
        y, whole = top + i * cell, sum(row)
        parts.append(_label(left - 6, y + cell / 2 + 4, name, "end", letters))
        for j in range(len(names)):
            share = row[j] / whole if whole else 0.0
            color = COLORS[0] if i == j else COLORS[1]
            tip = f"<title>{escape(f'{name} as {names[j]}: {share:.1%} ({row[j]:,})')}</title>"
            parts.append(
                f'<rect x="{left + j * cell:.1f}" y="{y:.1f}" width="{cell - 1}" height="{cell - 1}" fill="{color}" '
                f'fill-opacity="{0.9 * share:.3f}" stroke="#e4e4e4" stroke-width="1">{tip}</rect>'
            )
            if cell > 13 and share >= 0.005:
                tone = "#fff" if share > 0.7 else "#333"
                place = left + (j + 0.5) * cell - 0.5
                parts.append(_label(place, y + cell / 2 + 4, f"{100 * share:.0f}", "middle", letters - 1, tone))
    width, height = left + len(names) * cell + top * 0.6, top + len(classes) * cell + 24
    parts.append(_label(left, height - 8, "rows: labels, columns: predictions, in % of a row", "start", 11))
    return f'<svg viewBox="0 0 {width:.0f} {height:.0f}" role="img">{"".join(parts)}</svg>'


def _label(x: float, y: float, words: str, anchor: str, size: int, color: str = "#555") -> str:
    style = f'style="font-size:{size}px;fill:{color}" font-size="{size}" fill="{color}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {style}>{escape(words)}</text>'


def _turned(x: float, y: float, words: str, size: int) -> str:
    turn = f'transform="rotate(-45 {x:.1f} {y:.1f})"'
    return _label(x, y, words, "start", size).replace("<text ", f"<text {turn} ", 1)
