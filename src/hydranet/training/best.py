"""The best network of a run beside its last one, by a stated metric; and when a run has stopped getting better.

RUN/best/model.safetensors, recipe.json   the network of the best evaluation: a run folder of its own
RUN/best/report.json, report.csv          its scores
RUN/best/best.json                        step, metric and value, to read

Which evaluation was the best is read off the run's log alone, which agrees with its state after any stop; so a run that
was stopped keeps and ends as an unbroken one.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydranet.config.best_metric import BestMetric
from hydranet.core.sample import DataError
from hydranet.evaluation.report import Report
from hydranet.io.atomic import write
from hydranet.io.run_log import LOG, read

FOLDER, FILE = "best", "best.json"


@dataclass(frozen=True)
class History:
    """The values of a metric in the evaluations of a run: step, and the value so that greater is better."""

    values: tuple[tuple[int, float], ...] = ()

    @property
    def best(self) -> tuple[int, float] | None:
        """The first of the best evaluations; None where nothing was measured."""
        measured = [one for one in self.values if not math.isnan(one[1])]
        return max(measured, key=lambda one: (one[1], -one[0]), default=None)

    @property
    def since(self) -> int:
        """Evaluations after the best one."""
        return sum(step > self.best[0] for step, _ in self.values) if self.best else len(self.values)

    def with_value(self, step: int, value: float) -> "History":
        """With one more evaluation; one of the same step takes the other's place."""
        return History((*(one for one in self.values if one[0] != step), (step, value)))


def history(folder: Path, metric: BestMetric, headlines: Mapping[str, tuple[str, str]], last: int) -> History:
    """What the log of a run says of a metric, up to a step."""
    logged = read(folder) if (folder / LOG).is_file() else []
    evaluations = History()
    for line in logged:
        if "scores" in line and line["step"] <= last:
            evaluations = evaluations.with_value(line["step"], _value(line["scores"], metric, headlines))
    return evaluations


def keep(folder: Path, metric: BestMetric, report: Report, step: int, save: Callable[[Path], None]) -> bool:
    """Keeps the network of an evaluation where it is the best of the run so far; says whether it is.

    save: writes the network into a folder. Called before the evaluation is logged: a stop between repeats both.
    Raises DataError for a metric that the report does not have, CheckpointError where the disk is full.
    """
    check_measured(metric, report)
    value = _value(report.scores, metric, report.headlines)
    before = history(folder, metric, report.headlines, step - 1)
    best = before.with_value(step, value).best
    if best is None or best[0] != step:
        return False
    place = folder / FOLDER
    save(place)
    report.save(place / "report")
    summary = {"step": step, "metric": metric.text, "value": abs_value(value, metric, report.headlines)}
    write(place / FILE, json.dumps(summary, indent=1).encode())
    return True


def exhausted(
    folder: Path, metric: BestMetric, headlines: Mapping[str, tuple[str, str]], step: int, patience: int
) -> bool:
    """Whether the last `patience` evaluations up to a step brought nothing better."""
    return bool(patience) and history(folder, metric, headlines, step).since >= patience


def check_measured(metric: BestMetric, report: Report) -> None:
    """Raises DataError, naming what there is, for a metric that no source measures."""
    measured = [tasks[metric.task] for name, tasks in report.scores.items() if _is_of(metric, name, tasks)]
    name = metric.metric or report.headlines.get(metric.task, ("", ""))[0]
    if not any(name in metrics for metrics in measured):
        known = sorted({f"{task}.{one}" for tasks in report.scores.values() for task in tasks for one in tasks[task]})
        raise DataError(f"got keep_best={metric.text!r}, which no validation source measures; there are {known}")


def abs_value(value: float, metric: BestMetric, headlines: Mapping[str, tuple[str, str]]) -> float | None:
    """The metric's own value, None where it was not measured."""
    if math.isnan(value):
        return None
    return value if metric.better(headlines) == "higher" else -value


def _value(scores: Mapping[str, Any], metric: BestMetric, headlines: Mapping[str, tuple[str, str]]) -> float:
    """The mean over the sources that measure it, negative where lower is better; NaN where one has no number."""
    name = metric.metric or headlines[metric.task][0]
    of = [tasks[metric.task].get(name) for source, tasks in scores.items() if _is_of(metric, source, tasks)]
    numbers: Sequence[float] = [math.nan if one is None else float(one) for one in of]
    mean = sum(numbers) / len(numbers) if numbers else math.nan
    return mean if metric.better(headlines) == "higher" else -mean


def _is_of(metric: BestMetric, source: str, tasks: Mapping[str, Any]) -> bool:
    return metric.task in tasks and metric.source in ("", source)
