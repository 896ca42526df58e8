"""Successive halving: many short runs, of which the best go on to fewer, longer ones."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from hydranet.core.spec import SpecError


@dataclass(frozen=True)
class Rung:
    """Runs of equal length. steps: of each.    networks: at most so many, the recipe itself not counted."""

    steps: int
    networks: int


def rungs(steps: int, networks: int, count: int, keep: int) -> list[Rung]:
    """The rungs of one bracket (Jamieson and Talwalkar, AISTATS 2016, arXiv 1502.07943): 1 in `keep` goes on.

    steps: of the last rung; the one before has 1 / keep of them, and so on.    networks: in the first rung.
    Each rung costs about the same. Raises SpecError where the first would have no step, and for more rungs than are
    needed to end with one network.
    """
    if steps < keep ** (count - 1):
        raise SpecError(
            f"got {count} rungs, the last of {steps} steps, expected at least {keep ** (count - 1)} steps; take fewer "
            "rungs or more steps"
        )
    return [
        Rung(steps // keep ** (count - 1 - rung), max(math.ceil(networks / keep**rung), 1)) for rung in range(count)
    ]


def best(scores: Mapping[str, float], ms: Mapping[str, float], count: int) -> list[str]:
    """The names with the highest scores; of equal ones the faster. What has no finite score is out."""
    finite = [name for name, score in scores.items() if math.isfinite(score)]
    return sorted(finite, key=lambda name: (-scores[name], ms[name]))[:count]


def front(scores: Mapping[str, float], ms: Mapping[str, float]) -> list[str]:
    """The Pareto front, the fastest first: those than which no other is as fast and scores as high."""
    kept: list[str] = []
    ordered = [name for name in scores if math.isfinite(scores[name])]
    for name in sorted(ordered, key=lambda one: (ms[one], -scores[one])):
        if not kept or scores[name] > scores[kept[-1]]:
            kept.append(name)
    return kept
