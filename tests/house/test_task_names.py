"""A task's name stands in its folder, in recipes and in data sets, nowhere else: code is written per kind of label."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "hydranet"
TASKS = {folder.name for folder in (SOURCE / "tasks").iterdir() if (folder / "task.py").is_file()}
AT_HOME = ("tasks", "recipes", "datasets")
FILES = [path for path in sorted(SOURCE.rglob("*.py")) if path.relative_to(SOURCE).parts[0] not in AT_HOME]


FIELDS = {"serving/ros2/outputs.py": {"pose", "classification"}}
"""Words that are fields or topics of ROS messages, and a task's name by chance."""


def named(text: str) -> list[str]:
    """Names of tasks that are string literals in a program, with their lines."""
    literals = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)]
    return [f"line {node.lineno}: {node.value!r}" for node in literals if node.value in TASKS]


def test_the_tasks_are_found() -> None:
    assert {"semantic", "depth", "normals", "detection"} <= TASKS


def test_a_name_would_be_noticed() -> None:
    assert named("x = 1\nif task == 'depth': pass") == ["line 2: 'depth'"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_task_is_named(path: Path) -> None:
    fields = FIELDS.get(path.relative_to(SOURCE).as_posix(), set())
    assert [one for one in named(path.read_text()) if one.rpartition(": ")[2].strip("'") not in fields] == []
