"""How a program behaves on a terminal: it shows how far it is, and it stops when it is told to."""

import os
import signal
import sys
from typing import TYPE_CHECKING

from hydranet.core.errors import UserError

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

INTERRUPTED = 130
"""The exit code of a program that a signal stopped, by the custom of shells."""


class Stopped(UserError):
    """A signal stopped the program; nothing is lost."""


def stop_on_signal() -> list[int]:
    """A list that the first Ctrl-C (or SIGTERM) fills; the second one ends the program at once."""
    seen: list[int] = []
    process = os.getpid()

    def note(number: int, _: object) -> None:
        if os.getpid() != process:
            return  # a worker that loads data: it ends when its parent does
        if seen:
            os.write(2, b"error: stopped at once; the last checkpoint was kept\n")
            raise SystemExit(INTERRUPTED)
        seen.append(number)
        os.write(2, b"stopping after this step; once more stops at once\n")  # print() must not be entered twice

    signal.signal(signal.SIGINT, note)
    signal.signal(signal.SIGTERM, note)
    return seen


def bar() -> "Bar":
    """A progress bar; its tasks take a field `note`. It shows nothing where there is no screen."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn())
    times = (TimeElapsedColumn(), TimeRemainingColumn(), TextColumn("{task.fields[note]}", markup=False))
    return Bar(*columns, *times, console=Console(highlight=False), disable=not sys.stdout.isatty())
