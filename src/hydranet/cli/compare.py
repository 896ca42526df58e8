"""hydranet compare"""

from pathlib import Path
from typing import Annotated

import typer

from hydranet.cli.terminal import say


def compare(
    first: Annotated[Path, typer.Argument(help="A run folder or report.json")],
    second: Annotated[Path, typer.Argument(help="Another one")],
    every: Annotated[bool, typer.Option("--all", help="Per-class scores, too")] = False,
) -> None:
    """Compare two reports of `hydranet evaluate`; refused where they were not measured in the same way."""
    from hydranet.evaluation.compare import changes
    from hydranet.evaluation.report import read_report
    from hydranet.reporting import tables

    reports = read_report(first), read_report(second)
    say(tables.comparison(changes(*reports, every=every), [str(first), str(second)]))
