"""hydranet evaluate"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hydranet.cli import terminal
from hydranet.cli.arguments import Allow, Best, Device, RunPath, Settings, best_of
from hydranet.cli.terminal import say

if TYPE_CHECKING:
    from hydranet.evaluation.evaluate import EvaluatedImage


def evaluate(
    run: RunPath,
    settings: Settings = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for report.json and report.csv; default, if nothing is overridden: the run, or evaluation/NAME"
            " for a released network"
        ),
    ] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="Also write every score and count as a table here")] = None,
    gallery: Annotated[
        Path | None, typer.Option(help="Also write a page (.html) or image (.png) of predictions")
    ] = None,
    images: Annotated[int, typer.Option(min=1, help="Images of each source in the gallery")] = 8,
    device: Device = "cpu",
    allow: Allow = None,
    best: Best = False,
) -> None:
    """Score a network on its recipe's validation sources; overrides may point them elsewhere, or change a protocol.

    For example: hydranet evaluate runs/kitti validation.kitti.dataset.root=/data/kitti_object
    """
    from hydranet.checkpoint.checkpoint import load_model
    from hydranet.checkpoint.released.names import folder_of, is_released, results_of
    from hydranet.io.atomic import check_folder, write
    from hydranet.models.device import available_device
    from hydranet.reporting import tables
    from hydranet.reporting.gallery import check_format, write_gallery

    run = best_of(run, best)
    if gallery:
        check_format(gallery)
    model, recipe = load_model(run, settings or [])
    place = folder_of(run)
    usual = results_of(run, "evaluation") if is_released(run) else place
    target = None if settings and not out else out or usual
    for folder in [place for place in (target, csv and csv.parent, gallery and gallery.parent) if place is not None]:
        check_folder(folder)  # before hours of work
    model.to(available_device(device))
    rows: list[EvaluatedImage] = []
    with terminal.bar() as bar:
        report = terminal.evaluated(bar, model, recipe, place, rows=rows, keep=images if gallery else 0)
    assert report  # nothing stops this evaluation
    for table in tables.classes(report):
        say(table)
    say(tables.scores(report))
    for line in report.ledger.sentences():
        say(line)
    if target is None:
        say("report not written: the run keeps the report of its own recipe; for this one, name a folder with --out")
    else:
        report.save(target / "report")
        say(f"report: {target / 'report.json'}")
    if csv:
        write(csv, report.to_csv().encode())
        say(f"every score: {csv}")
    if gallery:
        write_gallery(rows, model.tasks, gallery, title=f"{recipe.name}: predictions and labels")
        say(f"gallery: {gallery}")
