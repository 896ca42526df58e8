"""Charts as SVG text: pure functions from numbers to an image; nothing here knows what a run is."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 460, 240
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 10, 26
"""Pixels around the plot for the axes' numbers."""

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#444444")
"""Okabe and Ito's palette, which color-blind readers tell apart, without its yellow (too faint on white)."""
DASHES = ("", "6 3", "2 2")
"""Lines 8 to 14 and 15 to 21 repeat the colors with other dashes."""

BINS = 120
"""Longer series are drawn as the means of this many stretches, with a band from the 10th to the 90th percentile."""


@dataclass(frozen=True)
class Line:
    """A named series; y may hold NaN where nothing was measured.

    repeats: the same measured again, as (x, y), with other seeds: the line is the mean of all, its band reaches from
    the least to the greatest.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    repeats: Sequence[tuple[Sequence[float], Sequence[float]]] = ()


@dataclass(frozen=True)
class Stretch:
    """A part of a series: where it lies, its mean, its 10th and 90th percentile."""

    x: float
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Spot:
    """A point of a plane with its name. front: whether no other point is better in both directions."""

    name: str
    x: float
    y: float
    front: bool = False


def binned(line: Line, bins: int = BINS) -> list[Stretch]:
    """A series in at most `bins` stretches of equally many finite values.

    The band of a stretch is that of its values, or with repeats that of their means; repeats that are shorter than
    others, such as runs that are not finished, end all.
    """
    if line.repeats:
        series = [(line.x, line.y), *line.repeats]
        each = [made for made in (binned(Line(line.name, x, y), bins) for x, y in series) if made]
        return [_over_repeats(stretches) for stretches in zip(*each, strict=False)]
    points = [(x, y) for x, y in zip(line.x, line.y, strict=True) if math.isfinite(y)]
    stretches = []
    count = min(bins, len(points))
    for i in range(count):
        part = points[i * len(points) // count : (i + 1) * len(points) // count]
        values = sorted(y for _, y in part)
        low, high = values[round(0.1 * (len(values) - 1))], values[round(0.9 * (len(values) - 1))]
        stretches.append(Stretch(sum(x for x, _ in part) / len(part), sum(values) / len(values), low, high))
    return stretches


def _over_repeats(stretches: Sequence[Stretch]) -> Stretch:
    """One stretch of several repeats."""
    means = [stretch.mean for stretch in stretches]
    return Stretch(sum(s.x for s in stretches) / len(means), sum(means) / len(means), min(means), max(means))


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers within a range: 1, 2 or 5 times a power of ten apart."""
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * k for k in (1, 2, 5, 10) if power * k >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten within a range, with their double and fivefold where it is short; both ends > 0."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    short = len(powers) <= 3
    jump = max(1, len(powers) // 6)
    candidates = [k * 10.0**p for p in powers if p % jump == 0 for k in ((1, 2, 5) if short else (1,))]
    return [value for value in candidates if low * 0.999 <= value <= high * 1.001]


def axis_label(value: float) -> str:
    """A short number for an axis."""
    if value == 0:
        return "0"
    if abs(value) >= 1e5 or abs(value) < 1e-3:
        mantissa, _, power = f"{value:.1e}".partition("e")
        return f"{mantissa.removesuffix('.0')}e{int(power)}"
    return f"{value:.4g}"


def line_chart(lines: Sequence[Line], *, log: bool = False, bounds: tuple[float, float] | None = None) -> str:
    """Lines over a common x axis as one SVG.

    log: a logarithmic y axis, if all values allow it.    bounds: of the y axis; default: what the values need.
    """
    drawn = [binned(line) for line in lines]
    values = [v for line in drawn for s in line for v in (s.low, s.high, s.mean)]
    if not values:
        return f'<svg viewBox="0 0 {WIDTH} 40">{_text(WIDTH / 2, 24, "nothing was measured", "middle")}</svg>'
    log = log and min(values) > 0 and bounds is None
    low, high = bounds or _room(min(values), max(values), log)
    marks = log_ticks(low, high) if log else ticks(low, high)
    first, last = min(s.x for line in drawn for s in line), max(s.x for line in drawn for s in line)
    last = last if last > first else first + 1

    def place(x: float, y: float) -> str:
        y = min(max(y, low), high)
        share = math.log(y / low) / math.log(high / low) if log else (y - low) / (high - low)
        across = LEFT + (x - first) / (last - first) * (WIDTH - LEFT - RIGHT)
        return f"{across:.1f},{HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM):.1f}"

    parts = []
    for mark in marks:
        x, y = place(first, mark).split(",")
        parts += [_rule(x, y, mark == 0 and low < 0), _text(LEFT - 6, float(y) + 3.5, axis_label(mark), "end")]
    for mark in ticks(first, last, 4):
        parts.append(_text(float(place(mark, low).split(",")[0]), HEIGHT - 8, axis_label(mark), "middle"))
    parts.append(_text(4, HEIGHT - 8, "step", "start"))
    for i, line in enumerate(drawn):
        if len(lines) <= 6 and any(s.low < s.high for s in line):
            edge = [place(s.x, s.low) for s in line] + [place(s.x, s.high) for s in reversed(line)]
            parts.append(f'<polygon points="{" ".join(edge)}" fill="{color(i)}" opacity=".13"/>')
    parts += [_path(i, [place(s.x, s.mean) for s in line], lines[i].name) for i, line in enumerate(drawn)]
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{"".join(parts)}</svg>'


def bar_chart(names: Sequence[str], groups: Mapping[str, Sequence[float]]) -> str:
    """Horizontal bars as one SVG: for each name one bar per group; NaN has a dash in place of a bar."""
    tall = 16 if len(groups) == 1 else 11
    row = tall * len(groups) + 7
    left = min(max([len(name) for name in names] + [4]) * 6.4 + 12, 180)
    most = max([abs(v) for values in groups.values() for v in values if math.isfinite(v)] + [1e-9])
    parts = []
    for i, name in enumerate(names):
        parts.append(_text(left - 6, i * row + (row - 7) / 2 + 5, name, "end"))
        for g, values in enumerate(groups.values()):
            value, y = values[i], i * row + g * tall + 1
            wide = abs(value) / most * (WIDTH - left - 56) if math.isfinite(value) else 0.0
            parts.append(
                f'<rect x="{left:.1f}" y="{y}" width="{wide:.1f}" height="{tall - 2}" rx="2" fill="{color(g)}"/>'
            )
            parts.append(
                _text(left + wide + 5, y + tall / 2 + 3, axis_label(value) if math.isfinite(value) else "–", "start")
            )
    return f'<svg viewBox="0 0 {WIDTH} {len(names) * row}" role="img">{"".join(parts)}</svg>'


def heat_map(rows: Sequence[str], columns: Sequence[str], values: Sequence[Sequence[float | None]]) -> str:
    """A table whose cells are colored by their value: blue above 0, orange below, white at 0 and where there is none.

    Colors reach their full strength at the largest value, positive or negative.
    """
    left, top, wide, high = 110, 40, 84, 34
    finite = [abs(one) for row in values for one in row if one is not None and math.isfinite(one)]
    largest = max(finite, default=0.0) or 1.0
    parts = [_text(left + (i + 0.5) * wide, top - 10, name, "middle") for i, name in enumerate(columns)]
    for y, (name, row) in enumerate(zip(rows, values, strict=True)):
        parts.append(_text(left - 8, top + (y + 0.62) * high, name, "end"))
        for x, value in enumerate(row):
            shown = value is not None and math.isfinite(value)
            strength = abs(value) / largest if value is not None and shown else 0.0
            hue = COLORS[0] if value is not None and value > 0 else COLORS[1]
            place = f'x="{left + x * wide}" y="{top + y * high}" width="{wide - 2}" height="{high - 2}"'
            parts.append(f'<rect {place} fill="{hue}" fill-opacity="{strength * 0.75:.2f}" stroke="#ddd"/>')
            if value is not None and shown:
                parts.append(_text(left + (x + 0.5) * wide, top + (y + 0.62) * high, f"{value:+.3g}", "middle"))
    width, height = left + wide * len(columns) + 10, top + high * len(rows) + 10
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'font-family="sans-serif">{"".join(parts)}</svg>'
    )


