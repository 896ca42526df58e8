"""What writers of MCAP write to: a file that any reader opens whenever the program ends."""

import struct
from pathlib import Path

from hydranet.io.growing_file import GrowingFile

MAGIC = b"\x89MCAP0\r\n"
DATA_END, FOOTER = 0x0F, 0x02
HEAD = 9
"""Bytes before a record's content: what it is, and its length."""

ENDING = struct.pack("<BQI", DATA_END, 4, 0) + struct.pack("<BQQQI", FOOTER, 20, 0, 0, 0) + MAGIC
"""The end of a file without a summary (mcap.dev/spec): readers go through such a file from its start."""


class McapRecords:
    """An open file for writers that write one record after another, without going back.

    Behind the records that are whole always lies an ending, over which the next ones are written in one go: after a
    kill the file is as good as a finished one, up to its last chunk. After a write that failed (`error`) the file
    keeps the records before it, and what follows is dropped.
    kept: the file has the beginning of one already, which a writer made and closed.
    """

    def __init__(self, path: Path, *, kept: bool = False) -> None:
        begun = path.read_bytes() if kept else b""
        self._file = GrowingFile(path)
        self._waiting = bytearray()
        self._end, self._ended = 0, False
        self.write(begun)

    @property
    def error(self) -> OSError | None:
        """Why a write failed; None = none has."""
        return self._file.error

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Takes bytes; whole records go to the file at once, the writer's own ending when the file is closed."""
        self._waiting += data
        size = 0 if self._ended else self._whole()
        if size:
            self._put(size, ENDING)
        return len(data)

    def _put(self, size: int, ending: bytes) -> None:
        """Writes what waits, up to a size, over the ending that was there, with a new one; all or nothing."""
        if self.error is None:
            self._file.seek(self._end)
            self._file.write(bytes(self._waiting[:size]) + ending)
            if self.error:
                self._file.cut(self._end, ENDING if self._end else b"")
            else:
                self._end += size
        del self._waiting[:size]

    def _whole(self) -> int:
        """How many of the waiting bytes are whole records before the writer's own ending; notes where that begins."""
        size = 0 if self._end else len(MAGIC)
        while size + HEAD <= len(self._waiting):
            kind, length = struct.unpack_from("<BQ", self._waiting, size)
            if kind == DATA_END:
                self._ended = True
                break
            if size + HEAD + length > len(self._waiting):
                break
            size += HEAD + length
        return min(size, len(self._waiting)) if size > len(MAGIC) or self._end else 0

    def seek(self, offset: int, whence: int = 0) -> int:
        """Stays where it is; writers without going back ask for no other place."""
        return self.tell()

    def tell(self) -> int:
        """How many bytes it was given."""
        return self._end + len(self._waiting)

    def flush(self) -> None:
        """Whole records lie in the file already."""

    def close(self) -> None:
        """Writes the writer's own ending, if it came, and closes the file; once more does nothing."""
        if self._ended and self._waiting:
            self._put(len(self._waiting), b"")
        self._file.close()
