"""The log of a run: one JSON line a step, and TensorBoard where it is installed."""

import json
from pathlib import Path
from typing import Any

from hydranet.evaluate import Report
from hydranet.train import Progress

LOG = "log.jsonl"


class RunLog:
    """Writes RUN/log.jsonl and RUN/tensorboard. On resume, lines past the resumed step are dropped first."""

    def __init__(self, folder: Path, first_step: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / LOG
        kept = [line for line in read(folder) if line["step"] <= first_step] if path.exists() else []
        self.file = path.open("w")
        for line in kept:
            self.file.write(json.dumps(line) + "\n")
        self.board = _board(folder, first_step)

    def step(self, progress: Progress) -> None:
        """Adds what one step saw."""
        seen = progress.outcome
        line: dict[str, Any] = {
            "step": progress.step,
            "losses": seen.losses,
            "parts": seen.parts,
            "weights": seen.weights,
            "lr": progress.lr,
            "gradient_norm": progress.gradient_norm,
            "images_per_s": progress.images / progress.step_s,
            "wait_share": progress.wait_s / progress.step_s,
        }
        self._write(line)
        if self.board:
            for group in ("losses", "weights"):
                for name, value in line[group].items():
                    self.board.add_scalar(f"{group}/{name}", value, progress.step)
            for name in ("lr", "gradient_norm", "images_per_s"):
                self.board.add_scalar(name, line[name], progress.step)

    def report(self, step: int, report: Report) -> None:
        """Adds an evaluation."""
        self._write({"step": step, "scores": json.loads(report.to_json())["scores"]})
        if self.board:
            for source, tasks in report.scores.items():
                for task, metrics in tasks.items():
                    for metric, value in metrics.items():
                        self.board.add_scalar(f"{source}/{task}/{metric}", value, step)

    def _write(self, line: dict[str, Any]) -> None:
        self.file.write(json.dumps(line) + "\n")
        self.file.flush()

    def close(self) -> None:
        """Closes the files."""
        self.file.close()
        if self.board:
            self.board.close()


def read(folder: Path) -> list[dict[str, Any]]:
    """The lines of a run's log; a last line that a kill cut short is left out."""
    lines = []
    for text in (folder / LOG).read_text().splitlines():
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:
            break
    return lines


def _board(folder: Path, first_step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder / "tensorboard"), purge_step=first_step + 1)
