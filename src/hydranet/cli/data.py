"""hydranet data: look at data before training on it"""

from pathlib import Path
from typing import Annotated

import typer

from hydranet.cli import terminal
from hydranet.cli.arguments import Allow, MaxPixels, RecipeName, Settings
from hydranet.cli.terminal import say

app = typer.Typer(help="Look at data before training on it.", no_args_is_help=True)


@app.command("check")
def data_check(
    recipe: RecipeName,
    settings: Settings = None,
    out: Annotated[Path, typer.Option(help="Folder for the images of labels and report.json")] = Path(
        "runs/data-check"
    ),
    limit: Annotated[int, typer.Option(help="Samples to read of each source, evenly spread; 0 = all")] = 0,
    allow: Allow = None,
    max_pixels: MaxPixels = None,
) -> None:
    """Read every sample of a recipe's sources: counts, ranges, broken files, and labels drawn on images."""
    from hydranet.checkpoint import resolve
    from hydranet.data.check import check_recipe, summary

    broken = 0
    with terminal.bar() as bar:
        job = bar.add_task("reading", total=None, note="")
        for progress in check_recipe(resolve.recipe(recipe).changed(settings or []), out, limit or None):
            bar.update(job, completed=progress.done, total=progress.total, note=progress.source)
            if progress.report:
                say(summary(progress.report))
                broken += len(progress.report.broken)
            broken += len(progress.errors)
            for line in (*progress.errors, *progress.notes.sentences()):
                say(line)
    say(f"images and report.json: {out}")
    if broken:
        raise typer.Exit(1)
