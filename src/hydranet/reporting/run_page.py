"""Runs as one page of HTML that opens without a network: scores, curves, figures, and what else a caller adds."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from hydranet.evaluation.spread import mean_and_spread
from hydranet.evaluation.spread import spread as mean_and_deviation
from hydranet.io.atomic import write
from hydranet.reporting.curves import (
    Curves,
    Group,
    bars,
    confusions,
    grouped,
    losses,
    machine,
    progress,
    spread,
)
from hydranet.reporting.figure import Figure
from hydranet.visualization.charts import legend

STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:1500px;padding:0 1.5rem;color:#222;background:#fff}
h1{font-size:1.5rem;margin:0 0 .2rem} h2{font-size:1.15rem;margin:2rem 0 .6rem} p{margin:.2rem 0;color:#555}
h2{border-top:1px solid #e4e4e4;padding-top:1rem} h3{font-size:1rem;margin:1.2rem 0 .4rem}
.grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(400px,1fr));gap:1.2rem 1.6rem;align-items:start}
figure{margin:0} figcaption{font-weight:600} .legend{font-size:12.5px;color:#444;min-height:1.4em}
.wide{grid-column:1/-1;overflow-x:auto} img{max-width:100%;display:block}
.legend span{margin-right:1em;white-space:nowrap} .key{width:22px;height:10px;margin-right:4px;display:inline-block}
svg{width:100%;height:auto;display:block} svg text{font-size:11px;fill:#555} .wide svg{min-width:900px}
.all{position:sticky;top:0;background:#fff;padding:.4rem 0;border-bottom:1px solid #e4e4e4}
.scores{border-collapse:collapse;margin:1rem 0} .scores th,.scores td{padding:.25rem .8rem;text-align:right}
.scores th{font-weight:600;border-bottom:1px solid #ccc} .scores th:first-child{text-align:left}
.rule{stroke:#e4e4e4;stroke-width:1} .zero{stroke:#888;stroke-width:1.2}
"""


@dataclass(frozen=True)
class Section:
    """A heading, a sentence, and figures or other pieces of HTML; without pieces it is left out."""

    title: str
    pieces: Sequence[Figure | str]
    note: str = ""

    def html(self) -> str:
        """The section as a part of a page."""
        made = [piece.html() if isinstance(piece, Figure) else piece for piece in self.pieces]
        note = f"<p>{escape(self.note)}</p>" if self.note else ""
        return f'<h2>{escape(self.title)}</h2>{note}<div class="grid">{"".join(made)}</div>' if made else ""


def sections(runs: Sequence[Curves]) -> list[Section]:
    """What the runs' own files show."""
    groups = grouped(runs)
    weights, norms = (spread(groups, key, log=True) for key in ("weights", "norms"))
    compared = [*norms, *spread(groups, "cosines", bounds=(-1.0, 1.0))]
    note = "Lengths (norms) and cosines are those of gradients at the shared parameters, in steps that compared them."
    return [
        Section("Losses", losses(groups)),
        Section("Weights of the balancer, gradients of the tasks", [*weights, *compared], note if compared else ""),
        Section("The run" if len(runs) == 1 else "The runs", machine(groups)),
        Section("Scores while training", progress(groups)),
        Section("Scores by class", bars(groups)),
        Section("Confusion", confusions(groups)),
    ]


def write_page(runs: Sequence[Curves], made: Sequence[Section], path: Path) -> None:
    """Writes the page. Raises CheckpointError where it cannot be written."""
    groups = grouped(runs)
    title = " · ".join(group.name for group in groups)
    about = "; ".join(f"{group.name}: {_about(group)}" for group in groups)
    note = "Lines are means of stretches of steps; bands reach from the 10th to the 90th percentile within a stretch"
    if any(len(group.runs) > 1 for group in groups):
        note += "; of several seeds, the line is their mean and the band reaches from the least to the greatest"
    key = f'<div class="legend all">{legend([group.name for group in groups])}</div>' if len(groups) > 1 else ""
    head = f"<meta charset=utf-8><title>{escape(title)}</title><style>{STYLE}</style>"
    page = (
        f"<!doctype html><html lang=en>{head}<h1>{escape(title)}</h1><p>{escape(about)}</p>{headlines(groups)}"
        f"<p>{note}.</p>{key}{''.join(section.html() for section in made)}</html>"
    )
    write(path, page.encode())


def _about(group: Group) -> str:
    steps = sorted({run.steps[-1]["step"] for run in group.runs})
    several = f"{len(group.runs)} runs, " if len(group.runs) > 1 else ""
    return f"{several}{' to '.join(str(step) for step in dict.fromkeys((steps[0], steps[-1])))} steps"


def headlines(groups: Sequence[Group]) -> str:
    """The last headline scores as an HTML table: one row per group, mean and spread over its runs, the best bold.

    Scores that were measured in different ways (other images, classes, thresholds) have columns of their own.
    """
    by_column: dict[tuple[str, str, str, str, str], dict[int, list[float]]] = {}
    for i, group in enumerate(groups):
        for report in (run.report for run in group.runs if run.report):
            for source, tasks in report.scores.items():
                for task, metrics in tasks.items():
                    metric, better = report.headlines[task]
                    column = (source, task, report.named(task, metric), better, report.protocol_ids[source][task])
                    by_column.setdefault(column, {}).setdefault(i, []).append(metrics[metric])
    if not by_column:
        return "<p>No run has been evaluated yet.</p>"
    ways = Counter(column[:-1] for column in by_column)
    heads = [
        f"{source}: {task} {metric} {'↑' if better == 'higher' else '↓'}"
        + (f" measured as {how}" if ways[source, task, metric, better] > 1 else "")
        for source, task, metric, better, how in by_column
    ]
    best = {}
    for column, values in by_column.items():
        means = {i: mean for i, several in values.items() if math.isfinite(mean := mean_and_deviation(several)[0])}
        if len(means) > 1:
            best[column] = (max if column[3] == "higher" else min)(means, key=lambda i: means[i])
    rows = []
    for i, group in enumerate(groups):
        cells = [(mean_and_spread(values.get(i, ())), best.get(column) == i) for column, values in by_column.items()]
        shown = "".join(f"<td>{f'<b>{cell}</b>' if bold else cell}</td>" for cell, bold in cells)
        rows.append(f"<tr><th>{escape(group.name)}</th><td>{len(group.runs)}</td>{shown}</tr>")
    head = "".join(f"<th>{escape(text)}</th>" for text in ("", "runs", *heads))
    return f'<table class="scores"><tr>{head}</tr>{"".join(rows)}</table>'
