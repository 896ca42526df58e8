"""hydranet report"""

from pathlib import Path
from typing import Annotated

import typer

from hydranet.cli.terminal import say


def report(
    runs: Annotated[
        list[Path], typer.Argument(help="Folders of runs or sweeps; several runs are drawn over one another")
    ],
    out: Annotated[Path | None, typer.Option(help="The page to write; default: report.html in the first run")] = None,
) -> None:
    """Draw the curves of runs: losses, weights, gradient cosines, rates, speed and scores, as one page.

    Its first table has the headline scores. Runs of one recipe with several seeds are one line with a band.
    """
    from hydranet.io.run_log import LOG
    from hydranet.reporting.curves import curves, runs_in, write_report

    path = out or runs[0] / "report.html"
    folders = [run for folder in runs for run in runs_in(folder)]
    begun = {run.resolve() for run in folders}
    waiting = [path for folder in runs for path in folder.glob("*/recipe.json") if path.parent.resolve() not in begun]
    if waiting:
        say(f"{len(waiting)} runs have not begun and are not shown, such as {waiting[0].parent}")
    loaded = [curves(run) for run in folders]
    for run, log in zip(folders, loaded, strict=True):
        if log.skipped:
            say(f"{run / LOG}: {log.skipped} damaged lines were skipped")
    write_report(loaded, path)
    say(f"curves: {path}")
