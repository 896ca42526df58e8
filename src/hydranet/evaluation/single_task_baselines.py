"""One network for all tasks against one network for each: what sharing saves, and what it costs in accuracy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from hydranet.balancers.uniform import Uniform
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.spec import Part, SpecError
from hydranet.core.task import Task
from hydranet.data.reader import Reader
from hydranet.evaluation.compare import NotComparable, differences
from hydranet.evaluation.report import Report
from hydranet.models.profile import Cost

SHARED = "shared"
"""The name of the network that learns all tasks; the others have the name of their task."""

PROBES = 8
"""Samples of a source that are read to learn whether it labels a task."""


def variants(recipe: Recipe) -> dict[str, Recipe]:
    """The recipe itself and one recipe for each of its tasks alone, with the same budget.

    The budget is steps x batch: every network is trained on as many images. A source that does not label a task is
    left out of its recipe, so where sources label different tasks, the network of one task sees more labels of it than
    the shared one: the comparison favors the single networks. One task needs no balancer, so it has none.
    Each is evaluated once, at the end. Raises SpecError for a recipe of one task, and for a task without labels.
    """
    if len(recipe.tasks) < 2:
        raise SpecError(f"recipe {recipe.name!r} has one task, expected at least two; there is nothing to share")
    recipes = {SHARED: replace(recipe, evaluate_every=0)}
    for task in recipe.tasks:
        if task.name == SHARED:
            raise SpecError(f"got a task named {SHARED!r}, which is the name of the whole network here; rename it")
        recipes[task.name] = _alone(recipe, task)
    return recipes


def _alone(recipe: Recipe, task: Task) -> Recipe:
    data, validation = (
        tuple(source.only([task.name]) for source in sources if labels(source, task))
        for sources in (recipe.data, recipe.validation)
    )
    if not data or not validation:
        what = "data" if not data else "validation"
        raise SpecError(f"no source in {what} labels {task.name!r}; add one, or take the task out of the recipe")
    return replace(
        recipe,
        name=f"{recipe.name}-{task.name}",
        tasks=(task,),
        data=data,
        validation=validation,
        balancer=Part(Uniform),
        evaluate_every=0,
    )


def labels(source: Source, task: Task) -> bool:
    """Whether any of a few evenly spread samples of the source has a label for the task."""
    if source.labels.get(task.name, task.name) is None:
        return False
    reader = Reader(source.only([task.name]), [task])
    chosen = range(0, len(reader), max(len(reader) // PROBES, 1))
    return any(task.name in reader[i].labels for i in chosen)


@dataclass(frozen=True)
class Kept:
    """A task's headline in its own network and in the shared one, on one source.

    share: shared / alone where higher is better, alone / shared where lower is: 1 = nothing lost.
    """

    source: str
    task: str
    metric: str
    better: str
    alone: float
    shared: float

    @property
    def share(self) -> float:
        """How much of the score is kept; NaN where the divisor is 0."""
        above, below = (self.shared, self.alone) if self.better == "higher" else (self.alone, self.shared)
        return above / below if below else float("nan")


def kept(reports: Mapping[str, Report]) -> list[Kept]:
    """Every task's headline on every source. Raises NotComparable where the two were not measured in the same way."""
    shared = reports[SHARED]
    rows, wrong = [], []
    for name, alone in reports.items():
        for source in alone.scores if name != SHARED else ():
            metric, better = alone.headlines[name]
            wrong += differences(alone.protocol[source][name], shared.protocol[source][name], f"{source}/{name}")
            rows.append(
                Kept(
                    source,
                    name,
                    metric,
                    better,
                    alone.scores[source][name][metric],
                    shared.scores[source][name][metric],
                )
            )
    if wrong:
        raise NotComparable(f"the networks were not measured in the same way: {'; '.join(wrong)}; evaluate them again")
    return rows


def markdown(costs: Mapping[str, Cost], rows: Sequence[Kept], size: tuple[int, int]) -> str:
    """Both tables as Markdown, to keep beside the runs."""
    lines = [f"| at {size[0]}x{size[1]} | parameters M | GMAC | network ms | memory MB |", "|---|---|---|---|---|"]
    for name, cost in costs.items():
        values = (cost.parameters / 1e6, cost.macs / 1e9, cost.network_ms, cost.memory_bytes / 1e6)
        lines.append(f"| {name} | " + " | ".join(f"{value:.2f}" for value in values) + " |")
    lines += ["", "| source | task | metric | alone | shared | kept |", "|---|---|---|---|---|---|"]
    lines += [f"| {k.source} | {k.task} | {k.metric} | {k.alone:.4g} | {k.shared:.4g} | {k.share:.1%} |" for k in rows]
    return "\n".join(lines) + "\n"
