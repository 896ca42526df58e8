"""A sweep as a list of runs: every combination of settings and seeds, and the single-task networks to compare with."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from hydranet.config.recipe import Recipe
from hydranet.core.spec import SpecError
from hydranet.evaluation.report import digest
from hydranet.evaluation.single_task_baselines import single_task_recipes, with_equal_compute
from hydranet.sweep.axes import SEED, axes, combinations

SINGLE = "single"
"""The baseline that consists of one network per task."""

OF_SEVERAL = ("balancer", "sharing")
"""Fields of a recipe that mean nothing to a network of one task."""

Equal = Literal["images", "compute", "both"]
"""What shared and single-task networks have in common: labeled images per task, or images through a trunk in all."""

PLAIN = "the recipe as it is"
NAME_LENGTH = 100


@dataclass(frozen=True)
class Trial:
    """One run: the name of its folder, and what it trains."""

    name: str
    recipe: Recipe

    @property
    def images(self) -> int:
        """How many images go through the network while it trains."""
        return self.recipe.steps * self.recipe.batch


@dataclass(frozen=True)
class Group:
    """Runs that differ in their seed only: one row of the table.

    runs: {seed: name of the run}.    singles: {seed: {task: name of the run that learns this task alone}}.
    settings: what it differs in from the other groups.
    equal: what its runs and the single ones have in common; empty where there are no single ones.
    """

    label: str
    settings: Mapping[str, str]
    runs: Mapping[int, str]
    singles: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    equal: str = ""


@dataclass(frozen=True)
class Plan:
    """All runs of a sweep, seed by seed so that a table can be made early, and the rows that they make.

    baseline: the label of the group that the others are compared with, SINGLE, or nothing.
    """

    recipe: str
    trials: tuple[Trial, ...]
    groups: tuple[Group, ...]
    baseline: str

    @property
    def tasks(self) -> tuple[str, ...]:
        """Every task that a run of it learns, in the order of the recipes."""
        return tuple(dict.fromkeys(task.name for trial in self.trials for task in trial.recipe.tasks))


def plan(recipe: Recipe, settings: Iterable[str], *, baseline: str = "", equal: Equal = "images") -> Plan:
    """The runs for settings such as "balancer=uniform,upgrad", "seed=0..2".

    baseline: "single" (one network per task is trained, too), the settings of a combination such as "balancer=uniform"
    or "uniform", or nothing: the first combination.
    Raises SpecError for settings that the recipe does not have, and for a recipe without anything to be scored by.
    """
    if not recipe.validation:
        raise SpecError(f"recipe {recipe.name!r} has no validation, so its runs cannot be compared; add a source")
    if equal not in get_args(Equal):
        raise SpecError(f"got equal={equal!r}, expected one of {', '.join(get_args(Equal))}")
    values = axes(settings)
    seeds = [seed_of(text) for text in values.pop(SEED, (str(recipe.seed),))]
    fixed = {key: one[0] for key, one in values.items() if len(one) == 1}
    varied = {key: several for key, several in values.items() if len(several) > 1}
    runs, groups = _Runs(), []
    for chosen in combinations(varied):
        whole = recipe.changed(f"{key}={value}" for key, value in {**fixed, **chosen}.items())
        if baseline == SINGLE:
            groups += _beside_singles(runs, whole, chosen, seeds, equal)
        else:
            named = {seed: runs.add(run_stem(chosen), replace(whole, seed=seed)) for seed in seeds}
            groups.append(Group(label_of(chosen), chosen, named))
    if baseline != SINGLE:
        baseline = _named(baseline, groups) if baseline else (groups[0].label if len(groups) > 1 else "")
    return Plan(recipe.name, runs.in_order(), tuple(groups), baseline)


class _Runs:
    """Runs by name; recipes that are equal are one run."""

    def __init__(self) -> None:
        self.trials: dict[str, Trial] = {}
        self.names: dict[str, str] = {}
        self.labeled: dict[str, bool] = {}

    def add(self, stem: str, recipe: Recipe) -> str:
        """The name of the run of a recipe."""
        text = recipe.to_json()
        if text not in self.names:
            name = f"{stem}-s{recipe.seed}"
            if name in self.trials:  # other settings that look the same in a file name
                name = f"{stem}-{digest(text)}-s{recipe.seed}"
            self.names[text], self.trials[name] = name, Trial(name, recipe)
        return self.names[text]

    def in_order(self) -> tuple[Trial, ...]:
        """Seed by seed, single-task networks first, so that a table can be made early."""
        seeds = list(dict.fromkeys(trial.recipe.seed for trial in self.trials.values()))
        single = {trial.name: trial.name.startswith(f"{SINGLE}-") for trial in self.trials.values()}
        by_seed = sorted(self.trials.values(), key=lambda one: (seeds.index(one.recipe.seed), not single[one.name]))
        return tuple(by_seed)


def _beside_singles(
    runs: _Runs, whole: Recipe, chosen: Mapping[str, str], seeds: Sequence[int], equal: Equal
) -> list[Group]:
    """One combination, once for each of the two meanings of equal where both are asked for."""
    alone = {key: value for key, value in chosen.items() if key.partition(".")[0] not in OF_SEVERAL}
    recipes = single_task_recipes(whole, runs.labeled)
    singles = {
        seed: {
            task: runs.add(run_stem(alone, SINGLE, task), replace(recipe, seed=seed))
            for task, recipe in recipes.items()
        }
        for seed in seeds
    }
    shared = {"images": whole, "compute": with_equal_compute(whole, recipes.values())}
    groups = []
    for way in ("images", "compute") if equal == "both" else (equal,):
        stem = run_stem(chosen, *(("equal-compute",) if way == "compute" else ()))
        named = {seed: runs.add(stem, replace(shared[way], seed=seed)) for seed in seeds}
        groups.append(Group(f"{label_of(chosen)}, equal {way}", chosen, named, singles, way))
    return groups


def label_of(chosen: Mapping[str, str]) -> str:
    """What the table calls a combination: "balancer=upgrad optim.lr=0.01"."""
    return " ".join(f"{key}={value}" for key, value in chosen.items()) or PLAIN


def run_stem(chosen: Mapping[str, str], *first: str) -> str:
    """The name of a folder for a combination, without its seed: short, and without letters that a shell minds."""
    words = [*first, *(f"{key.rpartition('.')[2]}-{value}" for key, value in chosen.items())]
    text = "-".join(words) or "run"
    safe = re.sub(r"[^A-Za-z0-9._+-]+", "_", text).strip("._-") or "run"
    return safe if len(safe) <= NAME_LENGTH else f"{safe[:NAME_LENGTH]}-{digest(text)}"


def _named(baseline: str, groups: Sequence[Group]) -> str:
    """The label of the group that a user means by settings in any order, or by one of its values."""
    wanted = set(baseline.split())
    for group in groups:
        if wanted == {f"{key}={value}" for key, value in group.settings.items()} or baseline == group.label:
            return group.label
    by_value = [group.label for group in groups if baseline in group.settings.values()]
    if len(by_value) == 1:
        return by_value[0]
    known = ", ".join(repr(group.label) for group in groups[:8])
    raise SpecError(f"got baseline={baseline!r}, expected {SINGLE!r} or one combination of the sweep: {known}")


def seed_of(text: str) -> int:
    """A seed. Raises SpecError for anything but a whole number from 0."""
    if not text.isdecimal():
        raise SpecError(f"got {SEED}={text}, expected whole numbers >= 0: {SEED}=0..2 or {SEED}=0,1,2")
    return int(text)
