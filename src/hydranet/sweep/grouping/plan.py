"""The networks that are trained to find out which tasks belong together, and what they scored."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Literal, get_args

from hydranet.config.recipe import Recipe
from hydranet.core.spec import SpecError
from hydranet.evaluation.report import Report
from hydranet.evaluation.single_task_baselines import subset_recipe
from hydranet.sweep.grouping.table import Gains, relative
from hydranet.sweep.plan import Plan, Trial

Networks = Literal["pairs", "all"]
"""Which are trained: each task alone, each pair and the whole; or every subset of the tasks."""

MOST_TASKS = 12
"""Of more tasks there are too many subsets to look at each."""

Subset = tuple[str, ...]


def subsets(recipe: Recipe, networks: Networks) -> list[Subset]:
    """The sets of tasks that are trained, small ones first. Raises SpecError for one task, and for too many."""
    if networks not in get_args(Networks):
        raise SpecError(f"got networks={networks!r}, expected one of {', '.join(get_args(Networks))}")
    names = check_tasks(recipe)
    sizes = range(1, len(names) + 1) if networks == "all" else sorted({1, 2, len(names)})
    return [subset for size in sizes for subset in combinations(names, size)]


def check_tasks(recipe: Recipe) -> list[str]:
    """The names of a recipe's tasks. Raises SpecError for fewer than two, and for more than 12."""
    names = [task.name for task in recipe.tasks]
    if not 2 <= len(names) <= MOST_TASKS:
        raise SpecError(f"recipe {recipe.name!r} has {len(names)} tasks, expected 2 to {MOST_TASKS} to group")
    return names


def plan(recipe: Recipe, networks: Networks, seeds: Sequence[int]) -> Plan:
    """A run for each set of tasks and seed. Raises SpecError for a recipe without anything to be scored by."""
    if not recipe.validation:
        raise SpecError(f"recipe {recipe.name!r} has no validation, so its runs cannot be compared; add a source")
    labeled: dict[str, bool] = {}
    recipes = {subset: subset_recipe(recipe, subset, labeled) for subset in subsets(recipe, networks)}
    trials = [
        Trial(run_of(subset, seed), replace(made, seed=seed)) for seed in seeds for subset, made in recipes.items()
    ]
    return Plan(recipe.name, tuple(trials), (), "")


def run_of(subset: Subset, seed: int) -> str:
    """The name of the run that learns these tasks."""
    return f"{'+'.join(subset)}-s{seed}"


def gains(
    reports: Mapping[str, Report], trained: Sequence[Subset], seeds: Sequence[int]
) -> dict[Subset, dict[str, float]]:
    """The gain of each task in each set over the network of that task alone, in percent, mean over sources and seeds.

    A seed whose baseline scored 0 is left out. Raises SpecError where a task has no gain at all.
    """
    made: dict[Subset, dict[str, float]] = {}
    for subset in trained:
        for task in subset:
            values = [
                relative(_value(own, source, task), _value(alone, source, task), alone.headlines[task][1])
                for seed in seeds
                for own, alone in [(reports[run_of(subset, seed)], reports[run_of((task,), seed)])]
                for source, tasks in alone.scores.items()
                if task in tasks
            ]
            known = [value for value in values if math.isfinite(value)]
            if not known:
                raise SpecError(
                    f"no gain of {task!r} in {' + '.join(subset)}: its score alone is 0 or missing with every seed; "
                    "train longer (steps=...)"
                )
            made.setdefault(subset, {})[task] = statistics.fmean(known)
    return made


def spreads(reports: Mapping[str, Report], trained: Sequence[Subset], seeds: Sequence[int]) -> Gains:
    """The standard deviation over seeds of what `gains` has; NaN for a single seed."""
    by_seed = [gains(reports, trained, [seed]) for seed in seeds]
    return {
        subset: {
            task: statistics.stdev(one[subset][task] for one in by_seed) if len(by_seed) > 1 else math.nan
            for task in subset
        }
        for subset in trained
    }


def _value(report: Report, source: str, task: str) -> float:
    return report.scores.get(source, {}).get(task, {}).get(report.headlines[task][0], math.nan)
