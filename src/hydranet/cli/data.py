"""hydranet data: look at data before training on it, and pack it so that training does not wait for files"""

from pathlib import Path
from typing import Annotated

import typer

from hydranet.cli import terminal
from hydranet.cli.arguments import Allow, MaxPixels, RecipeName, Settings
from hydranet.cli.terminal import say

app = typer.Typer(help="Look at data before training on it, and pack it.", no_args_is_help=True)


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


@app.command("pack")
def data_pack(
    recipe: RecipeName,
    settings: Settings = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the pack; default packs/NAME")] = None,
    images: Annotated[
        str,
        typer.Option(help="How images are stored: zstd, png, webp (without loss) or jpeg (with loss, quality 95)"),
    ] = "zstd",
    whole: Annotated[
        bool,
        typer.Option("--whole", help="Store training images as they are, also pixels that no view of theirs can show"),
    ] = False,
    most: Annotated[str, typer.Option(help="Refuse where the pack would be larger, such as 60MB or 1.5GB")] = "",
    shard: Annotated[str, typer.Option(help="Size of one file of the pack")] = "256MB",
    workers: Annotated[int | None, typer.Option(help="Processes that read and compress; default: the recipe's")] = None,
    allow: Allow = None,
    max_pixels: MaxPixels = None,
) -> None:
    """Read, fit and compress every sample of a recipe's sources once, so that training does not wait for files.

    The same command goes on where it was stopped, and packs anew what has changed. Train with: hydranet train RECIPE
    --packed FOLDER. Labels are stored as they are; images larger than augmentation can use are shrunk with them.
    """
    from hydranet.checkpoint import resolve
    from hydranet.data.pack import check_budget, estimate, is_done, jobs, pack
    from hydranet.io.byte_size import byte_size
    from hydranet.io.pack_index import read_pack_index

    chosen = resolve.recipe(recipe).changed(settings or [])
    folder, shard_bytes, limit = out or Path("packs") / chosen.name, byte_size(shard), byte_size(most) if most else None
    todo = jobs(chosen, folder, images, whole)
    if limit is not None:
        check_budget(todo, limit)
    total = 0
    with terminal.bar() as bar:
        for job in todo:
            if is_done(job):
                index = read_pack_index(job.folder)
                say(f"{job.name}: is packed already, {index.bytes / 1e6:.1f} MB")
                total += index.bytes
                continue
            say(f"{job.name}: about {estimate(job) / 1e6:.1f} MB for {len(job.source.dataset)} samples")
            task = bar.add_task(job.name, total=None, note="")
            for step in pack(job, shard_bytes, chosen.workers if workers is None else workers, limit and limit - total):
                bar.update(task, completed=step.done, total=step.total, note=f"{step.bytes / 1e6:.1f} MB")
                if step.index is not None:
                    for line in step.index.sentences():
                        say(f"{job.name}: {line}")
                    total += step.bytes
    say(f"total: {total / 1e6:.1f} MB in {folder}; train with: hydranet train {recipe} --packed {folder}")
