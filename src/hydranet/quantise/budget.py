"""What a smaller network may lose, and whether it does."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from hydranet.core.spec import SpecError
from hydranet.core.task import Task
from hydranet.export.parity import Parity

Better = Literal["higher", "lower"]

ALLOWED: Mapping[str, tuple[Better, float]] = {
    "miou": ("higher", 0.005),
    "ap": ("higher", 0.01),
    "abs_rel": ("lower", 0.02),
    "mean_deg": ("lower", 0.02),
}
"""Losses that are accepted by default, by metric: half a point of mIoU, a point of AP, 2 % more error."""

ELSE = 0.01
"""The same for the headline of a task that has none of these metrics."""


@dataclass(frozen=True)
class Limit:
    """allowed: of metrics that rise, the drop; of metrics that fall, the rise relative to the value."""

    task: str
    metric: str
    better: Better
    allowed: float


@dataclass(frozen=True)
class Lost:
    """One metric on one source, in float and quantised. loss: in the unit of `Limit.allowed`; below 0 = a gain."""

    source: str
    limit: Limit
    before: float
    after: float

    @property
    def loss(self) -> float:
        """Infinite where a value came to be, or was, unknown."""
        if not (math.isfinite(self.before) and math.isfinite(self.after)):
            return 0.0 if math.isnan(self.before) and math.isnan(self.after) else math.inf
        if self.limit.better == "higher":
            return self.before - self.after
        return (self.after - self.before) / max(abs(self.before), 1e-9)

    @property
    def kept(self) -> bool:
        """Whether it stays within the budget."""
        return self.loss <= self.limit.allowed

    @property
    def used(self) -> float:
        """The loss as a share of the budget; above 1 it breaks it."""
        return self.loss / self.limit.allowed if self.limit.allowed else (math.inf if self.loss > 0 else 0.0)


def limits(tasks: Sequence[Task], scores: Mapping[str, float], settings: Sequence[str] = ()) -> list[Limit]:
    """The budget of each task: the metrics of `ALLOWED` that it has, else its headline.

    scores:   "source task metric" -> value, of one evaluation.
    settings: such as "semantic.miou=0.01", which take the place of a task's default.
    Raises SpecError for what is no task, no metric or no number.
    """
    metrics = {task.name: {m for key in scores if (m := _metric(key, task.name))} for task in tasks}
    own = [_parsed(text, tasks, metrics) for text in settings]
    found = list(own)
    for task in tasks:
        if task.name in {limit.task for limit in own}:
            continue
        usual = [Limit(task.name, m, *ALLOWED[m]) for m in ALLOWED if m in metrics[task.name]]
        found += usual or [Limit(task.name, task.headline[0], task.headline[1], ELSE)]
    return found


def _metric(key: str, task: str) -> str:
    """The metric of a task in "source task metric"; "" for another task's. Sources and classes may have spaces."""
    metric = key.rpartition(f" {task} ")[2] if f" {task} " in key else ""
    return "" if " " in metric.partition("/")[0] else metric


def _parsed(text: str, tasks: Sequence[Task], metrics: Mapping[str, set[str]]) -> Limit:
    key, _, value = text.partition("=")
    name, _, metric = key.partition(".")
    task = next((task for task in tasks if task.name == name), None)
    if task is None or metric not in metrics[name]:
        known = ", ".join(f"{t}.{m}" for t, ms in metrics.items() for m in sorted(ms) if "/" not in m)
        raise SpecError(f"got budget {text!r}, expected TASK.METRIC=LOSS with one of {known}")
    try:
        allowed = float(value)
    except ValueError:
        raise SpecError(f"got budget {text!r}, expected a number after '=', such as {key}=0.01") from None
    return Limit(name, metric, ALLOWED[metric][0] if metric in ALLOWED else task.headline[1], allowed)


def losses(budget: Sequence[Limit], before: Mapping[str, float], parity: Parity) -> list[Lost]:
    """Every limited metric on every source it was measured on; `before` as in `limits`."""
    return [
        Lost(name.removesuffix(end), limit, before[name], value.exported)
        for name, value in parity.metrics.items()
        for limit in budget
        if name.endswith(end := f" {limit.task} {limit.metric}")
    ]
