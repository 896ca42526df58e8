"""A disk that is full at any file of any command: one sentence with the file's name, and no file that is half there."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from commands import hydranet
from full_disk import no_file_beyond
from hydranet.deploy.session import open_session
from two_processes import python_path

SHARE = 0.9
"""Of the size that a file has where there is room: it is nearly whole when the disk is full. Times in it vary."""

Command = Callable[[Path], list[object]]


@pytest.fixture(scope="module")
def place(recipes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, images, and images with labels."""
    folder = tmp_path_factory.mktemp("full")
    ended = hydranet("train", f"{recipes}:toy", "--out", folder / "run")
    assert ended.code == 0, ended.err
    rng = np.random.default_rng(0)
    for index in range(3):
        image = rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)
        for path in (folder / f"images/{index}.png", folder / f"yolo/images/{index}.jpg"):
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), image)
        label = folder / f"yolo/labels/{index}.txt"
        label.parent.mkdir(exist_ok=True)
        label.write_text("0 .5 .5 .2 .2\n")
    return folder


def commands(place: Path, recipe: str) -> dict[str, Command]:
    run = place / "run"
    return {
        "train": lambda out: ["train", recipe, "evaluate_every=2", "keep_best=glow", "--out", out],
        "predict": lambda out: ["predict", run, place / "images", "--arrays", "--files", "--out", out],
        "label": lambda out: ["label", run, place / "images", "--size", "32x64", "--out", out],
        "evaluate": lambda out: ["evaluate", run, "--out", out, "--gallery", out / "g.html"],
        "evaluate to an image": lambda out: ["evaluate", run, "--out", out, "--gallery", out / "g.png"],
        "report": lambda out: ["report", run, "--out", out / "page.html"],
        "init": lambda out: ["init", place / "yolo", "--classes", "a", "--out", out / "mine.py"],
        "data check": lambda out: ["data", "check", recipe, "--out", out],
        "doctor": lambda out: ["doctor", recipe, "--no-steps", "--out", out],
        "convert": lambda out: ["recipe", "convert", recipe, out / "toy.yaml"],
        "sweep": lambda out: ["sweep", recipe, "steps=2", "seed=0,1", "--out", out],
        "export": lambda out: [
            *("export", run, "--limit", 2, "--out", out),
            *("--to", "onnx,openvino,torchscript,tensorrt,triton,deepstream"),
        ],
        "quantize": lambda out: [
            *("quantize", run, "--to", "openvino,onnx", "--calibration", 2, "--limit", 2, "--out", out),
            *("--budget", "glow.mae=9", "--budget", "bright.mae=9"),
        ],
        "bench": lambda out: [
            *("bench", run, "--runtimes", "onnx,openvino", "--rounds", 1, "--frames", 1, "--threads", 1, "--out", out)
        ],
    }


QUICK = ("train", "predict", "evaluate", "report", "init", "data check", "convert")
SLOW = ("label", "evaluate to an image", "doctor", "sweep", "export", "quantize", "bench")


def sizes(folder: Path) -> list[int]:
    """Of the files of a command, each so different from the next one that another file is the one that fails."""
    chosen: list[int] = []
    for size in sorted(path.stat().st_size for path in folder.rglob("*") if path.is_file()):
        if size and (not chosen or size * SHARE > chosen[-1]):
            chosen.append(size)
    return chosen


def half_written(path: Path) -> bool:
    """Whether a file ends too early."""
    if path.suffix in (".json", ".jsonl"):
        text = path.read_text()
        parts = [text] if path.suffix == ".json" else text.splitlines()
        return any(_fails(lambda part=part: json.loads(part)) for part in parts)
    if path.suffix in (".png", ".jpg"):
        return cv2.imread(str(path)) is None
    if path.suffix == ".npz":
        return _fails(lambda: dict(np.load(path)))
    if path.suffix == ".html":
        return not path.read_text().rstrip().endswith("</html>")
    if path.suffix in (".onnx", ".xml") and "bare" not in path.name:
        return _fails(lambda: open_session(path))
    return path.suffix == ".partial" or path.name.startswith(".")


def _fails(work: Callable[[], object]) -> bool:
    try:
        work()
    except Exception:
        return True
    return False


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_a_full_disk_is_one_sentence_that_names_the_file(name: str, place: Path, recipes: Path, tmp_path: Path) -> None:
    command = commands(place, f"{recipes}:toy")[name]
    ended = hydranet(*command(tmp_path / "whole"))
    assert ended.code == 0, ended.err
    assert not [path for path in (tmp_path / "whole").rglob("*") if path.is_file() and half_written(path)]
    for size in sizes(tmp_path / "whole"):
        out = tmp_path / str(size)
        with no_file_beyond(int(SHARE * size)):
            ended = hydranet(*command(out))
        assert ended.code == 1, (size, ended)
        *notes, error = ended.err.splitlines()
        assert all(note.startswith("warning: ") for note in notes), ended.err
        assert re.match(r"error: .*cannot write \S+", error), error
        assert re.search(r"File too large|No space left|iostream|write", error), error
        left = [path for path in out.rglob("*") if path.is_file()]
        assert not [path for path in left if half_written(path)], error


def test_an_output_that_cannot_be_written_is_said() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no device that is always full")
    code = "from hydranet.cli.main import main; main()"
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            [sys.executable, "-c", code, "list", "balancers"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": python_path()},
            check=False,
        )
    sentence = "error: cannot write to the standard output: No space left on device; send it elsewhere or make room\n"
    assert (ended.returncode, ended.stderr) == (1, sentence)
