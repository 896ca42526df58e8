"""The curves of one run, or of several over one another, as a page that needs nothing else."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from hydranet.core.sample import DataError
from hydranet.evaluation.report import Report, number, read_report
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
.rule{stroke:#e4e4e4;stroke-width:1} .zero{stroke:#888;stroke-width:1.2}
"""


@dataclass(frozen=True)
class Curves:
    """What a run has stored: its steps, its evaluations as {step, scores}, and its last report, if there is one.

    skipped: lines of the log that hold neither a step nor an evaluation.
    """

    name: str
    steps: list[dict[str, Any]]
    evaluations: list[dict[str, Any]]
    report: Report | None
    skipped: int = 0


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
    return Curves(folder.resolve().name, steps, [line for line in lines if "scores" in line], report, skipped)


def write_report(runs: Sequence[Curves], path: Path) -> None:
    """Writes the page. Raises CheckpointError where it cannot be written."""
    title = " · ".join(run.name for run in runs)
    about = "; ".join(f"{run.name}: {run.steps[-1]['step']} steps" for run in runs)
    note = "Lines are means of stretches of steps; bands reach from the 10th to the 90th percentile within a stretch."
    sections = [
        ("Losses", [*losses(runs)]),
        ("Weights of the balancer", [*spread(runs, "weights", log=True)]),
        ("Cosines between task gradients", [*spread(runs, "cosines", bounds=(-1.0, 1.0))]),
        ("The run", [*machine(runs)]),
        ("Scores while training", [*progress(runs)]),
        ("Scores by class", [*bars(runs)]),
    ]
    body = "".join(f'<h2>{name}</h2><div class="grid">{"".join(made)}</div>' for name, made in sections if made)
    head = f"<meta charset=utf-8><title>{escape(title)}</title><style>{STYLE}</style>"
    page = (
        f"<!doctype html><html lang=en>{head}<h1>{escape(title)}</h1><p>{escape(about)}</p><p>{note}</p>{body}</html>"
    )
    write(path, page.encode())


def figure(title: str, lines: Sequence[Line], *, log: bool = False, bounds: tuple[float, float] | None = None) -> str:
    """One chart with its title; with a legend where there is more than one line."""
    key = legend([line.name for line in lines]) if len(lines) > 1 else ""
    return _framed(title, key, line_chart(lines, log=log, bounds=bounds))


def _framed(title: str, key: str, chart: str) -> str:
    return f'<figure><figcaption>{escape(title)}</figcaption><div class="legend">{key}</div>{chart}</figure>'


def _line(name: str, run: Curves, value: Callable[[dict[str, Any]], float | None]) -> Line:
    return Line(name, [line["step"] for line in run.steps], [number(value(line)) for line in run.steps])


def names_of(runs: Sequence[Curves], group: str) -> list[str]:
    """The names under one key of any step, in the order in which they first occur."""
    return list(dict.fromkeys(name for run in runs for line in run.steps for name in line[group]))


def losses(runs: Sequence[Curves]) -> list[str]:
    """One chart per task: of one run with the loss's parts, or of several runs."""
    made = []
    for task in names_of(runs, "losses"):
        lines = [_line(run.name, run, lambda line, task=task: line["losses"].get(task)) for run in runs]  # type: ignore[misc]
        if len(runs) == 1:
            parts = dict.fromkeys(part for line in runs[0].steps for part in line["parts"].get(task, {}))
            lines = [Line("loss", lines[0].x, lines[0].y)] + [
                _line(part, runs[0], lambda line, part=part, task=task: line["parts"].get(task, {}).get(part))  # type: ignore[misc]
                for part in (parts if len(parts) > 1 else ())
            ]
        made.append(figure(task, lines, log=_wide(lines)))
    return made


def spread(
    runs: Sequence[Curves], group: str, *, log: bool = False, bounds: tuple[float, float] | None = None
) -> list[str]:
    """Values by name: all in one chart for one run, one chart per name for several runs."""
    names = names_of(runs, group)
    by_name = {
        name: [_line(run.name, run, lambda line, name=name: line[group].get(name)) for run in runs]  # type: ignore[misc]
        for name in names
    }
    if not names:
        return []
    if len(runs) == 1:
        lines = [Line(name, per_run[0].x, per_run[0].y) for name, per_run in by_name.items()]
        return [
            figure(
                f"{len(lines)} pairs of tasks" if bounds else "by task", lines, log=log and _wide(lines), bounds=bounds
            )
        ]
    return [figure(name, per_run, log=log and _wide(per_run), bounds=bounds) for name, per_run in by_name.items()]


def machine(runs: Sequence[Curves]) -> list[str]:
    """Learning rate, gradient norm, speed and waiting for data."""
    titles = {
        "lr": "learning rate",
        "gradient_norm": "gradient norm, before clipping",
        "images_per_s": "images per second",
        "wait_share": "share of time spent waiting for data",
    }
    made = []
    for key, title in titles.items():
        lines = [_line(run.name, run, lambda line, key=key: line.get(key)) for run in runs]  # type: ignore[misc]
        made.append(figure(title, lines, log=key == "gradient_norm" and _wide(lines)))
    return made


def progress(runs: Sequence[Curves]) -> list[str]:
    """Headline scores over the steps of a run that was evaluated more than once."""
    made = []
    headlines = {task: headline for run in runs if run.report for task, headline in run.report.headlines.items()}
    keys = dict.fromkeys((s, t) for run in runs for e in run.evaluations for s, ts in e["scores"].items() for t in ts)
    if max(len(run.evaluations) for run in runs) < 2:
        return []
    for source, task in keys:
        if task in headlines:
            metric, better = headlines[task]
            lines = []
            for run in runs:
                evaluations = [e for e in run.evaluations if metric in e["scores"].get(source, {}).get(task, {})]
                y = [number(e["scores"][source][task][metric]) for e in evaluations]
                lines.append(Line(run.name, [e["step"] for e in evaluations], y))
            made.append(figure(f"{source}: {task} {metric} {'↑' if better == 'higher' else '↓'}", lines))
    return made


def bars(runs: Sequence[Curves]) -> list[str]:
    """Per-class scores of the last reports, one chart per source, task and metric."""
    reports = {run.name: run.report for run in runs if run.report}
    by_metric: dict[tuple[str, str, str], dict[str, dict[str, float]]] = {}
    for name, report in reports.items():
        for source, tasks in report.scores.items():
            for task, metrics in tasks.items():
                for metric, value in metrics.items():
                    kind, _, label = metric.partition("/")
                    if label:
                        by_metric.setdefault((source, task, kind), {}).setdefault(label, {})[name] = value
    made = []
    for (source, task, kind), labels in by_metric.items():
        groups = {name: [values.get(name, math.nan) for values in labels.values()] for name in reports}
        key = legend(list(groups)) if len(groups) > 1 else ""
        made.append(_framed(f"{source}: {task} {kind}", key, bar_chart(list(labels), groups)))
    return made


def _wide(lines: Sequence[Line]) -> bool:
    """Whether the values span so much that a linear axis would hide the small ones."""
    values = [y for line in lines for y in line.y if math.isfinite(y)]
    return bool(values) and min(values) > 0 and max(values) > 8 * min(values)
