"""hydranet recipe: what a recipe states, and what it leaves at its defaults"""

import json
from typing import Annotated

import typer

from hydranet.cli.arguments import Allow, RecipeName, Settings
from hydranet.cli.terminal import say

app = typer.Typer(no_args_is_help=True, help="Look into recipes.")


@app.command()
def show(
    recipe: RecipeName,
    settings: Settings = None,
    changed: Annotated[bool, typer.Option("--changed", help="Only what differs from the defaults")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON")] = False,
    allow: Allow = None,
) -> None:
    """Show every field of a recipe, file or run, as overrides name it: its value, its default and what it means."""
    from hydranet.checkpoint import resolve
    from hydranet.config.describe import NEEDED, describe
    from hydranet.reporting import tables

    rows = list(describe(resolve.recipe(recipe).changed(settings or [])))
    kept = [row for row in rows if row.changed or row.default == NEEDED] if changed else rows
    if as_json:
        say(json.dumps([vars(row) for row in kept], indent=2))
    else:
        say(tables.described(kept))
