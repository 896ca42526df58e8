"""How far long work is: a bar on a terminal; elsewhere a line now and then, so that a log shows it, too."""

import sys
import time
from contextlib import suppress
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as TimeLeftColumn

from hydranet.core.checks.printable import printable

LINE_S = 10.0
"""Least seconds between two lines."""

LINE_SHARE = 0.1
"""... and the least share of the time so far: an hour of work has some fifty lines."""


class ProgressBar(Progress):
    """Tasks take the fields `note`, shown behind the numbers, and `lines`: False for work that says its own lines.

    Lines go to the standard error, so that what a command prints stays what it prints. Work that takes less than
    `LINE_S` seconds says nothing.
    """

    def __init__(self) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn())
        times = (TimeElapsedColumn(), TimeLeftColumn(), TextColumn("{task.fields[note]}", markup=False))
        super().__init__(*columns, *times, console=Console(highlight=False), disable=not sys.stdout.isatty())
        self._began = self._said = time.monotonic()

    def update(self, task_id: TaskID, **changes: Any) -> None:
        """As rich's; a line where it is time for one and no bar is drawn."""
        super().update(task_id, **changes)
        task, now = self._tasks[task_id], time.monotonic()
        if not self.disable or not task.fields.get("lines", True):
            return
        if now - self._said >= max(LINE_S, LINE_SHARE * (now - self._began)):
            self._said = now
            far = f"{task.completed:g} of {task.total:g} " if task.total is not None else ""
            far = far or f"{task.completed:g} " * bool(task.completed)  # work of unknown length that counts nothing
            with suppress(OSError):  # nobody reads it
                sys.stderr.write(printable(f"{task.description}: {far}{task.fields['note']}".rstrip()) + "\n")
                sys.stderr.flush()
