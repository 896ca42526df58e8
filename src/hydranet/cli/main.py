"""The command line: its commands, and how they end."""

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from hydranet.cli import (
    add_head,
    bench,
    branch,
    compare,
    compare_outputs,
    data,
    doctor,
    env,
    evaluate,
    export,
    group,
    init,
    label,
    licenses,
    parts,
    predict,
    quantize,
    recipe,
    report,
    retention,
    ros2,
    search,
    serve,
    sweep,
    terminal,
    train,
    weights,
)
from hydranet.core import extras
from hydranet.core.checks.printable import printable
from hydranet.core.errors import UserError


def _version(asked: bool) -> None:
    """Shows the version and ends."""
    if asked:
        from importlib.metadata import version

        typer.echo(version("hydranet"))
        raise typer.Exit


app = typer.Typer(
    name="hydranet",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,  # plain help and errors: loading rich for them doubles the time they take
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def hydranet(
    version: Annotated[bool, typer.Option("--version", is_eager=True, callback=_version, help="Show the version")] = (
        False
    ),
) -> None:
    """One image encoder, many perception heads: train, evaluate, look, ship."""


app.command()(init.init)
app.command()(doctor.doctor)
app.command()(train.train)
app.command("add-head")(add_head.add_head)
app.command()(evaluate.evaluate)
app.command()(export.export)
app.command()(quantize.quantize)
app.command("quantise", hidden=True)(quantize.quantize)  # the names of earlier versions
app.command()(bench.bench)
app.command()(predict.predict)
app.command()(licenses.licenses)
app.command()(serve.serve)
app.command()(ros2.ros2)
app.command()(label.label)
app.command()(compare.compare)
app.command("compare-outputs")(compare_outputs.same)
app.command("same", hidden=True)(compare_outputs.same)
app.command()(report.report)
app.command()(retention.retention)
app.command()(sweep.sweep)
app.command()(group.group)
app.command()(search.search)
app.command()(branch.branch)
app.add_typer(data.app, name="data")
app.add_typer(weights.app, name="weights")
app.add_typer(recipe.app, name="recipe")
app.command()(env.env)
app.command("list")(parts.list_parts)
app.command()(parts.info)


def main() -> None:
    """Runs a command; errors meant for the user end in one sentence and exit code 1."""
    with ending_in_a_sentence():
        app()


@contextmanager
def ending_in_a_sentence() -> Iterator[None]:
    """Ends the program with one sentence on stderr where an error is meant for the user, or a signal stopped it."""
    for variable, quiet in {"OPENCV_LOG_LEVEL": "OFF", "OPENCV_FFMPEG_LOGLEVEL": "-8"}.items():
        os.environ.setdefault(variable, quiet)  # a broken image is one sentence of ours, not a page of OpenCV's
    usual = warnings.formatwarning
    warnings.formatwarning = lambda message, category, *where: (
        f"warning: {message}\n" if category is UserWarning else usual(message, category, *where)
    )
    terminal.end_on_signal()
    try:
        yield
    except terminal.Stopped as stopped:
        _fail(str(stopped), terminal.INTERRUPTED)
    except ImportError as error:
        _fail(extras.sentence(error, "this command"))
    except UserError as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}")


def _fail(message: str, code: int = 1) -> None:
    print(f"error: {printable(message)}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
