"""Arguments that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

RecipeName = Annotated[
    str, typer.Argument(help="A recipe's name (see `hydranet list`), file.py[:function], recipe.json or run")
]
RunPath = Annotated[Path, typer.Argument(help="A run folder or model.safetensors")]
Settings = Annotated[list[str] | None, typer.Argument(help="Overrides such as optim.lr=1e-3 tasks.depth.objective=l1")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps")]
