"""A file that grows while a program works, and that can still be opened when the disk is full."""

import errno
import os
from contextlib import suppress
from pathlib import Path


class GrowingFile:
    """An open file for bytes, for libraries that write to objects as they write to files.

    The first write that fails is kept in `error`, and every write after it is dropped: a library can then close what it
    has begun without doing more harm, and whoever owns the file looks at `error` and cuts the file to its last whole
    part. kept: go on behind what the file holds, instead of emptying it. Raises OSError where it cannot be opened.
    """

    def __init__(self, path: Path, *, kept: bool = False) -> None:
        self.path, self._failed = path, (0, "")
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | (0 if kept else os.O_TRUNC), 0o644)
        self._at = os.lseek(self._file, 0, os.SEEK_END)

    @property
    def error(self) -> OSError | None:
        """Why the first write that failed did so; None = none has. A new object, so that none holds on to callers."""
        return OSError(*self._failed, str(self.path)) if self._failed[0] else None

    def write(self, data: bytes | memoryview) -> int:
        """Writes at the current place; always says that all was written."""
        self._put(data, self._at)
        self._at += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Goes to another place, as in any file."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at}.get(whence)
        self._at = offset + (os.fstat(self._file).st_size if start is None else start)
        return self._at

    def tell(self) -> int:
        """The current place."""
        return self._at

    def flush(self) -> None:
        """Nothing waits to be written."""

    def append(self, data: bytes) -> None:
        """Adds bytes at the end, all or none. Raises OSError."""
        end = os.fstat(self._file).st_size
        self._put(data, end)
        self._at = end + len(data)
        if error := self.error:
            self.cut(end)
            raise error

    def cut(self, size: int, ending: bytes = b"") -> None:
        """Takes away what lies behind `size` bytes, where an ending may take its place; as far as the disk lets it."""
        with suppress(OSError):
            os.pwrite(self._file, ending, size)  # before the room is given back
            os.ftruncate(self._file, size + len(ending))

    def close(self) -> None:
        """Closes the file; once more does nothing."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    def _put(self, data: bytes | memoryview, place: int) -> None:
        rest = memoryview(data)
        while rest and not self._failed[0]:
            try:
                count = os.pwrite(self._file, rest, place)
            except OSError as error:
                self._failed = error.errno or errno.EIO, error.strerror or str(error)
                return
            rest, place = rest[count:], place + count
