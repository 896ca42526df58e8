"""hydranet retention"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hydranet.cli.arguments import Allow, Device, RecipeName, Settings
from hydranet.cli.sweep import Engine, Found, run_plan
from hydranet.cli.terminal import say

if TYPE_CHECKING:
    from hydranet.models.profile import Cost

RETENTION = "retention.md"


def retention(
    recipe: RecipeName,
    settings: Settings = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the runs; default runs/NAME-retention")] = None,
    equal: Annotated[
        str,
        typer.Option(
            help="'images' = the shared network sees as many labeled images of each task as that task's own; 'compute' "
            "= it gets the steps of all single-task networks together; or 'both'"
        ),
    ] = "both",
    jobs: Annotated[int, typer.Option(min=1, help="Runs at a time, each a process of its own")] = 1,
    ray: Annotated[bool, typer.Option("--ray", help="Spread the runs over a Ray cluster; --jobs limits them")] = False,
    device: Device = "cpu",
    allow: Allow = None,
) -> None:
    """Train a recipe, and each of its tasks alone; show what sharing saves and what it keeps.

    Several seeds (seed=0..2) show the spread. Runs that are finished are not trained again, and stopped ones go on:
    give the same command once more.
    """
    from hydranet.checkpoint import resolve
    from hydranet.io.atomic import write
    from hydranet.reporting import tables
    from hydranet.sweep.plan import SINGLE, plan
    from hydranet.sweep.table import costs, markdown, notes

    chosen = resolve.recipe(recipe)
    planned = plan(chosen, settings or [], baseline=SINGLE, equal=equal)  # type: ignore[arg-type]
    folder = out or Path("runs") / f"{chosen.name}-retention"
    runs = run_plan(planned, folder, Engine(recipe, device, jobs, ray))
    runs.raise_failures(len(planned.trials))
    size = planned.trials[0].recipe.data[0].size
    spent = _costs(runs, folder, device, size)
    say(tables.costs(spent, size))
    say(tables.sweep(runs.results))
    for line in notes(runs.results):
        say(line)
    write(folder / RETENTION, f"{costs(spent, size)}\n{markdown(runs.results)}".encode())
    say(f"the same as Markdown: {folder / RETENTION}   |   hydranet report {folder}")


def _costs(runs: Found, folder: Path, device: str, size: tuple[int, int]) -> "dict[str, Cost]":
    """What the shared network costs, each single one, and all of these together, measured side by side."""
    from hydranet.checkpoint.checkpoint import load_model
    from hydranet.models.profile import costs

    group = runs.plan.groups[0]
    seed, run = next(iter(group.runs.items()))
    names = {"shared": run, **group.singles[seed]}
    models = {name: load_model(folder / run)[0].to(device) for name, run in names.items()}
    alone = [model for name, model in models.items() if name != "shared"]
    return costs({name: [model] for name, model in models.items()} | {"separate, all": alone}, size)
