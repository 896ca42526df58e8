"""One training at a time in a folder: a file that says who works there."""

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from hydranet.core.checks.json_text import BrokenJson, parse_json
from hydranet.io.atomic import CheckpointError

NAME = "train.lock"
SILENT_S = 900.0
"""A process on another machine, which cannot be asked, counts as ended when it has not touched its lock for so long."""
TOUCH_S = 10.0


class Lock:
    """The lock of a folder, held by this process. `touch` says now and then that the process still works."""

    def __init__(self, folder: Path) -> None:
        self.path, self._touched_s = folder / NAME, time.monotonic()

    def touch(self) -> None:
        """Marks the lock as alive; costs nothing when called often."""
        if time.monotonic() - self._touched_s > TOUCH_S:
            self._touched_s = time.monotonic()
            with suppress(OSError):
                os.utime(self.path)


@contextmanager
def locked(folder: Path) -> Iterator[Lock]:
    """Holds a folder inside the `with` statement; the lock of a process that has ended is taken over.

    Files that a killed process left half-written are removed. Raises CheckpointError, with process and machine, where
    another process works in the folder, and where the folder cannot be written.
    """
    lock = Lock(folder)
    mine = json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "started": _started(os.getpid())})
    _take(lock.path, mine)
    try:
        for left in folder.glob("*.partial"):
            with suppress(OSError):
                left.unlink()
        yield lock
    finally:
        with suppress(OSError):
            if lock.path.read_text() == mine:
                lock.path.unlink()


def _take(path: Path, mine: str) -> None:
    for _ in range(100):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "x") as file:
                _fill(file, mine)
            return
        except FileExistsError:
            if not path.exists():  # the folder itself is in the way of a file
                if path.parent.is_dir():
                    continue
                raise CheckpointError(f"cannot write {path}: {path.parent} is a file; choose another folder") from None
        except OSError as error:
            raise CheckpointError(f"cannot write {path}: {error.strerror}; choose another folder") from error
        text, holder = _holder(path)
        if holder is not None:
            raise CheckpointError(
                f"{path.parent} is in use: process {holder.get('pid')} on {holder.get('host')} works in it; wait "
                f"until it ends or choose another folder (if it no longer runs, delete {path})"
            )
        _remove(path, text)
    raise CheckpointError(f"cannot take {path}: other processes try it at once; try again")


def _fill(file: TextIO, mine: str) -> None:
    """Says who holds the lock; without room to say it, there is none."""
    try:
        file.write(mine)
        file.flush()
    except OSError:
        with suppress(OSError):
            os.unlink(file.name)
        raise


def _remove(path: Path, text: str) -> None:
    """Removes a lock that says `text`, unless another process was quicker and put its own there."""
    aside = path.with_name(f"{NAME}.{os.getpid()}.partial")
    with suppress(OSError):
        path.rename(aside)
        if aside.read_text(errors="replace") == text:
            aside.unlink()
        else:
            aside.rename(path)


def _holder(path: Path) -> tuple[str, dict[str, Any] | None]:
    """What a lock says, and who holds it; None where that process has ended."""
    text, holder, age_s = "", None, 0.0
    try:
        age_s = time.time() - path.stat().st_mtime
        text = path.read_text(errors="replace")
        holder = parse_json(text)
    except BrokenJson:
        pass
    except OSError:
        return text, None
    if not isinstance(holder, dict) or not isinstance(holder.get("pid"), int):
        return text, None if age_s > TOUCH_S else {}  # damaged, or being written
    if holder.get("host") != socket.gethostname():
        return text, holder if age_s < SILENT_S else None
    same = _runs(holder["pid"]) and holder.get("started") in (None, _started(holder["pid"]))
    return text, holder if same else None


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError, ValueError):
        return False
    except PermissionError:
        pass
    return True


def _started(pid: int) -> int | None:
    """When a process began, in ticks of the machine, so that another one with its number is not taken for it."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None
