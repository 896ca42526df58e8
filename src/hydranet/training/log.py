"""The log of a run: one JSON line per step, and TensorBoard where it is installed."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hydranet.evaluation.report import Report
from hydranet.io.atomic import CheckpointError, write
from hydranet.io.growing_file import GrowingFile
from hydranet.io.run_log import LOG, read
from hydranet.training.board import Board, open_board
from hydranet.training.mend import step_line
from hydranet.training.train import Progress


class RunLog:
    """Writes RUN/log.jsonl and RUN/tensorboard; used in a `with` statement.

    At the first step it drops the lines that an earlier, longer run of the folder left about this and later steps.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file: GrowingFile | None = None
        self.board: Board | None = None

    def _open(self, first_step: int) -> GrowingFile:
        path = self.folder / LOG
        kept = [line for line in read(self.folder) if line["step"] < first_step] if path.exists() else []
        write(path, "".join(json.dumps(line) + "\n" for line in kept).encode())
        with _written():
            self.board = open_board(self.folder / "tensorboard", first_step)
            return GrowingFile(path, kept=True)

    def step(self, progress: Progress) -> None:
        """Adds one step."""
        self.file = self.file or self._open(progress.step)
        line = step_line(progress.step, progress.result, progress.lr, progress.gradient_norm) | {
            "images_per_s": progress.images / progress.step_s,
            "wait_share": progress.wait_s / progress.step_s,
        }
        self._write(line)
        if self.board:
            groups = ("losses", "weights", "cosines")
            values = {f"{group}/{name}": value for group in groups for name, value in line[group].items()}
            values |= {name: line[name] for name in ("lr", "gradient_norm", "images_per_s")}
            with _written():  # a norm that overflowed in fp16, whose step is left out, is None
                self.board.add({name: value for name, value in values.items() if value is not None}, progress.step)

    def report(self, step: int, report: Report) -> None:
        """Adds an evaluation."""
        self.file = self.file or self._open(step + 1)
        self._write({"step": step, "scores": json.loads(report.to_json())["scores"]})
        if self.board:
            rows = [(source, task, scored) for source, tasks in report.scores.items() for task, scored in tasks.items()]
            values = {
                f"{source}/{task}/{name}": value for source, task, scored in rows for name, value in scored.items()
            }
            with _written():
                self.board.add(values, step)

    def has_report(self, step: int) -> bool:
        """Whether an evaluation of a step is in the log."""
        logged = read(self.folder) if (self.folder / LOG).is_file() else []
        return any(line["step"] == step and "scores" in line for line in logged)

    def _write(self, line: dict[str, Any]) -> None:
        assert self.file  # whoever writes has opened it
        with _written():
            self.file.append(f"{json.dumps(line)}\n".encode())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        if self.file:
            self.file.close()
        if self.board:
            self.board.close()


@contextmanager
def _written() -> Iterator[None]:
    """An OSError inside the `with` statement becomes a CheckpointError with the file's name."""
    try:
        yield
    except OSError as error:
        raise CheckpointError(
            f"cannot write {error.filename}: {error.strerror}. Make room; the run goes on with --resume"
        ) from error
