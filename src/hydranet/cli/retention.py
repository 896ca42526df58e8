"""hydranet retention"""

from pathlib import Path
from typing import Annotated

import typer

from hydranet.cli.arguments import Allow, Device, RecipeName, Settings
from hydranet.cli.terminal import say
from hydranet.cli.train import run_training_loop


def retention(
    recipe: RecipeName,
    settings: Settings = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the runs; default runs/NAME-retention")] = None,
    device: Device = "cpu",
    allow: Allow = None,
) -> None:
    """Train a recipe, and each of its tasks alone with the same budget; show what sharing saves and what it keeps.

    Runs that are finished are not trained again, and one that was stopped goes on: give the same command once more.
    """
    from hydranet.checkpoint import resolve
    from hydranet.checkpoint.checkpoint import load_model, load_recipe
    from hydranet.evaluation.report import read_report
    from hydranet.evaluation.single_task_baselines import SHARED, kept, markdown, variants
    from hydranet.io.atomic import CheckpointError, write
    from hydranet.models.device import available_device
    from hydranet.models.profile import costs
    from hydranet.reporting import tables

    chosen = resolve.recipe(recipe).changed(settings or [])
    folder = out or Path("runs") / f"{chosen.name}-retention"
    again = " ".join(["hydranet retention", recipe, *(settings or []), f"--out {folder}"])
    runs = {name: folder / name for name in variants(chosen)}
    for name, variant in variants(chosen).items():
        run = runs[name]
        if (run / "recipe.json").is_file() and (differs := load_recipe(run / "recipe.json").difference(variant)):
            raise CheckpointError(f"{run} holds another recipe ({'; '.join(differs[:3])}); choose another --out")
        if not (run / "report.json").is_file():
            resume = (run / "state.safetensors").is_file()
            run_training_loop(variant, run, device=available_device(device), resume=resume, again=again)
    models = {name: load_model(run)[0].to(device) for name, run in runs.items()}
    alone = [model for name, model in models.items() if name != SHARED]
    size = chosen.data[0].size
    spent = costs({name: [model] for name, model in models.items()} | {"separate, all": alone}, size)
    rows = kept({name: read_report(run) for name, run in runs.items()})
    say(tables.costs(spent, size))
    say(tables.kept(rows))
    write(folder / "retention.md", markdown(spent, rows, size).encode())
    say(f"the same as Markdown: {folder / 'retention.md'}")
