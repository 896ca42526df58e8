"""hydranet recipe: what a recipe states and leaves at its defaults, and recipes as files of other formats"""

import json
from pathlib import Path
from typing import Annotated

import typer

from hydranet.cli.arguments import Allow, RecipeName, Settings
from hydranet.cli.terminal import say

app = typer.Typer(no_args_is_help=True, help="Look into recipes, and write them as files.")


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


@app.command()
def convert(
    recipe: RecipeName,
    out: Annotated[Path, typer.Argument(help="The file to write: .py, .yaml, .toml or .json")],
    settings: Settings = None,
    allow: Allow = None,
) -> None:
    """Write a recipe as Python, YAML, TOML or JSON; every command takes any of them."""
    from hydranet.checkpoint import resolve
    from hydranet.config.python_text import to_python
    from hydranet.config.recipe_tree import write_toml, write_yaml
    from hydranet.core.spec import SpecError
    from hydranet.io.atomic import write

    writers = {
        ".py": to_python,
        ".yaml": write_yaml,
        ".yml": write_yaml,
        ".toml": write_toml,
        ".json": lambda one: one.to_json(),
    }
    if out.suffix not in writers:
        raise SpecError(f"got {out.name}, expected a file that ends in {', '.join(writers)}; rename it")
    chosen = resolve.recipe(recipe).changed(settings or [])
    write(out, writers[out.suffix](chosen).encode())
    say(f"{chosen.name} -> {out}")
