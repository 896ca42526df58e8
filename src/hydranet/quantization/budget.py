"""What a smaller network may lose, and whether it does."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from hydranet.core.spec import SpecError
from hydranet.core.task import Task
from hydranet.evaluation.resampling import spread
from hydranet.export.parity import Parity

Better = Literal["higher", "lower"]

ALLOWED: Mapping[str, tuple[Better, float]] = {
    "miou": ("higher", 0.005),
    "top1": ("higher", 0.005),
    "ods": ("higher", 0.01),
    "f1": ("higher", 0.01),
    "ap": ("higher", 0.01),
    "abs_rel": ("lower", 0.02),
    "mean_deg": ("lower", 0.02),
}
"""Losses that are accepted by default, by metric: half a point of mIoU and top-1, a point of AP, F1 and ODS, 2 % more
error."""

DIRECTIONS: Mapping[str, Better] = {
    **dict.fromkeys(("miou", "iou", "pixel_accuracy", "class_accuracy"), "higher"),
    **dict.fromkeys(("ap", "ap50", "ap75", "ar", "voc_ap50", "road_ap50", "road_recall"), "higher"),
    **dict.fromkeys(("kitti_r40", "kitti_r11", "delta1", "delta2", "delta3"), "higher"),
    **dict.fromkeys(("within_11.25", "within_22.5", "within_30"), "higher"),
    **dict.fromkeys(("top1", "top5", "balanced_accuracy", "within_tolerance", "pck", "ods", "ois"), "higher"),
    **dict.fromkeys(("f1", "precision", "recall", "tusimple_accuracy", "line_iou", "line_recall"), "higher"),
    **dict.fromkeys(("mae", "mse", "nme", "failure_rate", "tusimple_fp", "tusimple_fn"), "lower"),
    **dict.fromkeys(("abs_rel", "sq_rel", "rmse", "rmse_log", "mean_deg", "median_deg"), "lower"),
}
"""Which way each metric is better; that of one class ("iou/road") goes by the part before the slash."""

ELSE = 0.01
"""The accepted loss of a task's headline metric where the task has none of the metrics in `ALLOWED`."""


@dataclass(frozen=True)
class Limit:
    """allowed: the drop where higher is better; the rise relative to the value where lower is better."""

    task: str
    metric: str
    better: Better
    allowed: float


@dataclass(frozen=True)
class MetricDrop:
    """One metric on one source, in float and quantized. loss: in the unit of `Limit.allowed`; below 0 = a gain.

    resampled: both values in draws of the images, and how many `images` there are.
    """

    source: str
    limit: Limit
    before: float
    after: float
    resampled: tuple[tuple[float, float], ...] = ()
    images: int = 0

    @property
    def loss(self) -> float:
        """Infinite where one of the values is unknown, 0 where both are."""
        return self._lost(self.before, self.after)

    def _lost(self, before: float, after: float) -> float:
        if not (math.isfinite(before) and math.isfinite(after)):
            return 0.0 if math.isnan(before) and math.isnan(after) else math.inf
        if self.limit.better == "higher":
            return before - after
        return (after - before) / max(abs(before), 1e-9)

    @property
    def spread(self) -> float:
        """Half the width of the 90 % interval of the loss over draws of images; 0 where none were drawn."""
        return spread([self._lost(*pair) for pair in self.resampled])

    @property
    def certain(self) -> bool:
        """Whether the limit lies outside that interval: else these images cannot tell whether it is kept."""
        return self.spread == 0 or abs(self.loss - self.limit.allowed) > self.spread

    @property
    def kept(self) -> bool:
        """Whether it stays within the budget."""
        return self.loss <= self.limit.allowed

    @property
    def used(self) -> float:
        """The loss as a share of the budget; above 1 it breaks it."""
        return self.loss / self.limit.allowed if self.limit.allowed else (math.inf if self.loss > 0 else 0.0)


