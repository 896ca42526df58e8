"""The log of a run as a file: one JSON line per step or evaluation."""

from pathlib import Path
from typing import Any

from hydranet.core.checks.json_text import BrokenJson, parse_json

LOG = "log.jsonl"
GROUPS = {"losses": 1, "parts": 2, "weights": 1, "cosines": 1, "norms": 1}
"""What a step is described by: tables of numbers, and how many tables lie inside one another."""
LATER: dict[str, Any] = {"norms": {}}
"""Groups that logs of before do not have."""
RATES = ("lr", "gradient_norm", "images_per_s", "wait_share")


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
        line = parse_json(text)
    except BrokenJson:
        return {}
    if not isinstance(line, dict) or not _is_step(line.get("step")):
        return {}
    if "scores" in line:
        return line if _numbers(line["scores"], 3) else {}
    line = {**dict.fromkeys(GROUPS), **LATER, **line}
    numbers = all(line[name] is None or _is_number(line[name]) for name in RATES if name in line)
    return line if numbers and all(_numbers(line[group], levels) for group, levels in GROUPS.items()) else {}


def _numbers(value: Any, levels: int) -> bool:
    """Whether a value is tables inside one another with numbers or null in the innermost."""
    if levels == 0:
        return value is None or _is_number(value)
    return isinstance(value, dict) and all(_numbers(inner, levels - 1) for inner in value.values())


def _is_step(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
