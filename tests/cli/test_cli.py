"""Every command does its work on a small recipe."""

import csv
import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from commands import hydranet
from hydranet import recipes as package
from hydranet.checkpoint import checkpoint, resolve
from hydranet.config import catalog
from hydranet.deploy.video.video_file import VideoFile
from hydranet.io.run_log import read


@pytest.fixture(scope="module")
def run(recipes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run."""
    folder = tmp_path_factory.mktemp("runs") / "toy"
    ended = hydranet("train", f"{recipes}:toy", "--out", folder)
    assert ended.code == 0, ended.err
    assert "step 6/6  bright " in ended.out
    return folder


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for i, size in enumerate([(33, 71), (48, 96)]):
        cv2.imwrite(str(folder / f"{i}.png"), np.random.default_rng(i).integers(0, 256, (*size, 3), dtype=np.uint8))
    return folder


def test_help_is_quick_and_needs_no_torch() -> None:
    """Processor time, since the machine may be busy."""
    look = "import sys; sys.argv = ['hydranet', '--help']\nfrom hydranet.cli.main import main\n"
    look += "try: main()\nexcept SystemExit: "
    look += "assert not {'torch', 'cv2', 'numpy', 'timm'} & set(sys.modules)"
    spent = []
    for _ in range(2):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert done.returncode == 0, done.stderr
        assert "predict" in done.stdout
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(spent) < 0.5


def test_train_leaves_a_run(run: Path) -> None:
    files = {path.name for path in run.iterdir()}
    assert {"model.safetensors", "recipe.json", "state.safetensors", "log.jsonl", "report.json", "report.csv"} <= files
    lines = read(run)
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6, 6]
    assert lines[0].keys() >= {"losses", "parts", "weights", "lr", "gradient_norm", "images_per_s", "wait_share"}
    assert lines[-1]["scores"] == json.loads((run / "report.json").read_text())["scores"]


def test_overrides_reach_the_run(recipes: Path, tmp_path: Path) -> None:
    settings = ["steps=2", "optim.lr=3e-3", "data.noise.weight=2", "validation=[]"]
    ended = hydranet("train", f"{recipes}:toy", *settings, "--out", tmp_path / "run")
    assert ended.code == 0, ended.err
    recipe = checkpoint.load_recipe(tmp_path / "run")
    assert (recipe.steps, recipe.optim.lr, recipe.data[0].weight, recipe.validation) == (2, 3e-3, 2, ())


def test_resume_of_a_finished_run_does_nothing(recipes: Path, run: Path) -> None:
    before = (run / "model.safetensors").read_bytes()
    assert hydranet("train", f"{recipes}:toy", "--out", run, "--resume").code == 0
    assert (run / "model.safetensors").read_bytes() == before
    assert len(read(run)) == 7


def test_evaluate_writes_report_and_gallery(run: Path, tmp_path: Path) -> None:
    pages = ("--gallery", tmp_path / "g.html", "--images", 2, "--csv", tmp_path / "tables/scores.csv")
    ended = hydranet("evaluate", run, "--out", tmp_path, *pages)
    assert ended.code == 0, ended.err
    assert (tmp_path / "tables/scores.csv").read_text() == (tmp_path / "report.csv").read_text()
    assert "mae ↓" in ended.out
    report = json.loads((tmp_path / "report.json").read_text())
    rows = list(csv.DictReader((tmp_path / "report.csv").read_text().splitlines()))
    assert float(rows[0]["value"]) == pytest.approx(report["scores"]["held-out"]["bright"]["mae"], rel=1e-5)
    page = (tmp_path / "g.html").read_text()
    assert page.count("<h2>") == 2
    assert hydranet("evaluate", run, "--out", tmp_path, "--gallery", tmp_path / "g.png").code == 0
    assert cv2.imread(str(tmp_path / "g.png")) is not None


def test_evaluate_on_other_data(run: Path, tmp_path: Path) -> None:
    ended = hydranet("evaluate", run, "validation.held-out.dataset.count=3", "--out", tmp_path)
    assert ended.code == 0, ended.err
    assert json.loads((tmp_path / "report.json").read_text())["protocol"]["held-out"]["glow"]["images"] == 3


def test_predict_writes_pictures_json_and_arrays(run: Path, pictures: Path, tmp_path: Path) -> None:
    ended = hydranet("predict", run, pictures, "--out", tmp_path / "seen", "--arrays")
    assert ended.code == 0, ended.err
    assert "2 images" in ended.out
    endings = {path.name[2:] for path in (tmp_path / "seen").glob("0.*")}
    assert endings == {"all.png", "bright.png", "glow.png", "json", "npz"}
    said = json.loads((tmp_path / "seen" / "0.json").read_text())
    assert (said["height"], said["width"], said["tasks"]["glow"]["size"]) == (33, 71, [33, 71])
    with np.load(tmp_path / "seen" / "0.npz") as arrays:
        assert set(arrays) == {"bright.value", "glow.values"}
        assert arrays["glow.values"].shape == (33, 71)


def test_predict_some_heads(run: Path, pictures: Path, tmp_path: Path) -> None:
    assert hydranet("predict", run, pictures / "1.png", "--out", tmp_path / "seen", "--heads", "glow").code == 0
    assert {p.name for p in (tmp_path / "seen").iterdir()} == {"1.all.png", "1.glow.png", "1.json", "ledger.json"}


def test_predict_a_video(run: Path, tmp_path: Path) -> None:
    video = VideoFile(tmp_path / "drive.mp4", 12.5)
    for i in range(5):
        video.add(np.full((32, 64, 3), 40 * i, dtype=np.uint8))
    video.close()
    ended = hydranet("predict", run, tmp_path / "drive.mp4", "--out", tmp_path / "seen", "--arrays", "--draw", "each")
    assert ended.code == 0, ended.err
    lines = [json.loads(line) for line in (tmp_path / "seen" / "predictions.jsonl").read_text().splitlines()]
    assert [(line["frame"], line["time_s"]) for line in lines] == [(i, round(i / 12.5, 4)) for i in range(5)]
    assert {p.name for p in (tmp_path / "seen").glob("*.mp4")} == {"all.mp4", "bright.mp4", "glow.mp4"}
    assert len(list((tmp_path / "seen").glob("drive_*.npz"))) == 5


def test_info_counts(recipes: Path, run: Path) -> None:
    for what in (f"{recipes}:toy", run):
        ended = hydranet("info", what, "--size", "64x64")
        assert ended.code == 0, ended.err
        assert "6,874" in ended.out
        assert "head glow" in ended.out


def test_list_names_every_part() -> None:
    ended = hydranet("list", "encoders")
    assert ended.code == 0
    assert "MobileNetV2" in ended.out


def test_one_broken_module_costs_nobody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torn = tmp_path / "torn.py"
    torn.write_text("def torn(:\n")
    lacking = tmp_path / "lacking.py"
    lacking.write_text("import a_package_that_nobody_has\ndef lacking() -> Recipe: ...\n")
    all_modules = catalog.modules

    def with_broken(kind: str) -> Iterator[tuple[str, Path]]:
        yield from all_modules(kind)
        yield from (("hydranet.recipes.torn", torn), ("hydranet.recipes.lacking", lacking)) if kind == "recipes" else ()

    monkeypatch.setattr(catalog, "modules", with_broken)
    monkeypatch.setattr(package, "__path__", [*package.__path__, os.fspath(tmp_path)])
    assert resolve.recipe("demo").name == "demo"
    ended = hydranet("list", "recipes")
    assert "cannot be read: invalid syntax" in ended.out
    ended = hydranet("info", "torn")
    assert ended.code == 1
    assert "recipe 'torn' cannot be read: invalid syntax (torn.py, line 1)" in ended.err
    ended = hydranet("info", "lacking")
    assert ended.code == 1
    assert "recipe 'lacking' cannot be read: ModuleNotFoundError: No module named 'a_package" in ended.err


def test_data_check(recipes: Path, tmp_path: Path) -> None:
    ended = hydranet("data", "check", f"{recipes}:toy", "--out", tmp_path / "look")
    assert ended.code == 0, ended.err
    assert (tmp_path / "look" / "report.json").is_file()


def test_weights_get_refuses_an_unknown_name() -> None:
    ended = hydranet("weights", "get", "mobilenetv3")
    assert ended.code == 1
    assert "did you mean 'mobilenetv2'" in ended.err


def test_overrides_leave_the_runs_own_report_alone(run: Path) -> None:
    before = (run / "report.json").read_bytes()
    ended = hydranet("evaluate", run, "validation.held-out.dataset.count=3")
    assert ended.code == 0
    assert "report not written" in ended.out
    assert (run / "report.json").read_bytes() == before
