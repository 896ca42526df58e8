"""The log of a run: one JSON line per step, and TensorBoard where it is installed."""

import json
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from hydranet.evaluation.report import Report
from hydranet.io.atomic import CheckpointError, write
from hydranet.io.run_log import LOG, read
from hydranet.training.mend import step_line
from hydranet.training.train import Progress


class RunLog:
    """Writes RUN/log.jsonl and RUN/tensorboard; used in a `with` statement.

    At the first step it drops the lines that an earlier, longer run of the folder left about this and later steps.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file: TextIO | None = None
        self.board: Any = None

    def _open(self, first_step: int) -> TextIO:
        path = self.folder / LOG
        kept = [line for line in read(self.folder) if line["step"] < first_step] if path.exists() else []
        write(path, "".join(json.dumps(line) + "\n" for line in kept).encode())
        self.board = _board(self.folder, first_step)
        return path.open("a")

    def step(self, progress: Progress) -> None:
        """Adds one step."""
        self.file = self.file or self._open(progress.step)
        line = step_line(progress.step, progress.result, progress.lr, progress.gradient_norm) | {
            "images_per_s": progress.images / progress.step_s,
            "wait_share": progress.wait_s / progress.step_s,
        }
        self._write(line)
        if self.board:
            for group in ("losses", "weights", "cosines"):
                for name, value in line[group].items():
                    self.board.add_scalar(f"{group}/{name}", value, progress.step)
            for name in ("lr", "gradient_norm", "images_per_s"):
                if line[name] is not None:  # a norm that overflowed in fp16, whose step is left out
                    self.board.add_scalar(name, line[name], progress.step)

    def report(self, step: int, report: Report) -> None:
        """Adds an evaluation."""
        self.file = self.file or self._open(step + 1)
        self._write({"step": step, "scores": json.loads(report.to_json())["scores"]})
        if self.board:
            for source, tasks in report.scores.items():
                for task, metrics in tasks.items():
                    for metric, value in metrics.items():
                        self.board.add_scalar(f"{source}/{task}/{metric}", value, step)

    def has_report(self, step: int) -> bool:
        """Whether an evaluation of a step is in the log."""
        logged = read(self.folder) if (self.folder / LOG).is_file() else []
        return any(line["step"] == step and "scores" in line for line in logged)

    def _write(self, line: dict[str, Any]) -> None:
        assert self.file  # whoever writes has opened it
        try:
            self.file.write(json.dumps(line) + "\n")
            self.file.flush()
        except OSError as error:
            raise CheckpointError(
                f"cannot write {self.folder / LOG}: {error.strerror}. Make room; the run goes on with --resume"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        if self.file:
            with suppress(OSError):  # a full disk was reported where it was met
                self.file.close()
        if self.board:
            with suppress(OSError):
                self.board.close()


def _board(folder: Path, first_step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder / "tensorboard"), purge_step=first_step)
