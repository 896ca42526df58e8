"""What the README promises works: a task in one file, and the ten lines of Python."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from commands import hydranet
from hydranet.checkpoint import resolve
from hydranet.config import catalog
from hydranet.evaluation.report import Report

ROOT = Path(__file__).parents[2]
SMALL = (
    "steps=3",
    "batch=2",
    "workers=0",
    "encoder.weights=none",
    "decoder.width=16",
    "validation.held-out.dataset.count=3",
)


def test_custom_task_trains_and_is_evaluated(tmp_path: Path) -> None:
    run = tmp_path / "custom"
    ended = hydranet("train", ROOT / "examples" / "custom_task.py", *SMALL, "--out", run)
    assert ended.code == 0, ended.err
    report = Report.from_json((run / "report.json").read_text())
    assert 0 <= report.scores["held-out"]["edges"]["f1"] <= 1
    picture = tmp_path / "street.png"
    cv2.imwrite(str(picture), np.full((128, 416, 3), 90, np.uint8))
    ended = hydranet("predict", run, picture, "--out", tmp_path / "seen")
    assert ended.code == 0, ended.err
    assert (tmp_path / "seen" / "street.edges.png").is_file()


def test_custom_task_is_forty_lines() -> None:
    text = (ROOT / "examples" / "custom_task.py").read_text()
    begin, end = text.index("@dataclass"), text.index("def custom()")
    assert len([line for line in text[begin:end].splitlines() if line.strip()]) <= 40


def test_ten_lines_of_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = hydranet("train", "demo", *SMALL, "--out", tmp_path / "runs" / "demo")
    assert ended.code == 0, ended.err
    cv2.imwrite(str(tmp_path / "street.jpg"), np.full((375, 1242, 3), 90, np.uint8))
    code = re.search(r"```python\n(import cv2.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert code
    assert len([line for line in code[1].splitlines() if line.strip()]) <= 10
    monkeypatch.chdir(tmp_path)
    exec(compile(code[1], "README.md", "exec"), {})
    assert cv2.imread("depth.png") is not None


@pytest.mark.parametrize("name", [found.name for found in catalog.members("recipes")])
def test_every_recipe_survives_json(name: str) -> None:
    recipe = resolve.recipe(name)
    assert type(recipe).from_json(recipe.to_json()) == recipe
