"""What the runs of a sweep scored: one row per group, mean and spread over seeds, delta-m against a baseline."""

import csv
import io
import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hydranet.core.ledger import Ledger, Omission
from hydranet.evaluation.compare import differences
from hydranet.evaluation.report import Report, finite
from hydranet.evaluation.spread import spread
from hydranet.sweep.plan import SINGLE, Group, Plan

Key = tuple[str, str]
"""source, task."""


@dataclass(frozen=True)
class Metric:
    """A headline score of the table. better: "higher" or "lower".    unit: empty where it has none."""

    source: str
    task: str
    name: str
    better: str
    unit: str = field(default="", compare=False)

    @property
    def key(self) -> Key:
        """Where reports hold it."""
        return self.source, self.task


@dataclass(frozen=True)
class Row:
    """One group: its scores by metric and seed; NaN where a score was not measured, absent where a run is not finished.

    delta_m: {seed: mean relative gain over the baseline in percent}.
    runs:    {seed: names of its runs}.
    kept:    {(source, task): {seed: score over the baseline's, or the inverse where lower is better; 1 = equal}}.
    images:  how many images went through a network in one run; for single-task networks in all of them together.
    """

    label: str
    settings: Mapping[str, str]
    equal: str
    scores: Mapping[Key, Mapping[int, float]]
    delta_m: Mapping[int, float]
    kept: Mapping[Key, Mapping[int, float]]
    images: int
    runs: Mapping[int, Sequence[str]]

    @property
    def seeds(self) -> int:
        """How many seeds have finished."""
        return max((len(values) for values in self.scores.values()), default=0)


@dataclass(frozen=True)
class Results:
    """The table of a sweep. ledger: runs without a report, and metrics that delta-m leaves out."""

    recipe: str
    baseline: str
    metrics: tuple[Metric, ...]
    rows: tuple[Row, ...]
    ledger: Ledger

    def to_json(self) -> str:
        """Every value, its mean and its spread, as JSON; what was not measured is null."""
        tree = {
            "recipe": self.recipe,
            "baseline": self.baseline,
            "metrics": [vars(metric) for metric in self.metrics],
            "rows": [_row_json(row, self.metrics) for row in self.rows],
            "ledger": self.ledger.to_json(),
        }
        return json.dumps(tree, indent=2)

    def to_csv(self) -> str:
        """One line per group, seed and metric, delta-m among them."""
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(["group", "equal", "seed", "source", "task", "metric", "value", "unit"])
        for row in self.rows:
            for metric in self.metrics:
                for seed, value in row.scores.get(metric.key, {}).items():
                    where = (metric.source, metric.task, metric.name)
                    writer.writerow([row.label, row.equal, seed, *where, f"{value:.6g}", metric.unit])
            writer.writerows(
                [row.label, row.equal, seed, "", "", "delta_m", f"{v:.6g}", "%"] for seed, v in row.delta_m.items()
            )
        return text.getvalue()


def results(plan: Plan, reports: Mapping[str, Report], failed: Mapping[str, str]) -> Results:
    """The table of the runs that are finished so far.

    reports: by the name of the run.    failed: {name of a run that ended with an error: the error}.
    Delta-m is the mean over tasks of (score - baseline) / baseline with the sign of better, in percent (Maninis et al.,
    CVPR 2019, arXiv 1904.08918), each seed against the baseline of the same seed; a task that several sources measure
    counts once, by their mean. A metric that the baseline scored 0 or not at all with any seed has no relative gain: it
    is left out for every group, and counted. So are runs that were measured in another way.
    """
    ledger = Ledger()
    for name, error in failed.items():
        ledger = ledger.noted(Omission.NOT_SCORED, f"run {name}", error, count=1)
    metrics = _metrics(plan, reports)
    compared = dict.fromkeys(metrics)
    for metric in metrics:
        zero = _without_gain(plan, metric, reports)
        if zero:
            del compared[metric]
            where = f"{metric.source}/{metric.task} {metric.name}"
            ledger = ledger.noted(Omission.NOT_COMPARED, where, "the baseline scored 0 or nothing", *zero)
    images = {trial.name: trial.images for trial in plan.trials}
    rows = [_single_row(label, group, reports, images) for label, group in _single_groups(plan).items()]
    for group in plan.groups:
        row, noted = _group_row(plan, group, reports, list(compared), images)
        rows.append(row)
        ledger += noted
    return Results(plan.recipe, plan.baseline, tuple(metrics), tuple(rows), ledger)


def _metrics(plan: Plan, reports: Mapping[str, Report]) -> list[Metric]:
    """The headline of every source and task that any run measured, by task."""
    measured = {
        Metric(source, task, *report.headlines[task], report.unit(task, report.headlines[task][0]))
        for report in reports.values()
        for source, tasks in report.scores.items()
        for task in tasks
    }
    return sorted(measured, key=lambda metric: (plan.tasks.index(metric.task), metric.source))


def _baseline(plan: Plan, group: Group, seed: int, task: str) -> str | None:
    """The name of the run that a group's scores of a task are compared with; None where there is none."""
    if plan.baseline == SINGLE:
        return group.singles.get(seed, {}).get(task)
    return next((one.runs.get(seed) for one in plan.groups if one.label == plan.baseline), None)


