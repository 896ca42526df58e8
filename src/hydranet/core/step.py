"""What a step after the graph is: a function of one image's annotation, with options that are numbers. No torch."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hydranet.annotations import Annotation
from hydranet.core.checks.names import shown
from hydranet.core.sample import DataError

REAL = (int, float, np.integer, np.floating)
"""Types of a number; a tuple, since a union is made anew for each question."""


@dataclass(frozen=True)
class Option:
    """A number that a step takes: what it is where nobody says, the least and the greatest it may be.

    whole: whether it counts something.
    """

    default: float
    low: float
    high: float
    whole: bool = False

    def checked(self, value: object, where: str) -> float:
        """The value as a number. Raises DataError for what is none in the range; `where` names the option."""
        kind = "a whole number" if self.whole else "a number"
        real = isinstance(value, REAL) and not isinstance(value, bool)
        number: Any = value if real else math.nan
        if self.low <= number <= self.high and not (self.whole and number % 1):  # NaN is in no range
            return int(number) if self.whole else float(number)
        raise DataError(f"got {where}={shown(value)}, expected {kind} from {self.low:g} to {self.high:g}")


@dataclass(frozen=True)
class Step:
    """A file in `postprocess/` that holds `STEP = Step(...)` is a step; its name is that of the file.

    run:     numpy annotation of one image in pixels of the network's input, and a value for each option -> annotation.
             It gives an answer, or raises DataError, for whatever the arrays and options (in range) hold.
    options: what manifests and callers may say. A step that leaves out what is unsure calls that `score_threshold`
             (a caller's threshold raises it), one that compares overlaps calls that `iou_threshold`.
    kinds:   the kinds that it takes, and the kind that each becomes.
    """

    run: Callable[[Any, Mapping[str, float]], Annotation]
    options: Mapping[str, Option]
    kinds: Mapping[type[Annotation], type[Annotation]]

    def checked(self, given: Mapping[str, object], name: str) -> dict[str, float]:
        """A value for each option: those given, else the defaults. Raises DataError for an unknown or wrong one."""
        for option in given:
            if option not in self.options:
                known = ", ".join(self.options) or "none"
                raise DataError(
                    f"got option {shown(option)} of step {name!r}, expected one of {known}; update hydranet"
                )
        return {key: one.checked(given.get(key, one.default), f"{name}.{key}") for key, one in self.options.items()}
