"""Numbers by step in a file for TensorBoard, written at once: a full disk or a kill costs no more than one step."""

import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hydranet.io.growing_file import GrowingFile


class Board:
    """An event file in a folder. first_step: what earlier files of the folder say about it and later steps is dropped.

    Raises OSError where it cannot be written, ImportError where TensorBoard is not installed.
    """

    def __init__(self, folder: Path, first_step: int) -> None:
        from tensorboard.compat.proto import event_pb2, summary_pb2
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._event: Any = event_pb2.Event
        self._summary: Any = summary_pb2.Summary
        folder.mkdir(parents=True, exist_ok=True)
        now = time.time()
        name = f"events.out.tfevents.{now:.6f}.{socket.gethostname()}.{os.getpid()}"
        self._file = GrowingFile(folder / name)
        self._record: Any = RecordWriter(_Whole(self._file)).write
        self._put(self._event(wall_time=now, file_version="brain.Event:2"))
        start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        self._put(self._event(wall_time=now, step=first_step, session_log=start))

    def add(self, values: Mapping[str, float], step: int) -> None:
        """Adds the numbers of one step. Raises OSError where the disk is full; no half of them is in the file then."""
        rows = [self._summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self._put(self._event(wall_time=time.time(), step=step, summary=self._summary(value=rows)))

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _put(self, event: Any) -> None:
        self._record(event.SerializeToString())


class _Whole:
    """The file as TensorBoard's `RecordWriter` wants it: it gives one whole record in each call."""

    def __init__(self, file: GrowingFile) -> None:
        self._file = file

    def write(self, data: bytes) -> None:
        self._file.append(data)


def open_board(folder: Path, first_step: int) -> Board | None:
    """A board, or None where TensorBoard is not installed."""
    try:
        return Board(folder, first_step)
    except ImportError:
        return None
