"""The wheel, in a fresh environment without torch: what a robot installs."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OLD = ROOT / "tests" / "fixtures" / "v0_1"
PYTHON = """
import importlib.util, sys
import cv2
from hydranet import Predictor

assert importlib.util.find_spec("torch") is None
image = cv2.cvtColor(cv2.imread(sys.argv[2]), cv2.COLOR_BGR2RGB)
predictions = Predictor(sys.argv[1])(image)
assert predictions["depth"].values.shape == image.shape[:2]
print(sorted(predictions))
"""


def call(*words: object, cwd: Path) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, check=False, cwd=cwd, env=environment
    )


def done(*words: object, cwd: Path) -> str:
    ended = call(*words, cwd=cwd)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.slow
def test_an_exported_file_is_predicted_where_torch_is_not_installed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", tmp_path, ROOT, cwd=tmp_path)
    (wheel,) = tmp_path.glob("hydranet-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert {"hydranet/py.typed", "hydranet/__main__.py"} <= set(archive.namelist())
    done(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    python, command = tmp_path / "venv" / "bin" / "python", tmp_path / "venv" / "bin" / "hydranet"
    options = ("--quiet", "--disable-pip-version-check", "-c", ROOT / "constraints.txt")
    done(python, "-m", "pip", "install", *options, f"hydranet[onnx] @ {wheel.as_uri()}", cwd=tmp_path)

    file, image = OLD / "export" / "model.onnx", OLD / "image.png"
    out = done(python, "-c", PYTHON, file, image, cwd=tmp_path)
    assert "depth" in out
    done(command, "predict", file, image, "--out", tmp_path / "predictions", cwd=tmp_path)
    assert json.loads((tmp_path / "predictions" / "image.json").read_text())
    assert "tasks" in done(command, "list", cwd=tmp_path)
    for words, extra in ((("train", "demo"), "train"), (("predict", OLD / "run", image), "train")):
        ended = call(command, *words, cwd=tmp_path)
        assert ended.returncode == 1
        assert ended.stderr.count("\n") == 1
        assert f'pip install "hydranet[{extra}]"' in ended.stderr

    packages = done(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=tmp_path).strip()
    size = sum(path.stat().st_size for path in Path(packages).rglob("*") if path.is_file())
    with capsys.disabled():
        print(f"\nsite-packages of hydranet[onnx], pip included: {size / 1e6:.0f} MB")
    assert size < 700e6
