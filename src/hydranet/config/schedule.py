"""Learning rates as pure functions of the step: nothing to save, nothing that shifts on resume."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

from hydranet.core.checks.ranges import check_range
from hydranet.core.spec import Component, SpecError


@dataclass(frozen=True)
class Schedule(Component, ABC):
    """A factor on the learning rate."""

    @abstractmethod
    def factor(self, step: int, steps: int) -> float:
        """Factor in 0..1 for step 0..steps-1."""


def _cosine(start: float, end: float, progress: float) -> float:
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * progress))


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Cosine up from 1/div to 1 during `warmup`, then down to 1/(div * final_div).

    Smith & Topin, "Super-convergence", arXiv 1708.07120, with the cosine form of torch's OneCycleLR.

    warmup:    share of the run in which the rate rises.
    div:       the rate begins at 1/div of its peak.    final_div: it ends this much lower still.
    """

    warmup: float = 0.1
    div: float = 25.0
    final_div: float = 1e4

    def __post_init__(self) -> None:
        if not 0 < self.warmup < 1:
            raise SpecError(f"got warmup={self.warmup}, expected a share of the run between 0 and 1")
        check_range("div", self.div, 1)
        check_range("final_div", self.final_div, 1)

    def factor(self, step: int, steps: int) -> float:
        peak = self.warmup * steps - 1
        start, end = 1 / self.div, 1 / (self.div * self.final_div)
        if step <= peak:
            return _cosine(start, 1.0, step / peak if peak > 0 else 1.0)
        return _cosine(1.0, end, (step - peak) / max(steps - 1 - peak, 1e-9))


@dataclass(frozen=True)
class Cosine(Schedule):
    """Cosine from 1 to `end` (Loshchilov & Hutter, arXiv 1608.03983, without restarts).

    end: the last rate, as a share of the first.
    """

    end: float = 0.0

    def __post_init__(self) -> None:
        check_range("end", self.end, 0, 1)

    def factor(self, step: int, steps: int) -> float:
        return _cosine(1.0, self.end, step / max(steps - 1, 1))


@dataclass(frozen=True)
class Constant(Schedule):
    """Always 1."""

    def factor(self, step: int, steps: int) -> float:
        return 1.0
