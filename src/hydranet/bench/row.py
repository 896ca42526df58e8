"""One variant of a comparison: medians and ratios of its interleaved rounds."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from hydranet.bench.runner import STEPS, Opened, Times


@dataclass(frozen=True)
class Row:
    """One variant.

    rounds:    for each step the median of every round in milliseconds, in the order they were run.
    unchecked: whether it is INT8 whose accuracy nobody checked.
    """

    network: str
    runtime: str
    precision: str
    opened: Opened
    rounds: Mapping[str, list[float]]
    unchecked: bool = False

    def ms(self, step: str) -> float:
        """The median over all rounds; NaN where the step was not measured."""
        return median(self.rounds[step]) if self.rounds.get(step) else math.nan

    def share(self, above: str, below: str) -> float:
        """The median over rounds of the time of one step divided by that of another."""
        return _middle(self.rounds.get(above, []), self.rounds.get(below, []))


def ratio(one: Row, other: Row, step: str = "whole") -> float:
    """The time of `one` divided by that of `other`: the median over rounds of ratios within a round.

    Rounds are interleaved, so that what slows the machine down for a while slows both sides of a ratio alike.
    """
    return _middle(one.rounds.get(step, []), other.rounds.get(step, []))


def _middle(above: Sequence[float], below: Sequence[float]) -> float:
    ratios = [a / b for a, b in zip(above, below, strict=False) if b > 0]
    return median(ratios) if ratios else math.nan


def rounds_of(measured: Sequence[Times]) -> dict[str, list[float]]:
    """The median of each round, by step."""
    return {step: [median(times[step]) for times in measured if times.get(step)] for step in STEPS}


def dashed(value: float, form: str) -> str:
    """A number in a format such as "{:.1f} ms"; a dash where it was not measured."""
    return "–" if math.isnan(value) else form.format(value)
