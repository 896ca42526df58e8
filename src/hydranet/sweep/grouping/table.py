"""How much tasks help each other: relative performance in pairs, and estimates for larger groups from them."""

import math
import statistics
from collections.abc import Mapping, Sequence
from itertools import combinations

from hydranet.sweep.grouping.choice import Candidate

Gains = Mapping[tuple[str, ...], Mapping[str, float]]
"""For networks by their tasks (in the order of the recipe) the gain of each of these tasks over the network of that
task alone, in percent; above 0 = better."""

Affinity = Mapping[str, Mapping[str, float]]
"""affinity[i][j]: how much learning task i helps task j; above 0 = it helps."""


def relative(value: float, alone: float, better: str) -> float:
    """100 (value - alone) / alone percent with the sign of better ("higher" or "lower"); NaN where alone is 0.

    For losses this is the table of Standley et al. (table 2): 100 (alone - together) / alone.
    """
    if not alone:
        return math.nan
    return 100 * (value - alone) / alone * (1 if better == "higher" else -1)


def pairs(gains: Gains) -> dict[str, dict[str, float]]:
    """The table "trained with x, performance on y": pairs(gains)[x][y], for the pairs that were measured."""
    table: dict[str, dict[str, float]] = {}
    for group, by_task in gains.items():
        if len(group) == 2:
            first, second = group
            table.setdefault(first, {})[second] = by_task[second]
            table.setdefault(second, {})[first] = by_task[first]
    return table


def estimated(tasks: Sequence[str], affinity: Affinity) -> dict[tuple[str, ...], dict[str, float]]:
    """The gain of each task in each possible group: the mean affinity of the others in it for the task; alone it is 0.

    With pairs that were measured this is the higher-order approximation of Standley et al. (section 6.1), with
    lookahead affinities the rule of TAG (arXiv 2109.04617, section 3.2).
    """
    return {
        group: {
            task: statistics.fmean(affinity[other][task] for other in group if other != task) if len(group) > 1 else 0.0
            for task in group
        }
        for size in range(1, len(tasks) + 1)
        for group in combinations(tasks, size)
    }


def candidates(gains: Gains, costs: Mapping[tuple[str, ...], float]) -> list[Candidate]:
    """The networks with minus their gains as losses, so that the best set has the largest sum of gains."""
    return [
        Candidate(" + ".join(group), {task: -gain for task, gain in by_task.items()}, costs[group])
        for group, by_task in gains.items()
    ]


def rank_correlation(one: Affinity, other: Affinity) -> float:
    """Spearman's rank correlation of two tables over the pairs that both have; NaN for fewer than three pairs."""
    both = [(i, j) for i in one for j in one[i] if j in other.get(i, {})]
    if len(both) < 3:
        return math.nan
    first, second = (_ranks([table[i][j] for i, j in both]) for table in (one, other))
    try:
        return statistics.correlation(first, second)
    except statistics.StatisticsError:  # one of them is constant
        return math.nan


def _ranks(values: Sequence[float]) -> list[float]:
    """Ranks from 1; equal values share the mean of theirs."""
    return [sum(other < value for other in values) + (values.count(value) + 1) / 2 for value in values]