NAMED_SPOTS = 12
"""As many points of a plane carry their names; of more, the names would cover each other."""


def scatter(spots: Sequence[Spot], across: str, up: str, limit: float | None = None) -> str:
    """Points of a plane as one SVG; those of the front are filled and joined by steps, others are rings.

    across, up: what the axes measure.    limit: a place on the x axis that gets a dashed line.
    Spots without a finite y are left out.
    """
    known = [spot for spot in spots if math.isfinite(spot.y)]
    if not known:
        return f'<svg viewBox="0 0 {WIDTH} 40">{_text(WIDTH / 2, 24, "nothing was measured", "middle")}</svg>'
    xs = [spot.x for spot in known] + ([limit] if limit is not None else [])
    left, right = _room(min(xs), max(xs), False)
    low, high = _room(min(spot.y for spot in known), max(spot.y for spot in known), False)

    def place(x: float, y: float) -> tuple[float, float]:
        across_px = LEFT + (x - left) / (right - left) * (WIDTH - LEFT - RIGHT)
        return across_px, HEIGHT - BOTTOM - (y - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    parts = []
    for mark in ticks(low, high):
        x, y = place(left, mark)
        parts += [_rule(f"{x:.1f}", f"{y:.1f}", mark == 0), _text(LEFT - 6, y + 3.5, axis_label(mark), "end")]
    parts += [_text(place(mark, low)[0], HEIGHT - 8, axis_label(mark), "middle") for mark in ticks(left, right, 4)]
    if limit is not None:
        x, _ = place(limit, low)
        ends = f'x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"'
        parts.append(f'<line {ends} stroke="{COLORS[1]}" stroke-dasharray="4 3"/>')
    front = sorted((spot for spot in known if spot.front), key=lambda spot: spot.x)
    corners = [place(x, spot.y) for i, spot in enumerate(front) for x in (spot.x, front[min(i + 1, len(front) - 1)].x)]
    steps = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
    parts.append(f'<polyline points="{steps}" fill="none" stroke="{COLORS[0]}" stroke-width="1.5"/>')
    for spot in known:
        x, y = place(spot.x, spot.y)
        fill = COLORS[0] if spot.front else "#ffffff"
        name = f"<title>{escape(spot.name)}: {axis_label(spot.x)}, {axis_label(spot.y)}</title>"
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{fill}" stroke="{COLORS[0]}">{name}</circle>')
    if len(known) <= NAMED_SPOTS:
        parts += _names([(*place(spot.x, spot.y), spot.name) for spot in known])
    parts += [_text(WIDTH - RIGHT, HEIGHT + 8, across, "end"), _text(LEFT + 4, TOP + 8, up, "start")]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" viewBox="0 0 {WIDTH} {HEIGHT + 16}" font-size="11" '
        f'font-family="sans-serif" role="img">{"".join(parts)}</svg>'
    )


