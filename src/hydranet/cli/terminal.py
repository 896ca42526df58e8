"""How a program behaves on a terminal: it shows its progress, and it stops on a signal."""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from hydranet.core.checks.printable import printable
from hydranet.core.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from hydranet.cli.progress_bar import ProgressBar
    from hydranet.config.recipe import Recipe
    from hydranet.evaluation.evaluate import EvaluatedImage
    from hydranet.evaluation.report import Report
    from hydranet.models.hydranet import HydraNet

INTERRUPTED = 130
"""The exit code of a program that a signal stopped, as is usual in shells."""


FILE_COLUMNS = 160
"""Width of tables where the width of the screen is unknown."""


class Stopped(UserError):
    """A signal stopped the program; nothing is lost."""


class Unheard(UserError):
    """What a command says cannot be written: the disk of the file that its output goes to is full."""


def say(what: Any) -> None:
    """Prints a line of text, or a table. Names of others in a line cannot command the terminal.

    Raises Unheard where it cannot be written.
    """
    from rich.console import Console

    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else FILE_COLUMNS
    what = printable(what) if isinstance(what, str) else what
    console = Console(highlight=False, width=width)
    try:
        console.print(what, markup=not isinstance(what, str), soft_wrap=isinstance(what, str))
    except OSError as error:
        _silence()
        raise Unheard(
            f"cannot write to the standard output: {error.strerror}; send it elsewhere or make room"
        ) from error


def _silence() -> None:
    """What still waits for the standard output goes nowhere, else Python itself fails to write it when it ends."""
    with suppress(OSError, ValueError):  # no file, or one in memory
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def stop_on_signal(
    says: str = "stopping after this step; once more stops at once\n", run: "Path | None" = None
) -> list[int]:
    """A list that the first Ctrl-C (or SIGTERM, or SIGHUP) fills; the second one ends the program at once.

    run: the folder of a training run; the last message then says whether a checkpoint was kept.
    """
    signals: list[int] = []
    process = os.getpid()

    def note(number: int, _: object) -> None:
        if os.getpid() != process:
            return  # a worker that loads data: it ends when its parent does
        if signals:
            os.write(2, f"error: stopped at once{_left(run)}\n".encode())
            raise SystemExit(INTERRUPTED)
        signals.append(number)
        os.write(2, says.encode())  # print() must not be entered twice

    for number in _stopping():
        signal.signal(number, note)
    return signals


def _stopping() -> list[int]:
    """Signals that stop a program; SIGHUP, which a closed terminal sends, unless it is ignored, as under nohup."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    hangup = getattr(signal, "SIGHUP", None)  # Windows has none
    return [*numbers, *([hangup] if hangup is not None and signal.getsignal(hangup) != signal.SIG_IGN else [])]


def end_on_signal() -> None:
    """Until a command says otherwise, a signal ends the program with one line, also while it imports."""
    process = os.getpid()

    def end(number: int, _: object) -> None:
        if os.getpid() != process:  # a worker process ends as it would without us
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        os.write(2, b"error: stopped\n")
        raise SystemExit(INTERRUPTED)

    for number in _stopping():
        signal.signal(number, end)


def _left(run: "Path | None") -> str:
    from hydranet.checkpoint.checkpoint import STATE

    if run is None:
        return ""
    saved = (run / STATE).is_file()
    return "; the last checkpoint was kept" if saved else "; no checkpoint was written yet: start anew"


def bar() -> "ProgressBar":
    """Shows how far long work is: a bar, or lines where the output is no terminal."""
    from hydranet.cli.progress_bar import ProgressBar

    return ProgressBar()


def counted(bar: "ProgressBar", what: str) -> Callable[[int, int], None]:
    """A function to call with how many images are done, of how many."""
    job = bar.add_task(what, total=None, note="")
    return lambda done, total: bar.update(job, completed=done, total=total, note="images")


def evaluated(
    bar: "ProgressBar",
    model: "HydraNet",
    recipe: "Recipe",
    folder: "Path",
    *,
    rows: "list[EvaluatedImage] | None" = None,
    keep: int = 0,
    stop: Sequence[int] = (),
) -> "Report | None":
    """The report, or None where `stop` was filled meanwhile; the first `keep` images of each source go to `rows`.

    folder: of the run. The report's ledger also says on which of the images the recipe trains, or the run did.
    """
    from dataclasses import replace

    from hydranet.data import run_images
    from hydranet.data.overlap import leaks_if_readable
    from hydranet.evaluation.evaluate import evaluate as run_evaluation
    from hydranet.evaluation.report import Report

    job = bar.add_task("evaluating", total=None, note="")
    kept: dict[str, int] = {}
    for result in run_evaluation(model, recipe.validation, name=folder.name, batch=min(recipe.batch, 4)):
        if isinstance(result, Report):
            bar.remove_task(job)
            leaked = leaks_if_readable(recipe) + run_images.leaked(recipe, folder)
            return replace(result, ledger=result.ledger + leaked)
        if stop:
            break
        bar.update(job, completed=result.done, total=result.total)
        kept[result.sample.source] = kept.get(result.sample.source, 0) + 1
        if rows is not None and kept[result.sample.source] <= keep:
            rows.append(result)
    return None
