"""What the README promises works: a task in one file, and the ten lines of Python."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

import hydranet as hydranet_package
from commands import hydranet
from hydranet.checkpoint import resolve
from hydranet.config import catalog
from hydranet.deploy.predictor import SessionPredictor
from hydranet.deploy.video.video_file import VideoFile
from hydranet.evaluation.report import Report
from hydranet.export.graph import Shape
from hydranet.inference.predictor import Predictor

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


def snippets() -> dict[str, str]:
    """Python in the README and the docs that claims to be complete: it begins with its imports."""
    programs: dict[str, str] = {}
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        for code in re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL):
            if code.startswith(("import ", "from ")):
                programs[f"{path.name}-{len(programs)}"] = code
    return programs


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained run, its export, an image and a video, under the names that the snippets use."""
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    place = tmp_path_factory.mktemp("snippets")
    ended = hydranet("train", "demo", *SMALL, "--out", place / "runs" / "demo")
    assert ended.code == 0, ended.err
    shape = Shape((128, 416), dynamic=True)
    (file,) = hydranet_package.export(place / "runs" / "demo", place / "export", shape=shape, limit=2)
    shutil.copy(file, place / "model.onnx")
    image = np.full((375, 1242, 3), 90, np.uint8)
    for name in ("street.jpg", "frame.png"):
        cv2.imwrite(str(place / name), image)
    video = VideoFile(place / "drive.mp4", 10)
    for _ in range(2):
        video.add(image[:374])
    video.close()
    return place


def test_the_readme_and_the_docs_have_snippets() -> None:
    assert {name.partition(".")[0] for name in snippets()} >= {"README", "shipping", "video"}
    first = next(iter(snippets().values()))
    assert len([line for line in first.splitlines() if line.strip()]) <= 10


@pytest.mark.parametrize("name", snippets())
def test_snippets_run(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    code = snippets()[name]
    if "tracking" in code:
        pytest.importorskip("similari")
    monkeypatch.chdir(folder)
    exec(compile(code, name, "exec"), {})
    for written in re.findall(r'imwrite\("(.*?)"', code):
        assert cv2.imread(written) is not None


def test_a_dynamic_file_answers_as_its_run_does_at_the_size_nearest_in_shape(folder: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (150, 500, 3), dtype=np.uint8)
    answers = [Predictor(folder / path, ["depth"])(image)["depth"].values for path in ("runs/demo", "model.onnx")]
    np.testing.assert_allclose(answers[0], answers[1], rtol=1e-3)
    wide, tall = (128, 416), (416, 128)
    session = Predictor(folder / "model.onnx").session
    session.manifest = replace(session.manifest, input=replace(session.manifest.input, sizes=(wide, tall)))
    see = SessionPredictor(session, ["depth"])
    turned = np.ascontiguousarray(np.rot90(image))
    np.testing.assert_allclose(
        see(turned)["depth"].values, SessionPredictor(session, ["depth"], size=tall)(turned)["depth"].values
    )
    assert not np.allclose(
        see(turned)["depth"].values, SessionPredictor(session, ["depth"], size=wide)(turned)["depth"].values
    )


@pytest.mark.parametrize("name", [found.name for found in catalog.members("recipes")])
def test_every_recipe_survives_json(name: str) -> None:
    recipe = resolve.recipe(name)
    assert type(recipe).from_json(recipe.to_json()) == recipe