def _names(spots: Sequence[tuple[float, float, str]]) -> list[str]:
    """Names above points, else below, right or left of them: where they cover neither another name nor a point."""
    taken = [(x - 5, y - 5, x + 5, y + 5) for x, y, _ in spots]
    made = []
    for x, y, name in spots:
        long = 6.0 * len(name)
        ways = [
            (x, y - 9, "middle", x - long / 2),
            (x, y + 17, "middle", x - long / 2),
            (x + 8, y + 3.5, "start", x + 7),
            (x - 8, y + 3.5, "end", x - 7 - long),
        ]
        boxes = [(left, at - 8, left + long, at + 2) for _, at, _, left in ways]
        free = [
            i for i, box in enumerate(boxes) if box[0] > 0 and box[2] < WIDTH and not any(_meet(box, o) for o in taken)
        ]
        best = free[0] if free else 0
        taken.append(boxes[best])
        made.append(_text(*ways[best][:2], name, ways[best][2]))
    return made


def _meet(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def legend(names: Sequence[str]) -> str:
    """The names of lines or bars beside their colors, as HTML."""
    marks = [
        f'<svg viewBox="0 0 22 10" class="key">{_path(i, ["1,5", "21,5"], name)}</svg>{escape(name)}'
        for i, name in enumerate(names)
    ]
    return "".join(f"<span>{mark}</span>" for mark in marks)


def color(index: int) -> str:
    """The color of the line or bar with this number."""
    return COLORS[index % len(COLORS)]


def _room(low: float, high: float, log: bool) -> tuple[float, float]:
    if log:
        return (low / 1.1, high * 1.1) if high > low * 1.01 else (low / 2, high * 2)
    spare = (high - low) * 0.05 or abs(high) * 0.1 or 1.0
    return (0.0 if 0 <= low < 0.35 * high else low - spare), high + spare


def _path(index: int, points: Sequence[str], name: str) -> str:
    dash = DASHES[index // len(COLORS) % len(DASHES)]
    look = f'fill="none" stroke="{color(index)}" stroke-width="1.8" stroke-linejoin="round" stroke-dasharray="{dash}"'
    if len(points) == 1:
        x, y = points[0].split(",")
        return f'<circle cx="{x}" cy="{y}" r="3" fill="{color(index)}"><title>{escape(name)}</title></circle>'
    if not points:  # a network that does not have the task, in the chart of those that have
        return ""
    return f'<polyline points="{" ".join(points)}" {look}><title>{escape(name)}</title></polyline>'


def _rule(x: str, y: str, strong: bool) -> str:
    return f'<line x1="{x}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}" class="{"zero" if strong else "rule"}"/>'


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
