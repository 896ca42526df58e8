"""Arguments that several commands share."""

import os
from pathlib import Path
from typing import Annotated

import typer

from hydranet.core.checks import class_lookup


def _allow(names: list[str] | None) -> list[str] | None:
    """Allows modules while the arguments are read, before any file is opened; processes it starts allow them, too."""
    class_lookup.allow(names or ())
    return names


RecipeName = Annotated[
    str, typer.Argument(help="A recipe's name (see `hydranet list`), file.py[:function], recipe.json or run")
]
RunPath = Annotated[Path, typer.Argument(help="A run folder, a released name, or model.safetensors")]
Settings = Annotated[list[str] | None, typer.Argument(help="Overrides such as optim.lr=1e-3 tasks.depth.objective=l1")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps")]
Allow = Annotated[
    list[str] | None,
    typer.Option(
        callback=_allow,
        metavar="MODULE",
        help="Code of others that a run may use, if you trust it: FILE.py, NAME=FILE.py or a module; repeatable",
    ),
]


Best = Annotated[bool, typer.Option("--best", help="The run's best network (recipe: keep_best) instead of its last")]


def best_of(run: Path, best: bool) -> Path:
    """The folder of a run's best network where it is asked for. Raises CheckpointError where there is none."""
    if not best:
        return run
    from hydranet.checkpoint.checkpoint import MODEL
    from hydranet.io.atomic import CheckpointError
    from hydranet.training.best import FOLDER

    if not (run / FOLDER / MODEL).is_file():
        raise CheckpointError(f"{run} kept no best network; train with keep_best=TASK, or leave out --best")
    return run / FOLDER


def allow_pixels(limit: int | None) -> int | None:
    """Puts a limit of pixels into the environment, where this process and its workers read it."""
    if limit is not None:
        from hydranet.io.images import PIXELS_VARIABLE

        os.environ[PIXELS_VARIABLE] = str(limit)
    return limit


def _trust(given: bool) -> bool:
    """Notes in the environment, where this process and its workers read it, that files which are code may run."""
    if given:
        from hydranet.deploy.trust import VARIABLE

        os.environ[VARIABLE] = "1"
    return given


Trust = Annotated[
    bool,
    typer.Option(
        "--trust", callback=_trust, help="Open .torchscript files, which are code, though somebody else exported them"
    ),
]


MaxPixels = Annotated[
    int | None,
    typer.Option(
        min=1,
        callback=allow_pixels,
        help="Most pixels of an image; default: $HYDRANET_MAX_PIXELS, or 100 million",
    ),
]
