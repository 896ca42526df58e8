"""A file for libraries that open files by name themselves, and that a full disk would leave hanging."""

import os
import threading
from pathlib import Path

from hydranet.io.growing_file import GrowingFile

BLOCK_BYTES = 1 << 16


class PipedFile:
    """A pipe under a name of its own, and a thread that copies what comes out of it into a file.

    The library never learns that the disk is full: what comes after the first write that failed is taken from it and
    dropped, and `error` says why. Not on Windows, which has no names for open pipes: there the library writes the file.

    inlet: the name to give to the library, which opens it once.
    Raises OSError where the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._file, self._copier = GrowingFile(path), None
        self.inlet = str(path)
        if os.name != "nt":
            out, self._into = os.pipe()
            self.inlet = f"/dev/fd/{self._into}"
            self._copier = threading.Thread(target=self._copy, args=(out,), name=f"copy to {path.name}", daemon=True)
            self._copier.start()

    @property
    def error(self) -> OSError | None:
        """Why the first write that failed did so; None = none has."""
        return self._file.error

    def opened(self) -> None:
        """To be called once the library has opened the inlet: the file then ends where the library closes it."""
        if self._copier:
            os.close(self._into)

    def close(self) -> None:
        """Waits for the last bytes. To be called once the library has closed its file."""
        if self._copier:
            self._copier.join()
        self._file.close()

    def _copy(self, out: int) -> None:
        with open(out, "rb", buffering=0) as pipe:
            while block := pipe.read(BLOCK_BYTES):
                self._file.write(block)