def _without_gain(plan: Plan, metric: Metric, reports: Mapping[str, Report]) -> list[str]:
    """The finished baseline runs to which nothing can be relative: they scored 0 or nothing."""
    names = {_baseline(plan, group, seed, metric.task): None for group in plan.groups for seed in group.runs}
    known = [name for name in names if name is not None and name in reports]
    return [name for name in known if not math.isfinite(value := _score(reports[name], metric)) or value == 0]


def _score(report: Report, metric: Metric) -> float:
    return report.scores.get(metric.source, {}).get(metric.task, {}).get(metric.name, math.nan)


def _single_groups(plan: Plan) -> dict[str, Group]:
    """Each set of single-task networks once, by the label of its row."""
    sets: dict[str, Group] = {}
    for group in plan.groups:
        names = json.dumps(list(group.singles.values()))
        if group.singles and names not in sets:
            sets[names] = group
    whole = len(sets) == 1
    return {"single-task networks" if whole else f"single-task networks, {g.label}": g for g in sets.values()}


def _single_row(label: str, group: Group, reports: Mapping[str, Report], images: Mapping[str, int]) -> Row:
    scores: dict[Key, dict[int, float]] = {}
    for seed, names in group.singles.items():
        for task, name in names.items():
            for source, measured in reports[name].scores.items() if name in reports else ():
                headline = reports[name].headlines[task][0]
                scores.setdefault((source, task), {})[seed] = measured[task][headline]
    spent = sum(images[name] for name in next(iter(group.singles.values())).values())
    runs = {seed: list(names.values()) for seed, names in group.singles.items()}
    return Row(label, group.settings, "", scores, {}, {}, spent, runs)


def _group_row(
    plan: Plan, group: Group, reports: Mapping[str, Report], compared: Sequence[Metric], images: Mapping[str, int]
) -> tuple[Row, Ledger]:
    """A row, and what its delta-m leaves out."""
    scores: dict[Key, dict[int, float]] = {}
    delta_m: dict[int, float] = {}
    kept: dict[Key, dict[int, float]] = {}
    ledger = Ledger()
    for seed, name in group.runs.items():
        if name not in reports:
            continue
        own = reports[name]
        for source, tasks in own.scores.items():
            for task, measured in tasks.items():
                scores.setdefault((source, task), {})[seed] = measured[own.headlines[task][0]]
        against = {metric: _baseline(plan, group, seed, metric.task) for metric in compared}
        known = {metric: reports[base] for metric, base in against.items() if base is not None and base in reports}
        if not known or len(known) < len(against):
            continue  # the baseline is not finished
        wrong = _otherwise(own, known)
        if wrong:
            ledger = ledger.noted(Omission.NOT_COMPARED, f"run {name}", f"measured in another way: {wrong}", count=1)
            continue
        gains: dict[str, list[float]] = {}
        for metric, base in known.items():
            mine, theirs = _score(own, metric), _score(base, metric)
            higher = metric.better == "higher"
            gains.setdefault(metric.task, []).append((mine - theirs) / theirs * (1 if higher else -1))
            kept.setdefault(metric.key, {})[seed] = mine / theirs if higher else _ratio(theirs, mine)
        nothing = [task for task, values in gains.items() if not all(map(math.isfinite, values))]
        if nothing:
            ledger = ledger.noted(Omission.NOT_COMPARED, f"run {name}", "it scored nothing", *nothing)
        delta_m[seed] = 100 * statistics.fmean(statistics.fmean(values) for values in gains.values())
    spent = images[next(iter(group.runs.values()))]
    runs = {seed: [name] for seed, name in group.runs.items()}
    return Row(group.label, group.settings, group.equal, scores, delta_m, kept, spent, runs), ledger


def _ratio(above: float, below: float) -> float:
    return above / below if below else math.nan


def _otherwise(own: Report, known: Mapping[Metric, Report]) -> str:
    """In what a run was measured otherwise than its baseline; empty where it was not."""
    wrong = [
        line
        for metric, base in known.items()
        if metric.task in own.protocol.get(metric.source, {})
        for line in differences(
            base.protocol[metric.source][metric.task],
            own.protocol[metric.source][metric.task],
            f"{metric.source}/{metric.task}",
        )
    ]
    return "; ".join(wrong[:3])


def _row_json(row: Row, metrics: Sequence[Metric]) -> dict[str, Any]:
    return {
        "group": row.label,
        "settings": dict(row.settings),
        "equal": row.equal,
        "images": row.images,
        "runs": {str(seed): list(names) for seed, names in row.runs.items()},
        "scores": [
            {
                "source": m.source,
                "task": m.task,
                "metric": m.name,
                "better": m.better,
                **_values(row.scores.get(m.key, {})),
            }
            for m in metrics
        ],
        "kept": [{"source": source, "task": task, **_values(values)} for (source, task), values in row.kept.items()],
        "delta_m": _values(row.delta_m),
    }


def _values(by_seed: Mapping[int, float]) -> dict[str, Any]:
    mean, deviation = spread(by_seed.values())
    values = {str(seed): finite(value) for seed, value in by_seed.items()}
    return {"mean": finite(mean), "spread": finite(deviation), "by_seed": values}
