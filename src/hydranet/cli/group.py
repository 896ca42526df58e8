"""hydranet group"""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hydranet.cli.arguments import Allow, Device, RecipeName
from hydranet.cli.sweep import Engine, run_plan
from hydranet.cli.terminal import say

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hydranet.config.recipe import Recipe
    from hydranet.sweep.grouping.choice import Choice
    from hydranet.sweep.grouping.table import Affinity, Gains
    from hydranet.training.train import Progress

LOOKS = "affinity.jsonl"
"""One line per look at a run: what its step did to other tasks."""
SHOWN = 4
"""Settings in which two ways differ that are named."""


def group(
    recipe: RecipeName,
    settings: Annotated[list[str] | None, typer.Argument(help="Overrides; several seeds as seed=0..2")] = None,
    budget: Annotated[
        str, typer.Option(help="What all networks may cost, in networks of all tasks; several by commas")
    ] = "1,1.5,2",
    by: Annotated[
        str,
        typer.Option(
            help="measured = train every pair; all = every subset; lookahead (TAG) or cosine = look at one shared run"
        ),
    ] = "measured",
    cost: Annotated[str, typer.Option(help="macs, or latency: measured here, in eager PyTorch")] = "macs",
    every: Annotated[int, typer.Option(min=1, help="With lookahead and cosine: look at every Nth step")] = 10,
    out: Annotated[Path | None, typer.Option(help="Folder of the runs; default runs/NAME-group")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Runs at a time, each a process of its own")] = 1,
    ray: Annotated[bool, typer.Option("--ray", help="Spread the runs over a Ray cluster; --jobs limits them")] = False,
    device: Device = "cpu",
    allow: Allow = None,
) -> None:
    """Find out which tasks help each other, and the best set of networks for a budget; write it as a recipe.

    Runs that are finished are kept and stopped ones go on: give the same command once more. See docs/sharing.md.
    """
    from hydranet.checkpoint import resolve
    from hydranet.core.spec import SpecError, unknown
    from hydranet.io.files import read_json
    from hydranet.reporting import tables
    from hydranet.sweep.axes import SEED, axes
    from hydranet.sweep.grouping import choice, plan, table
    from hydranet.sweep.grouping.costs import WAYS, costs
    from hydranet.sweep.plan import seed_of

    ways = ("measured", "all", "lookahead", "cosine")
    for word, known, option in ((by, ways, "--by"), (cost, WAYS, "--cost")):
        if word not in known:
            raise SpecError(unknown(word, known, f"way ({option})"))
    values = axes(settings or [])
    seeds = [seed_of(text) for text in values.pop(SEED, ())]
    if several := [key for key, given in values.items() if len(given) > 1]:
        raise SpecError(f"got several values for {several[0]}, expected one: only seed may vary here")
    budgets = numbers(budget)
    chosen = resolve.recipe(recipe).changed(f"{key}={given[0]}" for key, given in values.items())
    seeds = seeds or [chosen.seed]
    folder, names = out or Path("runs") / f"{chosen.name}-group", plan.check_tasks(chosen)
    spread: Gains = {}
    if by in ("measured", "all"):
        trained = plan.subsets(chosen, "all" if by == "all" else "pairs")
        planned = plan.plan(chosen, "all" if by == "all" else "pairs", seeds)
        runs = run_plan(planned, folder, Engine(recipe, device, jobs, ray))
        runs.raise_failures(len(planned.trials))
        measured = plan.gains(runs.reports, trained, seeds)
        spread = plan.spreads(runs.reports, trained, seeds)
        affinity: Affinity = table.pairs(measured)
        gains = {**table.estimated(names, affinity), **measured}
    else:
        looked = [_looked(chosen, seed, folder, every, device) for seed in seeds]
        affinity = _mean([one[by] for one in looked])
        _check_pairs(names, affinity)
        gains = table.estimated(names, affinity)
    spent = costs(chosen, list(gains), cost)
    choices = {limit: choice.best_set(table.candidates(gains, spent), names, limit) for limit in budgets}
    say(tables.affinity(names, affinity, by, spread))
    say(tables.groups(choices, cost))
    for other in (way for way in ways if way != by and (folder / f"group-{way}.json").is_file()):
        known = read_json(folder / f"group-{other}.json")
        value = table.rank_correlation(affinity, known["affinity"])
        shown = "–: fewer than three, or all alike" if math.isnan(value) else f"{value:+.2f}"
        say(f"rank correlation with {other}, of all pairs: {shown}{_otherwise(known, chosen)}")
    _write(folder, chosen, by, affinity, gains, choices)


def numbers(text: str) -> list[float]:
    """Budgets by commas. Raises SpecError for anything else."""
    from hydranet.core.spec import SpecError

    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or not all(0 < number < 1e6 for number in numbers):
        raise SpecError(f"got --budget {text!r}, expected numbers above 0 by commas, such as 1,1.5,2")
    return numbers


def _otherwise(known: "Mapping[str, Any]", recipe: "Recipe") -> str:
    """In what the recipe of another way's table differs, but for its seed; "" where in nothing."""
    from dataclasses import replace

    if "settings" not in known:
        return " (its file does not say with which settings it was made)"
    theirs = recipe.from_json(json.dumps(known["settings"]))
    differing = replace(theirs, seed=recipe.seed).difference(recipe)
    return f" (made with other settings: {', '.join(differing[:SHOWN])})" if differing else ""


def _looked(recipe: "Recipe", seed: int, folder: Path, every: int, device: str) -> "dict[str, Affinity]":
    """Both affinities of a shared run; looks of a run that was stopped are kept."""
    from dataclasses import replace

    from hydranet.checkpoint.checkpoint import STATE
    from hydranet.cli.train import run_training_loop
    from hydranet.data.mixture import Broken, Mixture
    from hydranet.models.device import available_device
    from hydranet.sweep.grouping.looks import check_meetings
    from hydranet.training.affinity import look

    whole = replace(recipe, seed=seed)
    run, place = folder / f"shared-s{seed}", available_device(device)
    mixture, looks = Mixture(whole), run / LOOKS
    before = _whole_lines(looks)
    _check_every(run, before, every)
    used = [line for line in before if not line["step"] % every]
    check_meetings(mixture, every, [pair for line in used for pair in _pairs(line["cosine"])])

    def each(progress: "Progress") -> None:
        if progress.step % every or progress.step >= progress.steps:
            return
        step, trained = mixture.step(progress.step), progress.run  # the images of the next step
        if isinstance(step, Broken):
            return  # training names them
        batches = [batch.to(trained.device, channels_last=True) for batch in step.batches]
        now = look(trained.model, batches, trained.autocast, progress.lr, whole.seed + progress.step)
        line = {"step": progress.step, "every": every, "lookahead": now.lookahead, "cosine": now.cosine}
        with looks.open("a") as file:
            file.write(json.dumps(line) + "\n")

    resume = (run / STATE).is_file()
    run_training_loop(whole, run, device=place, resume=resume, again="the same command", each=each)
    lines = {one["step"]: one for one in _whole_lines(looks)}  # steps after the last checkpoint were looked at again
    lines = {step: one for step, one in lines.items() if not step % every}
    return {what: _mean([one[what] for one in lines.values()]) for what in ("lookahead", "cosine")}


def _check_every(run: Path, lines: "Sequence[dict[str, Any]]", every: int) -> None:
    """Raises SpecError where a run was begun with fewer looks than are asked for: they cannot be made up for."""
    from hydranet.core.spec import SpecError

    seldom = {one["every"] for one in lines if every % one.get("every", every)}
    if seldom:
        raise SpecError(
            f"got --every {every}, but {run} was looked at every {max(seldom)} steps; give --every {max(seldom)}, or "
            "train it anew in another --out"
        )


def _whole_lines(path: Path) -> "list[dict[str, Any]]":
    """The lines of a file of JSON but for one that a kill cut in the middle."""
    from contextlib import suppress

    lines: list[dict[str, Any]] = []
    for text in path.read_text().splitlines() if path.is_file() else ():
        with suppress(ValueError):
            lines.append(json.loads(text))
    return lines


def _pairs(table: "Affinity") -> "list[tuple[str, str]]":
    """The pairs that a table has, in both orders."""
    return [(first, second) for first, row in table.items() for second in row]


def _mean(tables: "Sequence[Affinity]") -> "dict[str, dict[str, float]]":
    """Mean of each pair over the tables that have it."""
    import statistics

    values: dict[str, dict[str, list[float]]] = {}
    for table in tables:
        for first, row in table.items():
            for second, value in row.items():
                values.setdefault(first, {}).setdefault(second, []).append(value)
    return {i: {j: statistics.fmean(several) for j, several in row.items()} for i, row in values.items()}


def _check_pairs(names: "Sequence[str]", affinity: "Affinity") -> None:
    """Raises SpecError for two tasks that no step had labels of."""
    from hydranet.core.spec import SpecError

    for first in names:
        for second in names:
            if first != second and second not in affinity.get(first, {}):
                raise SpecError(
                    f"no step that was looked at has labels of both {first!r} and {second!r}; look more often "
                    "(--every 1), train longer (steps=...) or with larger batches"
                )


def _write(
    folder: Path,
    recipe: "Recipe",
    by: str,
    affinity: "Affinity",
    gains: "Gains",
    choices: "Mapping[float, Choice]",
) -> None:
    """The tables as JSON, a heat map, and a recipe for each budget."""
    from dataclasses import replace

    from hydranet.core.spec import Part
    from hydranet.io.atomic import write
    from hydranet.models.sharing.grouped import Grouped
    from hydranet.visualization.charts import heat_map

    tree = {
        "recipe": recipe.name,
        "by": by,
        "settings": json.loads(recipe.to_json()),
        "affinity": affinity,
        "gains": {" + ".join(subset): by_task for subset, by_task in gains.items()},
        "choices": {
            f"{limit:g}": {"groups": one.groups, "gain": -one.loss, "cost": one.cost} for limit, one in choices.items()
        },
    }
    write(folder / f"group-{by}.json", json.dumps(tree, indent=2).encode())
    names = [task.name for task in recipe.tasks]
    image = heat_map(names, names, [[affinity.get(i, {}).get(j) for j in names] for i in names])
    write(folder / f"group-{by}.svg", image.encode())
    say(f"the same as files: {folder / f'group-{by}'}.json, .svg")
    for limit, one in choices.items():
        name = f"{recipe.name}-budget-{limit:g}".replace(".", "_")
        grouped = replace(recipe, name=name, sharing=Part(Grouped, groups=one.groups))
        path = folder / f"budget-{limit:g}-{by}.json"
        write(path, grouped.to_json().encode())
        say(f"budget {limit:g}: hydranet train {path}")
