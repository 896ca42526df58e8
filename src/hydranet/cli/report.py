"""hydranet report"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hydranet.cli import terminal
from hydranet.cli.arguments import Allow, Device
from hydranet.cli.terminal import say

if TYPE_CHECKING:
    from hydranet.reporting.run_page import Section

LOOK = 40
"""Images of each source that a page of one run looks at."""


def report(
    runs: Annotated[
        list[Path], typer.Argument(help="Folders of runs or sweeps; several runs are drawn over one another")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="The page to write; default: report.html in the run, comparison.html in the first of several"
        ),
    ] = None,
    figures: Annotated[Path | None, typer.Option(help="Also write each figure as PNG into this folder")] = None,
    look: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Images of each source to read for worst and best answers and the balance of data; 0 = none; "
            f"default {LOOK} for one run, 0 for several",
        ),
    ] = None,
    device: Device = "cpu",
    allow: Allow = None,
) -> None:
    """Show runs as one page: scores, curves, classes, confusion, the network and its costs, worst and best images.

    Several runs are drawn over one another; those of one recipe with several seeds are one line with a band.
    """
    from hydranet.io.run_log import LOG
    from hydranet.reporting.curves import curves, runs_in
    from hydranet.reporting.figure import Figure, save_figures
    from hydranet.reporting.run_page import sections, write_page

    path = out or runs[0] / ("report.html" if len(runs) == 1 else "comparison.html")
    begun = {run.resolve(): run for folder in runs for run in runs_in(folder)}
    folders = list(begun.values())  # each once: one run given twice is no second measurement
    waiting = [path for folder in runs for path in folder.glob("*/recipe.json") if path.parent.resolve() not in begun]
    if waiting:
        say(f"{len(waiting)} runs have not begun and are not shown, such as {waiting[0].parent}")
    loaded = [curves(run) for run in folders]
    for run, log in zip(folders, loaded, strict=True):
        if log.skipped:
            say(f"{run / LOG}: {log.skipped} damaged lines were skipped")
    made = sections(loaded)
    several = len(folders) > 1
    images = (0 if several else LOOK) if look is None else look
    if images or not several:
        for run, log in zip(folders, loaded, strict=True):
            made += _of_network(run, images, device, log.name if several else "")
    write_page(loaded, made, path)
    say(f"page: {path}")
    if figures:
        charts = [piece for section in made for piece in section.pieces if isinstance(piece, Figure)]
        say(f"{len(save_figures(charts, figures))} figures: {figures}")


def _of_network(run: Path, look: int, device: str, whose: str) -> "list[Section]":
    """Sections on a run's network; none, with a line that says why, where it or its data are not at hand."""
    from hydranet.checkpoint.released.names import WEIGHTS
    from hydranet.core.errors import UserError

    if not (run / WEIGHTS).is_file():
        say(f"{run} has no {WEIGHTS} yet: the page is without its network and images")
        return []
    from hydranet.reporting.network_sections import network_sections

    with terminal.bar() as bar:
        job = bar.add_task("reading", total=None, note="")
        try:
            return network_sections(
                run, look, device, lambda what, done: bar.update(job, description=what, completed=done), whose
            )
        except UserError as error:
            say(f"the page is without the network and images of {run}: {error}")
            return []
