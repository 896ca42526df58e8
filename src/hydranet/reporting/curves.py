"""The curves of one run, or of several over one another, as a page that needs nothing else."""

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from hydranet.core.checks.json_text import parse_json
from hydranet.core.sample import DataError
from hydranet.evaluation.report import Report, number, read_report
from hydranet.evaluation.spread import mean_and_spread
from hydranet.evaluation.spread import spread as mean_and_deviation
from hydranet.io.atomic import write
from hydranet.io.run_log import LOG, read_all
from hydranet.visualization.charts import Line, bar_chart, legend, line_chart

STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:1500px;padding:0 1.5rem;color:#222;background:#fff}
h1{font-size:1.5rem;margin:0 0 .2rem} h2{font-size:1.15rem;margin:2rem 0 .6rem} p{margin:.2rem 0;color:#555}
.grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(400px,1fr));gap:1.2rem 1.6rem;align-items:start}
figure{margin:0} figcaption{font-weight:600} .legend{font-size:12.5px;color:#444;min-height:1.4em}
.legend span{margin-right:1em;white-space:nowrap} .key{width:22px;height:10px;margin-right:4px;display:inline-block}
svg{width:100%;height:auto;display:block} svg text{font-size:11px;fill:#555}
.all{position:sticky;top:0;background:#fff;padding:.4rem 0;border-bottom:1px solid #e4e4e4}
.scores{border-collapse:collapse;margin:1rem 0} .scores th,.scores td{padding:.25rem .8rem;text-align:right}
.scores th{font-weight:600;border-bottom:1px solid #ccc} .scores th:first-child{text-align:left}
.rule{stroke:#e4e4e4;stroke-width:1} .zero{stroke:#888;stroke-width:1.2}
"""


@dataclass(frozen=True)
class Curves:
    """What a run has stored: its steps, its evaluations as {step, scores}, and its last report, if there is one.

    skipped: lines of the log that hold neither a step nor an evaluation.
    recipe:  what the run is, without its seed, as text; empty where the folder does not say.
    """

    name: str
    steps: list[dict[str, Any]]
    evaluations: list[dict[str, Any]]
    report: Report | None
    skipped: int = 0
    recipe: str = ""


def curves(folder: Path) -> Curves:
    """Reads a run. Raises DataError for a folder without a log."""
    if not (folder / LOG).is_file():
        raise DataError(f"no log of a run at {folder / LOG}; give the folder of a run of `hydranet train`")
    lines, skipped = read_all(folder)
    report = read_report(folder) if (folder / "report.json").is_file() else None
    steps = [line for line in lines if "losses" in line]
    if not steps:
        damaged = f" ({skipped} lines hold something else)" if skipped else ""
        raise DataError(f"{folder / LOG} holds no step yet{damaged}; wait for the run's first step")
    evaluations = [line for line in lines if "scores" in line]
    return Curves(folder.resolve().name, steps, evaluations, report, skipped, _recipe(folder))


def _recipe(folder: Path) -> str:
    """The run's recipe without its seed."""
    try:
        tree = parse_json((folder / "recipe.json").read_text())
    except (OSError, ValueError):
        return ""
    return json.dumps({key: value for key, value in tree.items() if key != "seed"}) if isinstance(tree, dict) else ""


@dataclass(frozen=True)
class Group:
    """Runs of one recipe with different seeds; one line in every chart."""

    name: str
    runs: Sequence[Curves]


def grouped(runs: Sequence[Curves]) -> list[Group]:
    """Runs of equal recipes together, in the order given; each has the part of their names that they share."""
    by_recipe: dict[str, list[Curves]] = {}
    for i, run in enumerate(runs):
        by_recipe.setdefault(run.recipe or f"run {i}", []).append(run)
    return [Group(_shared_name([run.name for run in several]), several) for several in by_recipe.values()]


def _shared_name(names: Sequence[str]) -> str:
    """ "upgrad" for upgrad-s0 and upgrad-s1; the first one's where they have nothing in common."""
    if len(names) == 1:
        return names[0]
    same = list(zip(*names, strict=False))
    length = next((i for i, letters in enumerate(same) if len(set(letters)) > 1), len(same))
    stem = re.sub(r"[-_. ]*(s|seed)?[-_. =]*$", "", names[0][:length])
    return stem or f"{names[0]} and {len(names) - 1} more"


def runs_in(folder: Path) -> list[Path]:
    """The folder itself where it is a run, else the runs directly inside, as `hydranet sweep` leaves them, by name.

    Runs that have not begun are left out; where all are, the folder itself is returned.
    """
    if (folder / LOG).is_file() or not folder.is_dir():
        return [folder]
    return sorted(path.parent for path in folder.glob(f"*/{LOG}") if path.stat().st_size) or [folder]


def write_report(runs: Sequence[Curves], path: Path) -> None:
    """Writes the page. Raises CheckpointError where it cannot be written."""
    groups = grouped(runs)
    title = " · ".join(group.name for group in groups)
    about = "; ".join(f"{group.name}: {_about(group)}" for group in groups)
    note = "Lines are means of stretches of steps; bands reach from the 10th to the 90th percentile within a stretch"
    if any(len(group.runs) > 1 for group in groups):
        note += "; of several seeds, the line is their mean and the band reaches from the least to the greatest"
    sections = [
        ("Losses", [*losses(groups)]),
        ("Weights of the balancer", [*spread(groups, "weights", log=True)]),
        ("Cosines between task gradients", [*spread(groups, "cosines", bounds=(-1.0, 1.0))]),
        ("The run" if len(runs) == 1 else "The runs", [*machine(groups)]),
        ("Scores while training", [*progress(groups)]),
        ("Scores by class", [*bars(groups)]),
    ]
    body = "".join(f'<h2>{name}</h2><div class="grid">{"".join(made)}</div>' for name, made in sections if made)
    key = f'<div class="legend all">{legend([group.name for group in groups])}</div>' if len(groups) > 1 else ""
    head = f"<meta charset=utf-8><title>{escape(title)}</title><style>{STYLE}</style>"
    page = (
        f"<!doctype html><html lang=en>{head}<h1>{escape(title)}</h1><p>{escape(about)}</p>{headlines(groups)}"
        f"<p>{note}.</p>{key}{body}</html>"
    )
    write(path, page.encode())


def _about(group: Group) -> str:
    steps = sorted({run.steps[-1]["step"] for run in group.runs})
    several = f"{len(group.runs)} runs, " if len(group.runs) > 1 else ""
    return f"{several}{' to '.join(str(step) for step in dict.fromkeys((steps[0], steps[-1])))} steps"


def headlines(groups: Sequence[Group]) -> str:
    """The last headline scores as an HTML table: one row per group, mean and spread over its runs, the best bold."""
    by_column: dict[tuple[str, str, str, str], dict[int, list[float]]] = {}
    for i, group in enumerate(groups):
        for run in group.runs:
            for source, tasks in run.report.scores.items() if run.report else ():
                for task, metrics in tasks.items():
                    metric, better = run.report.headlines[task]  # type: ignore[union-attr]
                    by_column.setdefault((source, task, metric, better), {}).setdefault(i, []).append(metrics[metric])
    if not by_column:
        return "<p>No run has been evaluated yet.</p>"
    heads = [
        f"{source}: {task} {metric} {'↑' if better == 'higher' else '↓'}" for source, task, metric, better in by_column
    ]
    best = {}
    for column, values in by_column.items():
        means = {i: mean for i, several in values.items() if math.isfinite(mean := mean_and_deviation(several)[0])}
        if means and len(groups) > 1:
            best[column] = (max if column[3] == "higher" else min)(means, key=lambda i: means[i])
    rows = []
    for i, group in enumerate(groups):
        cells = [(mean_and_spread(values.get(i, ())), best.get(column) == i) for column, values in by_column.items()]
        shown = "".join(f"<td>{f'<b>{cell}</b>' if bold else cell}</td>" for cell, bold in cells)
        rows.append(f"<tr><th>{escape(group.name)}</th><td>{len(group.runs)}</td>{shown}</tr>")
    head = "".join(f"<th>{escape(text)}</th>" for text in ("", "runs", *heads))
    return f'<table class="scores"><tr>{head}</tr>{"".join(rows)}</table>'


def figure(title: str, lines: Sequence[Line], *, log: bool = False, bounds: tuple[float, float] | None = None) -> str:
    """One chart with its title."""
    return _framed(title, "", line_chart(lines, log=log, bounds=bounds))


def _with_legend(title: str, lines: Sequence[Line], *, log: bool, bounds: tuple[float, float] | None = None) -> str:
    """One chart of one run, whose lines have names of their own."""
    key = legend([line.name for line in lines]) if len(lines) > 1 else ""
    return _framed(title, key, line_chart(lines, log=log, bounds=bounds))


def _framed(title: str, key: str, chart: str) -> str:
    keyed = f'<div class="legend">{key}</div>' if key else ""
    return f"<figure><figcaption>{escape(title)}</figcaption>{keyed}{chart}</figure>"


def _line(name: str, runs: Sequence[Curves], value: Callable[[dict[str, Any]], float | None]) -> Line:
    """A line of a value of every step; of several runs with a band."""
    series = [([line["step"] for line in run.steps], [number(value(line)) for line in run.steps]) for run in runs]
    return Line(name, *series[0], repeats=series[1:])


def _alone(groups: Sequence[Group]) -> Curves | None:
    """The run of a page of one run."""
    return groups[0].runs[0] if len(groups) == 1 and len(groups[0].runs) == 1 else None


def names_of(groups: Sequence[Group], key: str) -> list[str]:
    """The names under one key of any step, in the order in which they first occur."""
    return list(
        dict.fromkeys(name for group in groups for run in group.runs for line in run.steps for name in line[key])
    )


def losses(groups: Sequence[Group]) -> list[str]:
    """One chart per task: of one run with the loss's parts, or of several groups."""
    made = []
    alone = _alone(groups)
    for task in names_of(groups, "losses"):
        if alone:
            parts = dict.fromkeys(part for line in alone.steps for part in line["parts"].get(task, {}))
            lines = [_line("loss", [alone], lambda line, task=task: line["losses"].get(task))] + [  # type: ignore[misc]
                _line(part, [alone], lambda line, part=part, task=task: line["parts"].get(task, {}).get(part))  # type: ignore[misc]
                for part in (parts if len(parts) > 1 else ())
            ]
            made.append(_with_legend(task, lines, log=_wide(lines)))
            continue
        lines = [_line(g.name, g.runs, lambda line, task=task: line["losses"].get(task)) for g in groups]  # type: ignore[misc]
        made.append(figure(task, lines, log=_wide(lines)))
    return made


def spread(
    groups: Sequence[Group], key: str, *, log: bool = False, bounds: tuple[float, float] | None = None
) -> list[str]:
    """Values by name: all in one chart for one run, one chart per name for several groups."""
    names = names_of(groups, key)
    by_name = {
        name: [_line(group.name, group.runs, lambda line, name=name: line[key].get(name)) for group in groups]  # type: ignore[misc]
        for name in names
    }
    if not names:
        return []
    if _alone(groups):
        lines = [Line(name, per_group[0].x, per_group[0].y) for name, per_group in by_name.items()]
        title = f"{len(lines)} pairs of tasks" if bounds else "by task"
        return [_with_legend(title, lines, log=log and _wide(lines), bounds=bounds)]
    return [figure(name, lines, log=log and _wide(lines), bounds=bounds) for name, lines in by_name.items()]


def machine(groups: Sequence[Group]) -> list[str]:
    """Learning rate, gradient norm, speed and waiting for data."""
    titles = {
        "lr": "learning rate",
        "gradient_norm": "gradient norm, before clipping",
        "images_per_s": "images per second",
        "wait_share": "share of time spent waiting for data",
    }
    made = []
    for key, title in titles.items():
        lines = [_line(group.name, group.runs, lambda line, key=key: line.get(key)) for group in groups]  # type: ignore[misc]
        made.append(figure(title, lines, log=key == "gradient_norm" and _wide(lines)))
    return made


def progress(groups: Sequence[Group]) -> list[str]:
    """Headline scores over the steps of runs that were evaluated more than once."""
    made = []
    runs = [run for group in groups for run in group.runs]
    headlines = {task: headline for run in runs if run.report for task, headline in run.report.headlines.items()}
    keys = dict.fromkeys((s, t) for run in runs for e in run.evaluations for s, ts in e["scores"].items() for t in ts)
    if max(len(run.evaluations) for run in runs) < 2:
        return []
    for source, task in keys:
        if task in headlines:
            metric, better = headlines[task]
            lines = []
            for group in groups:
                series = [_evaluated(run, source, task, metric) for run in group.runs]
                lines.append(Line(group.name, *series[0], repeats=series[1:]))
            made.append(figure(f"{source}: {task} {metric} {'↑' if better == 'higher' else '↓'}", lines))
    return made


def _evaluated(run: Curves, source: str, task: str, metric: str) -> tuple[list[float], list[float]]:
    """Steps and values of the evaluations that measured a metric."""
    held = [e for e in run.evaluations if metric in e["scores"].get(source, {}).get(task, {})]
    return [e["step"] for e in held], [number(e["scores"][source][task][metric]) for e in held]


def bars(groups: Sequence[Group]) -> list[str]:
    """Per-class scores of the last reports, one chart per source, task and metric; of several runs their mean."""
    if not any(run.report for group in groups for run in group.runs):
        return []
    by_metric: dict[tuple[str, str, str], dict[str, dict[str, list[float]]]] = {}
    for group in groups:
        for run in group.runs:
            for source, tasks in run.report.scores.items() if run.report else ():
                for task, metrics in tasks.items():
                    for metric, value in metrics.items():
                        kind, _, label = metric.partition("/")
                        if label:
                            labels = by_metric.setdefault((source, task, kind), {})
                            labels.setdefault(label, {}).setdefault(group.name, []).append(value)
    made = []
    for (source, task, kind), labels in by_metric.items():
        means = {
            group.name: [mean_and_deviation(values.get(group.name, ()))[0] for values in labels.values()]
            for group in groups
        }
        made.append(_framed(f"{source}: {task} {kind}", "", bar_chart(list(labels), means)))
    return made


def _wide(lines: Sequence[Line]) -> bool:
    """Whether the values span so much that a linear axis would hide the small ones."""
    series = [y for line in lines for y in (line.y, *(again for _, again in line.repeats))]
    values = [value for y in series for value in y if math.isfinite(value)]
    return bool(values) and min(values) > 0 and max(values) > 8 * min(values)
