"""Results as tables for a terminal; nothing here prints."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.table import Table

from hydranet.core.checks.printable import cell

if TYPE_CHECKING:  # tables of files and names are made in a second: they wait for no torch
    from hydranet.config.catalog import Found
    from hydranet.config.describe import Described
    from hydranet.evaluation.compare import Change
    from hydranet.evaluation.report import Report
    from hydranet.models.profile import Cost
    from hydranet.models.summary import PartInfo
    from hydranet.sweep.grouping.choice import Choice
    from hydranet.sweep.grouping.table import Affinity, Gains
    from hydranet.sweep.grouping.tree import TreeChoice
    from hydranet.sweep.results import Results
    from hydranet.training.stage_affinity import StageAffinity
    from hydranet.training.train import Progress


def number(value: float) -> str:
    """Four significant digits, and a dash for what was not measured."""
    return "–" if not math.isfinite(value) else f"{value:.4g}"


def score(report: "Report", task: str, metric: str, value: float) -> str:
    """A score with its unit: "4.21 m"."""
    unit = report.unit(task, metric)
    return f"{number(value)} {unit}" if unit and math.isfinite(value) else number(value)


def losses(progress: "Progress") -> str:
    """The losses of a step and its speed, in one line."""
    means = "  ".join(f"{name} {value:.3f}" for name, value in progress.result.losses.items())
    return f"{means}  {progress.images / progress.step_s:.1f} img/s"


def scores(report: "Report") -> Table:
    """One row per source and task; the headline first."""
    table = Table(
        "source",
        "task",
        "images",
        "headline",
        "more",
        title=f"{cell(report.model)}  (protocol {report.protocol_hash})",
    )
    for source, tasks in report.scores.items():
        for task, metrics in tasks.items():
            name, better = report.headlines[task]
            arrow = "↑" if better == "higher" else "↓"
            rest = {k: v for k, v in metrics.items() if k != name and "/" not in k}
            more = cell("  ".join(f"{k} {score(report, task, k, v)}" for k, v in rest.items()))
            made = report.protocol[source][task].get("labels")
            more = (
                f"[bold]agreement with a teacher, no ground truth[/bold]: {cell(str(made))}  {more}" if made else more
            )
            more = "; ".join(filter(None, (report.measured(source, task), more)))
            images = str(report.protocol[source][task]["images"])
            table.add_row(
                cell(source),
                cell(task),
                images,
                f"{cell(name)} {arrow} [bold]{cell(score(report, task, name, metrics[name]))}[/bold]",
                more,
            )
    return table


def classes(report: "Report") -> list[Table]:
    """Per-class scores, one table per source and task that has them."""
    tables = []
    for source, tasks in report.scores.items():
        for task, metrics in tasks.items():
            rows = {k: v for k, v in metrics.items() if "/" in k}
            if rows:
                table = Table("class", "value", title=cell(f"{source}: {task}"))
                for name, value in rows.items():
                    table.add_row(cell(name), cell(score(report, task, name, value)))
                tables.append(table)
    return tables


def comparison(rows: "Sequence[Change]", names: Sequence[str]) -> Table:
    """One row per metric: both values, the difference, and whether the second is better, in a word and a color."""
    table = Table("source", "task", "metric", *map(cell, names), "difference")
    for row in rows:
        color = {True: "green", False: "red", None: "white"}[row.better]
        word = {True: " better", False: " worse", None: ""}[row.better]
        difference = f"[{color}]{row.difference:+.4g}{word}[/{color}]" if math.isfinite(row.difference) else "–"
        where = (cell(row.source), cell(row.task), cell(row.named))
        table.add_row(*where, number(row.first), number(row.second), difference)
    return table


def parts(lines: "Sequence[PartInfo]", size: tuple[int, int]) -> Table:
    """Parameters, MACs and, where they were measured, times by part."""
    table = Table("part", "class", title=f"one image of {size[0]} x {size[1]}; 1 MAC = 2 FLOP")
    whole = lines[-1]
    _cost_columns(table, whole)
    for line in lines:
        style = "bold" if line is whole else ""
        table.add_row("  " * line.depth + cell(line.name), cell(line.kind), *_cost_cells(line, whole), style=style)
    return table


def alone(lines: "Sequence[PartInfo]", whole: "PartInfo") -> Table:
    """What each task costs when it is asked for alone, beside all of them together."""
    table = Table("asked for alone", "head", title="layers that run for one task; the others cost nothing")
    _cost_columns(table, whole)
    for line in lines:
        table.add_row(cell(line.name), cell(line.kind), *_cost_cells(line, whole))
    return table


def _cost_columns(table: Table, whole: "PartInfo") -> None:
    timed = () if whole.ms is None else ("ms", "share of time")
    for column in ("parameters", "M", "GMAC", "share of MACs", *timed):
        table.add_column(column, justify="right")


def _cost_cells(line: "PartInfo", whole: "PartInfo") -> list[str]:
    share = f"{line.macs / max(whole.macs, 1):.0%}"
    cells = [f"{line.parameters:,}", f"{line.parameters / 1e6:.2f}", f"{line.macs / 1e9:.3f}", share]
    if whole.ms is not None and line.ms is not None:
        cells += [number(line.ms), f"{line.ms / whole.ms:.0%}"]
    return cells


def costs(spent: "Mapping[str, Cost]", size: tuple[int, int]) -> Table:
    """One row per network, or per set of networks that run one after another."""
    title = f"one image of {size[0]} x {size[1]}, eager PyTorch; times were interleaved: compare ratios"
    table = Table("network", title=title)
    for column in ("parameters M", "GMAC", "network ms", "memory MB"):
        table.add_column(column, justify="right")
    rows = {name: (c.parameters / 1e6, c.macs / 1e9, c.network_ms, c.memory_bytes / 1e6) for name, c in spent.items()}
    for name, values in rows.items():
        table.add_row(cell(name), *(number(value) for value in values))
    first, *_, last = rows
    ratios = (f"{mine / theirs:.2f}" for mine, theirs in zip(rows[first], rows[last], strict=True))
    table.add_row(cell(f"{first} / {last}"), *ratios, style="bold")
    return table


def sweep(results: "Results") -> Table:
    """One row per group of runs: mean and spread of every headline, and delta-m."""
    from hydranet.sweep import table as text

    table = Table()
    for i, head in enumerate(text.columns(results)):
        table.add_column(cell(head), justify="right" if i else "left")
    for cells in text.lines(results):
        table.add_row(*map(cell, cells))
    return table


def affinity(names: "Sequence[str]", table: "Affinity", by: str, spread: "Gains") -> Table:
    """One row per task that is learned beside the one of a column; in percent where networks were trained."""
    measured = by in ("measured", "all")
    what = "gain over the task alone, %" if measured else "lookahead affinity" if by == "lookahead" else "cosine"
    shown = Table("trained with", *(f"performance on {cell(name)}" for name in names), title=what)
    for first in names:
        cells = []
        for second in names:
            value = table.get(first, {}).get(second, math.nan)
            pair = tuple(name for name in names if name in (first, second))
            deviation = spread.get(pair, {}).get(second, math.nan)
            around = f" ± {number(deviation)}" if math.isfinite(deviation) else ""
            cells.append("–" if not math.isfinite(value) else f"{value:+.3g}{around}")
        shown.add_row(cell(first), *cells)
    return shown


def groups(choices: "Mapping[float, Choice]", cost: str) -> Table:
    """One row per budget: the networks, what they cost and gain in all."""
    shown = Table("budget", "networks", f"cost ({cost})", "sum of gains", title="costs in networks of all tasks")
    for limit, one in choices.items():
        networks = " | ".join(" + ".join(map(cell, group)) for group in one.groups)
        shown.add_row(number(limit), networks, number(one.cost), f"{-one.loss:+.4g}")
    return shown


def stage_affinity(stages: "Sequence[StageAffinity]", shares: Sequence[float]) -> Table:
    """One row per pair of tasks, one column per stage: how alike they are there; and what each stage costs."""
    title = "how alike tasks are: mean of gradient cosine, CKA of contributions, and agreement of errors; at most 1"
    shown = Table("tasks", *(cell(stage.name) for stage in stages), title=title)
    means = [stage.mean for stage in stages]
    for pair in dict.fromkeys(pair for mean in means for pair in mean):
        shown.add_row(cell(" + ".join(pair)), *(f"{mean[pair]:+.2f}" if pair in mean else "–" for mean in means))
    shown.add_row("share of the cost", *(f"{share:.0%}" for share in shares[: len(means)]), style="bold")
    return shown


def trees(choices: "Mapping[float, TreeChoice]", cost: str) -> Table:
    """One row per budget and stage where tasks part: the groups from there on."""
    shown = Table("budget", f"cost ({cost})", "from", "groups of tasks", title="costs in networks of the run")
    for limit, one in choices.items():
        first = [number(limit), number(one.cost)]
        for level, groups in enumerate(one.tree):
            if level and groups == one.tree[level - 1]:
                continue
            where = "decoder" if level == len(one.tree) - 1 and level else f"stage {level}"
            shown.add_row(*first, where, " | ".join(" + ".join(map(cell, group)) for group in groups))
            first = ["", ""]
        shown.add_section()
    return shown


def search(
    labels: Mapping[str, str], ms: Mapping[str, float], scores: "Sequence[Mapping[str, float]]", winner: str
) -> Table:
    """One row per network: its time per frame, and its delta-m in each round that it was trained in."""
    shown = Table("network", "ms per frame", *(f"delta-m % in round {place + 1}" for place in range(len(scores))))
    for name, label in sorted(labels.items(), key=lambda one: (-sum(one[0] in mine for mine in scores), ms[one[0]])):
        cells = [f"{mine[name]:+.2f}" if math.isfinite(mine.get(name, math.nan)) else "–" for mine in scores]
        shown.add_row(cell(label), number(ms[name]), *cells, style="bold" if name == winner else "")
    return shown


def described(rows: "Sequence[Described]") -> Table:
    """One row per field of a recipe; what differs from its default is bold."""
    table = Table("field", "value", "default", "meaning", title="any field can be overridden: field=value")
    for row in rows:
        cells = (row.key, row.value, row.default, row.meaning)
        table.add_row(*map(cell, cells), style="bold" if row.changed else "")
    return table


def catalog_members(sets: "Mapping[str, Sequence[Found]]") -> Table:
    """Members of the open sets."""
    table = Table("set", "name", "what it is", "path")
    for name, members in sets.items():
        for i, member in enumerate(members):
            table.add_row(name if i == 0 else "", *map(cell, (member.name, member.summary, member.path)))
        table.add_section()
    return table
