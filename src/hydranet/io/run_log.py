"""The log of a run as a file: one JSON line per step or evaluation."""

import json
from pathlib import Path
from typing import Any

LOG = "log.jsonl"


def read(folder: Path) -> list[dict[str, Any]]:
    """The lines of a run's log without those that hold no step and no evaluation, such as a truncated last line."""
    return read_all(folder)[0]


def read_all(folder: Path) -> tuple[list[dict[str, Any]], int]:
    """The lines of a run's log, and how many were left out because they hold no step and no evaluation."""
    texts = (folder / LOG).read_text(errors="replace").splitlines()
    lines = [line for line in map(_line, texts) if line]
    return lines, len(texts) - len(lines)


def _line(text: str) -> dict[str, Any]:
    """One line of the log, empty where it is none."""
    try:
        line = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        return {}
    whole = isinstance(line, dict) and isinstance(line.get("step"), int)
    groups = ("scores",) if whole and "scores" in line else ("losses", "parts", "weights", "cosines")
    return line if whole and all(isinstance(line.get(group), dict) for group in groups) else {}
