"""The networks of one task each that a shared network is compared with."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from hydranet.balancers.uniform import Uniform
from hydranet.config.best_metric import parsed
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.balancer import GradientBalancer, LossBalancer
from hydranet.core.spec import Part, SpecError, to_json, unknown
from hydranet.core.task import Task
from hydranet.data.first_look import FEW, MANY, spread
from hydranet.data.reader import Reader
from hydranet.models.sharing.hard import HardSharing


def single_task_recipes(recipe: Recipe, labeled: dict[str, bool] | None = None) -> dict[str, Recipe]:
    """One recipe for each task alone; they see as many labeled images of it, step by step, as the recipe itself does.

    A source that does not label a task is left out, and the batch is what is left of it: with half of the images from
    each of two sources, a task of one of them trains on half a batch. One task has nothing to share or to balance: it
    is a plain network without a balancer, whatever the recipe's structure, and it learns from labels, without teachers.
    labeled: filled with which source labels which task, so that recipes with the same data are looked at once.
    Raises SpecError for a recipe of one task, for a task without labels, and for one with stages.
    """
    if len(recipe.tasks) < 2:
        raise SpecError(f"recipe {recipe.name!r} has one task, expected at least two; there is nothing to share")
    if recipe.stages:
        raise SpecError(
            f"recipe {recipe.name!r} has stages, which single-task networks do not; compare with stages=[] or another "
            "baseline"
        )
    known = {} if labeled is None else labeled
    return {task.name: _alone(recipe, task, known) for task in recipe.tasks}


def with_equal_compute(recipe: Recipe, singles: Iterable[Recipe]) -> Recipe:
    """The recipe with as many steps as bring it to the images that go through all single-task networks together."""
    images = sum(single.steps * single.batch for single in singles)
    return replace(recipe, steps=max(round(images / recipe.batch), 1))


def _alone(recipe: Recipe, task: Task, known: dict[str, bool]) -> Recipe:
    alone = subset_recipe(recipe, [task.name], known)
    return replace(alone, sharing=Part(HardSharing), balancer=Part(Uniform), teachers=())


def subset_recipe(recipe: Recipe, names: Sequence[str], labeled: dict[str, bool] | None = None) -> Recipe:
    """The recipe with these of its tasks only, from the sources that label one of them, with their share of the batch.

    So it sees, step by step, as many labeled images of each task as the whole recipe does. Cascades whose tasks are not
    all there are left out, and so are values by task of other tasks in the balancer's options.
    labeled: as in `single_task_recipes`. Raises SpecError for a task without labels, and for an unknown one.
    """
    if recipe.stages:
        raise SpecError(f"recipe {recipe.name!r} has stages, which name its tasks; take stages=[]")
    known: dict[str, bool] = {} if labeled is None else labeled
    by_name = {task.name: task for task in recipe.tasks}
    for name in names:
        if name not in by_name:
            raise SpecError(unknown(name, by_name, "task"))
    tasks = tuple(task for task in recipe.tasks if task.name in names)
    data, validation = (
        tuple(source.only(names) for source in sources if any(_labels(source, task, known) for task in tasks))
        for sources in (recipe.data, recipe.validation)
    )
    for what, sources in (("data", data), ("validation", validation)):
        bare = [task.name for task in tasks if not any(_labels(source, task, known) for source in sources)]
        if bare:
            raise SpecError(f"no source in {what} labels {bare[0]!r}; add one, or take the task out of the recipe")
    keeps = bool(recipe.keep_best) and parsed(recipe.keep_best).task in names
    share = sum(source.weight for source in data) / sum(source.weight for source in recipe.data)
    batch = max(round(recipe.batch * share), 1)
    return replace(
        recipe,
        name=f"{recipe.name}-{'-'.join(task.name for task in tasks)}",
        tasks=tasks,
        sharing=recipe.sharing_for(names),
        data=data,
        validation=validation,
        batch=batch,
        accumulate=math.gcd(batch, recipe.accumulate),
        cascades=tuple(one for one in recipe.cascades if {one.boxes, *one.heads} <= set(names)),
        balancer=_balancer_for(recipe, set(names)),
        keep_best=recipe.keep_best if keeps else "",
        patience=recipe.patience if keeps else 0,
    )


def _balancer_for(recipe: Recipe, names: set[str]) -> Part[LossBalancer | GradientBalancer]:
    """The recipe's balancer without values for other tasks."""
    every = {task.name for task in recipe.tasks}
    kept = {
        option: {key: one for key, one in value.items() if key in names}
        if isinstance(value, Mapping) and value.keys() <= every
        else value
        for option, value in recipe.balancer.options.items()
    }
    return Part(recipe.balancer.cls, **kept)


def _labels(source: Source, task: Task, known: dict[str, bool]) -> bool:
    key = json.dumps([to_json(source), to_json(task)])
    if key not in known:
        known[key] = labels(source, task)
    return known[key]


def labels(source: Source, task: Task) -> bool:
    """Whether any of some evenly spread samples of the source has a label for the task (`labeled`)."""
    return task.name in labeled(source, [task])


def labeled(source: Source, tasks: Sequence[Task]) -> set[str]:
    """The tasks for which any of some evenly spread samples of the source has a label: of as many samples as training
    looks at before it says that a task has none."""
    able = [task for task in tasks if source.labels.get(task.name, task.name) is not None]
    lacking, wanted = {task.name for task in able}, {task.name for task in able}
    reader = Reader(source.only(wanted), able)
    for index in dict.fromkeys((*spread(len(reader), FEW), *spread(len(reader), MANY))):
        if not lacking:
            break
        sample, _ = reader.attempt(index)
        lacking -= sample.labels.keys() if sample is not None else set()
    return wanted - lacking