def limits(tasks: Sequence[Task], scores: Mapping[str, float], settings: Sequence[str] = ()) -> list[Limit]:
    """The budget of each task that was measured: its headline if `ALLOWED` has it, else the metrics there that it has,
    else its headline with `ELSE`.

    scores:   "source task metric" -> value, of one evaluation.
    settings: such as "semantic.miou=0.01", which take the place of a task's default.
    Raises SpecError for what is no task, no metric or no number, and for a metric that no source has a value of: a
    budget without a value to check would let anything pass.
    """
    metrics = {task.name: {m for key in scores if (m := _metric(key, task.name))} for task in tasks}
    own = parsed(settings, tasks)
    for limit in own:
        if limit.metric not in metrics[limit.task]:
            offered = ", ".join(f"{t}.{m}" for t, ms in metrics.items() for m in sorted(ms) if "/" not in m)
            raise SpecError(
                f"got a budget for {limit.task}.{limit.metric}, expected a metric that the validation sources measure, "
                f"one of {offered}; give another or add a source that labels it"
            )
    budget = list(own)
    for task in tasks:
        if not metrics[task.name] or task.name in {limit.task for limit in own}:
            continue
        first = task.headline[0]
        known = [first] if first in ALLOWED else [m for m in ALLOWED if m in metrics[task.name]]
        usual = [Limit(task.name, m, *ALLOWED[m]) for m in known]
        budget += usual or [Limit(task.name, first, task.headline[1], ELSE)]
    for limit in budget:
        values = [v for key, v in scores.items() if key.endswith(f" {limit.task} {limit.metric}")]
        if not any(map(math.isfinite, values)):
            raise SpecError(
                f"{limit.task}.{limit.metric} has no value on the images of any validation source, expected one to "
                "hold INT8 against; give more images (--limit 0), another metric, or a source with labels for it"
            )
    return budget


def _metric(key: str, task: str) -> str:
    """The metric of a task in "source task metric"; "" for another task's. Sources and classes may have spaces."""
    metric = key.rpartition(f" {task} ")[2] if f" {task} " in key else ""
    return "" if " " in metric.partition("/")[0] else metric


def parsed(settings: Sequence[str], tasks: Sequence[Task]) -> list[Limit]:
    """Budgets such as "semantic.miou=0.01". Only an evaluation shows whether the task has the metric: see `limits`.

    Raises SpecError for what is no task or no number, and for a metric of which it is unknown which way is better.
    """
    return [_parsed(text, tasks) for text in settings]


def _parsed(text: str, tasks: Sequence[Task]) -> Limit:
    key, _, value = text.partition("=")
    name, _, metric = key.partition(".")
    task = next((task for task in tasks if task.name == name), None)
    if task is None or not metric:
        known = ", ".join(task.name for task in tasks)
        raise SpecError(f"got budget {text!r}, expected TASK.METRIC=LOSS with a task of {known}; name one of them")
    directions = {**DIRECTIONS, task.headline[0]: task.headline[1]}
    if metric.partition("/")[0] not in directions:
        raise SpecError(
            f"got budget {text!r}, expected a metric that is known to be better higher or lower: "
            f"{', '.join(sorted(directions))}; use one of them, such as {name}.{task.headline[0]}=0.01"
        )
    try:
        allowed = float(value)
    except ValueError:
        allowed = math.nan
    if math.isnan(allowed):
        raise SpecError(f"got budget {text!r}, expected a number after '='; give one, such as {key}=0.01")
    return Limit(name, metric, directions[metric.partition("/")[0]], allowed)


def losses(budget: Sequence[Limit], before: Mapping[str, float], parity: Parity) -> list[MetricDrop]:
    """Every limited metric on every source it was measured on; `before` as in `limits`."""
    return [
        MetricDrop(
            name.removesuffix(end),
            limit,
            before[name],
            value.exported,
            tuple(parity.resampled.get(name, ())),
            parity.counts.get(name.removesuffix(f" {limit.metric}"), 0),
        )
        for name, value in parity.metrics.items()
        for limit in budget
        if name.endswith(end := f" {limit.task} {limit.metric}")
    ]
