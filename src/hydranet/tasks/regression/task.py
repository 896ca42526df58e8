"""Regression: one number for the whole image, such as an age."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import torch
from torch import nn

from hydranet.annotations import Annotation, Quantity
from hydranet.core.features import Features, Reads
from hydranet.core.fixed_after_training import FixedAfterTraining
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.core.task import Loss, Raw, Stats, Task
from hydranet.models.heads.pooled import HIDDEN, PooledHead, check_hidden

Objective = Literal["l1", "smooth_l1", "mse"]


@dataclass(frozen=True)
class Regression(Task, FixedAfterTraining):
    """A loss on normalized numbers; mean absolute and mean squared error in the unit.

    unit:      of labels, answers, errors and `tolerance`, such as "years".
    offset, scale: the network learns (value - offset) / scale; take the labels' mean and spread.
    objective: "l1", "smooth_l1" (quadratic below 1 scale) or "mse" of the normalized numbers.
    tolerance: `within_tolerance` is the share of images whose error is at most this.
    hidden, dropout: as in classification; () = linear.
    """

    kind: ClassVar[type[Annotation]] = Quantity
    headline: ClassVar[tuple[str, Literal["higher", "lower"]]] = ("mae", "lower")

    reads: Reads = "encoder"
    unit: str = ""
    offset: float = 0.0
    scale: float = 1.0
    objective: Objective = "smooth_l1"
    tolerance: float = 5.0
    hidden: tuple[int, ...] = HIDDEN
    dropout: float = 0.5

    def __post_init__(self) -> None:
        if self.classes:
            raise SpecError(f"{self.name!r} got classes {self.classes}, expected none: it answers a number; leave out")
        if self.objective not in get_args(Objective):
            raise SpecError(f"{self.name!r} got objective={self.objective!r}, expected 'l1', 'smooth_l1' or 'mse'")
        if not math.isfinite(self.offset) or not 0 < self.scale < math.inf:
            raise SpecError(
                f"{self.name!r} got offset={self.offset}, scale={self.scale}, expected a number and a number > 0: mean "
                "and spread of the labels"
            )
        if not 0 <= self.tolerance < math.inf:
            raise SpecError(f"{self.name!r} got tolerance={self.tolerance}, expected a number >= 0 in the unit")
        check_hidden(self.hidden, self.dropout)

    @classmethod
    def fitting(cls, name: str, classes: tuple[str, ...], labels: Sequence[Annotation]) -> "Regression":
        """With the labels' unit, and their mean and spread, to three digits."""
        given, units = [], dict[str, None]()
        for label in labels:
            assert isinstance(label, Quantity)
            given.append(float(label.value))
            units[label.unit] = None
        values = np.array(given)
        values = values[np.isfinite(values)]
        if not values.size:
            raise SpecError(f"{name!r} got no label with a known number, expected some; look at the label files")
        spread = float(f"{values.std():.3g}") or 1.0
        unit = next((unit for unit in units if unit), "")
        task = cls(name, unit=unit, offset=float(f"{values.mean():.3g}"), scale=spread)
        for label in labels:
            task.check(label)
        return task

    def calibration(self) -> dict[str, Any]:
        return {"offset": self.offset, "scale": self.scale}

    def head(self, features: Features) -> nn.Module:
        return PooledHead(features, 1, self.hidden, self.dropout)

    def loss(self, raw: Raw, label: Annotation) -> Loss:
        """Sum over images with a known value y of l(z - (y - offset) / scale); the count is the number of these.

        l(e) is |e|, e^2, or e^2 / 2 where |e| < 1 and |e| - 1/2 elsewhere.
        """
        assert isinstance(label, Quantity)
        wanted = (label.value.float() - self.offset) / self.scale
        known = torch.isfinite(wanted)
        error = torch.where(known, raw.float()[:, 0] - torch.where(known, wanted, 0.0), 0.0)
        if self.objective == "l1":
            each = error.abs()
        elif self.objective == "mse":
            each = error.square()
        else:
            each = nn.functional.smooth_l1_loss(error, torch.zeros_like(error), reduction="none")
        return Loss(each.sum(), known.sum().float())

    def decode(self, raw: Raw) -> Annotation:
        return Quantity(raw.float()[:, 0] * self.scale + self.offset, unit=self.unit)

    def measure(self, prediction: Annotation, label: Annotation) -> Stats:
        """Sums of |e|, e^2, of errors within the tolerance, and the number of images with a known value.

        An answer that is no number is an infinite error.
        """
        assert isinstance(prediction, Quantity)
        assert isinstance(label, Quantity)
        wanted, answer = float(label.value), float(prediction.value)
        if not math.isfinite(wanted):
            return {"errors": np.zeros(4)}
        error = abs(answer - wanted) if math.isfinite(answer) else math.inf
        return {"errors": np.array([error, error**2, error <= self.tolerance, 1.0])}

    def score(self, stats: Stats) -> dict[str, float]:
        absolute, squared, within, count = (float(value) for value in stats["errors"])
        sums = {"mae": absolute, "mse": squared, "within_tolerance": within}
        return {name: total / count if count else math.nan for name, total in sums.items()}

    @property
    def score_units(self) -> Mapping[str, str]:
        return {"mae": self.unit, "mse": f"{self.unit}²"} if self.unit else {}

    def protocol(self) -> dict[str, Any]:
        how = {"mae": "mean |prediction - label| over images", "mse": "mean squared error", "unit": self.unit or "none"}
        return {**super().protocol(), **how, "within_tolerance": f"share of images with an error <= {self.tolerance:g}"}

    def check(self, label: Annotation) -> None:
        super().check(label)
        assert isinstance(label, Quantity)
        if label.unit and self.unit and label.unit != self.unit:
            raise DataError(
                f"{self.name!r} got a number in {label.unit!r}, expected {self.unit!r}; convert it, or change the "
                "task's unit"
            )
