"""Which files that are code may be opened: those that this user exported, and those that this user says to trust.

A file is known by its SHA-256 in $HYDRANET_CACHE/exports (`io.cache_folder`), where `hydranet export` notes what it
writes. What lies beside a file proves nothing: whoever makes the file makes its manifest, too.
"""

import hashlib
import os
from contextlib import suppress
from pathlib import Path

from hydranet.core.errors import UserError
from hydranet.io.atomic import CheckpointError, write
from hydranet.io.cache_folder import cache

VARIABLE = "HYDRANET_TRUST"
"""Environment variable that says, if it is 1, that every file which this process and its children open is trusted."""


class UntrustedFile(UserError, RuntimeError):
    """A file that is code, of which nobody said that it may run."""


def remember(path: Path) -> None:
    """Notes a file of the user's own making. Where the cache cannot be written, it is asked about later."""
    with suppress(CheckpointError, OSError):
        write(_note_of(path), f"{path.resolve()}\n".encode())


def check(path: Path, trust: bool = False) -> None:
    """Raises UntrustedFile for a file that this user neither exported nor trusts."""
    if trust or os.environ.get(VARIABLE) == "1":
        return
    with suppress(OSError):
        if _note_of(path).is_file():
            return
    raise UntrustedFile(
        f"{path} is code, which could do whatever you can, and no export of yours on this machine; if you trust "
        "whoever made it, use --trust, or runtime=Runtime(trust=True) in Python; .onnx files are data and need neither"
    )


def _note_of(path: Path) -> Path:
    with path.open("rb") as file:
        return cache() / "exports" / hashlib.file_digest(file, "sha256").hexdigest()
