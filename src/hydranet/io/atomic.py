"""Files that are written whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hydranet.core.errors import UserError

STATE = "state.safetensors"
"""The file of a run that `--resume` needs (`hydranet.checkpoint.checkpoint`)."""

FULL_BYTES = 2**20
"""A disk with less room than this counts as full."""


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


@contextmanager
def placed(path: Path) -> Iterator[Path]:
    """A path for a library to write to inside the `with` statement; then all files it wrote beside it get their place.

    For files that others write: nothing half-written is left under a final name. Raises CheckpointError for OSError and
    RuntimeError, which is what the libraries raise.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".partial-", dir=path.parent) as draft:
            yield Path(draft) / path.name
            for made in sorted(Path(draft).iterdir()):
                made.replace(path.parent / made.name)
    except UserError:
        raise
    except (OSError, RuntimeError) as error:
        raise CheckpointError(
            f"cannot write {path}: {reason(error, path.parent)}. Make room or choose another folder"
        ) from error


def reason(error: Exception, folder: Path) -> str:
    """Why files could not be written into a folder, in a few words; some libraries do not say that the disk is full."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    with suppress(OSError):
        if shutil.disk_usage(folder).free < FULL_BYTES:
            return "No space left on device"
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]


def check_folder(folder: Path) -> None:
    """Raises CheckpointError where no file can be put into a folder, which is made where it is missing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise CheckpointError(f"cannot write into {folder}: {error.strerror}; choose another folder") from error
