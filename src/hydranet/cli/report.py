"""hydranet report"""

from pathlib import Path
from typing import Annotated

import typer

from hydranet.cli.terminal import say


def report(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs; several are drawn over one another")],
    out: Annotated[Path | None, typer.Option(help="The page to write; default: report.html in the first run")] = None,
) -> None:
    """Draw the curves of runs: losses, weights, gradient cosines, rates, speed and scores, as one page."""
    from hydranet.io.run_log import LOG
    from hydranet.reporting.curves import curves, write_report

    path = out or runs[0] / "report.html"
    loaded = [curves(run) for run in runs]
    for run, log in zip(runs, loaded, strict=True):
        if log.skipped:
            say(f"{run / LOG}: {log.skipped} damaged lines were skipped")
    write_report(loaded, path)
    say(f"curves: {path}")
