"""The table of a sweep as text, for a terminal and for a file."""

import math
from collections.abc import Mapping, Sequence

from hydranet.evaluation.report import with_unit
from hydranet.evaluation.spread import mean_and_spread, spread
from hydranet.models.profile import Cost
from hydranet.sweep.plan import SINGLE
from hydranet.sweep.results import Metric, Results, Row

EQUAL = {
    "images": "equal images: as many labeled images of each task as the network of that task alone",
    "compute": "equal compute: as many images in all as through all single-task networks together",
}


def columns(results: Results) -> list[str]:
    """The heads of the columns."""
    sources = {metric.source for metric in results.metrics}
    heads = [_head(metric, len(sources) > 1) for metric in results.metrics]
    return ["runs", "seeds", "images", *heads, *(["delta-m %"] if results.baseline else [])]


def _head(metric: Metric, with_source: bool) -> str:
    where = f"{metric.source} " if with_source else ""
    return f"{where}{metric.task} {with_unit(metric.name, metric.unit)} {'↑' if metric.better == 'higher' else '↓'}"


def lines(results: Results) -> list[list[str]]:
    """The cells of every row: the baseline first, then by delta-m, the best first."""
    return [_cells(results, row) for row in sorted(results.rows, key=lambda row: _rank(results, row))]


def _rank(results: Results, row: Row) -> tuple[bool, float]:
    mean, _ = spread(row.delta_m.values())
    is_baseline = row.label == results.baseline or (results.baseline == SINGLE and not row.equal)
    return not is_baseline, -mean if math.isfinite(mean) else math.inf


def _cells(results: Results, row: Row) -> list[str]:
    cells = [row.label, str(row.seeds), f"{row.images:,}"]
    for metric in results.metrics:
        cell = mean_and_spread(row.scores.get(metric.key, {}).values())
        kept = row.kept.get(metric.key, {})
        if results.baseline == SINGLE and kept:
            cell += f" ({mean_and_spread((100 * share for share in kept.values()), '.1f')} %)"
        cells.append(cell)
    if results.baseline:
        first = _rank(results, row)[0] is False
        cells.append("0" if first else mean_and_spread(row.delta_m.values(), "+.1f"))
    return cells


def notes(results: Results) -> list[str]:
    """What a reader must know about the numbers, as sentences."""
    against = {"": "", SINGLE: "; delta-m against one network per task"}
    compared = against.get(results.baseline, f"; delta-m against {results.baseline}")
    sentences = [f"{results.recipe}: mean ± standard deviation over seeds{compared}"]
    ways = dict.fromkeys(row.equal for row in results.rows if row.equal)
    if ways:
        sentences.append("in brackets: how much of the single-task score is kept")
    return [*sentences, *(EQUAL[way] for way in ways), *results.ledger.sentences()]


def markdown(results: Results) -> str:
    """Notes and table as Markdown."""
    heads = columns(results)
    rows = [heads, ["---"] * len(heads), *lines(results)]
    return "\n".join([*(f"{note}  " for note in notes(results)), "", *map(_row, rows), ""])


def _row(cells: Sequence[str]) -> str:
    """One row; letters that would end a cell, or are no letters, cannot come from the settings of a user."""
    clean = ("".join(c if c.isprintable() else "?" for c in cell).replace("|", "\\|") for cell in cells)
    return "| " + " | ".join(clean) + " |"


def costs(spent: Mapping[str, Cost], size: tuple[int, int]) -> str:
    """What networks cost, as a Markdown table."""
    heads = [f"at {size[0]}x{size[1]}", "parameters M", "GMAC", "network ms", "memory MB"]
    rows = [heads, ["---"] * len(heads)]
    for name, cost in spent.items():
        values = (cost.parameters / 1e6, cost.macs / 1e9, cost.network_ms, cost.memory_bytes / 1e6)
        rows.append([name, *(f"{value:.2f}" for value in values)])
    return "\n".join([*map(_row, rows), ""])
