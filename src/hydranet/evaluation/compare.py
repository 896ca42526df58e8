"""Two reports side by side, if they measured the same thing in the same way."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hydranet.core.errors import UserError
from hydranet.evaluation.report import Report, with_unit


class NotComparable(UserError, ValueError):
    """Reports made differently: what differs."""


@dataclass(frozen=True)
class Change:
    """One metric in both reports. better: whether the second one is better; None for a metric without a direction.

    unit: of both values; empty where they have none.
    """

    source: str
    task: str
    metric: str
    first: float
    second: float
    better: bool | None
    unit: str = ""

    @property
    def named(self) -> str:
        """The metric with its unit."""
        return with_unit(self.metric, self.unit)

    @property
    def difference(self) -> float:
        """Second minus first."""
        return self.second - self.first


def differences(first: Mapping[str, Any], second: Mapping[str, Any], where: str) -> list[str]:
    """The entries in which two protocols of a task differ."""
    keys = [key for key in {**first, **second} if first.get(key) != second.get(key)]
    return [f"{where}.{key}: {_describe(key, first, second)}" for key in keys]


def _describe(key: str, first: Mapping[str, Any], second: Mapping[str, Any]) -> str:
    both = f"{first.get(key)} / {second.get(key)}"
    if key != "data_digest":
        return both
    if key in first and key in second:
        return f"{both}: other options of the data set, or other labels"
    older = "second" if key in first else "first"
    return f"the {older} report is of an older HydraNet and does not say on which data; make it again"


def changes(first: Report, second: Report, *, every: bool = False) -> list[Change]:
    """Every metric that both reports hold; per-class ones with `every`.

    Raises NotComparable, with all differences, where any task that both measured was measured differently (other
    classes, caps, thresholds, images), and where they have no task of a source in common.
    """
    both = [(s, t) for s, tasks in first.protocol.items() for t in tasks if t in second.protocol.get(s, {})]
    if not both:
        have = [
            ", ".join(f"{s}/{t}" for s, tasks in report.protocol.items() for t in tasks) for report in (first, second)
        ]
        raise NotComparable(f"the reports have nothing in common: one has {have[0]}, the other {have[1]}")
    reasons = [line for s, t in both for line in differences(first.protocol[s][t], second.protocol[s][t], f"{s}/{t}")]
    if reasons:
        raise NotComparable(
            f"the reports were not made in the same way ({'; '.join(reasons)}); evaluate both with one protocol"
        )
    return [
        Change(
            s,
            t,
            metric,
            value,
            second.scores[s][t][metric],
            _better(first, t, metric, second.scores[s][t][metric] - value),
            first.unit(t, metric) or second.unit(t, metric),
        )
        for s, t in both
        for metric, value in first.scores[s][t].items()
        if metric in second.scores[s][t] and (every or "/" not in metric)
    ]


def _better(report: Report, task: str, metric: str, difference: float) -> bool | None:
    name, direction = report.headlines[task]
    if metric != name or difference == 0 or not math.isfinite(difference):
        return None
    return (difference > 0) == (direction == "higher")
