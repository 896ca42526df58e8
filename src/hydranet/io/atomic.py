"""Files that are written whole or not at all."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from hydranet.core.errors import UserError

STATE = "state.safetensors"
"""The file of a run that `--resume` needs (`hydranet.checkpoint.checkpoint`)."""


class CheckpointError(UserError, RuntimeError):
    """A checkpoint that cannot be written or used: what is wrong, and the cure."""


def write(path: Path, data: bytes) -> None:
    """Puts a file in place in one move: a full disk or a kill leaves the old file as it was.

    Raises CheckpointError where it cannot be written.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(partial, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        kept = "; the last good file was kept" if os.path.exists(path) else ""
        again = "; the run goes on with --resume" if os.path.exists(path.parent / STATE) else ""
        raise CheckpointError(
            f"cannot write {path} ({len(data) / 1e6:.1f} MB): {error.strerror}{kept}. "
            f"Make room or choose another folder{again}"
        ) from error


def check_folder(folder: Path) -> None:
    """Raises CheckpointError where no file can be put into a folder, which is made where it is missing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise CheckpointError(f"cannot write into {folder}: {error.strerror}; choose another folder") from error
