"""docs/your-data.md, command by command, on small copies: from three foreign folders to a measured ONNX file."""

import json
import re
import shlex
from pathlib import Path

import cv2
import numpy as np
import pytest

from commands import hydranet
from foreign_layouts import HEIGHT, WIDTH, coco_boxes, depth_in_mm, palette_masks, scene, write

PAGE = Path(__file__).parents[2] / "docs" / "your-data.md"
MOST = 8
QUICK = {
    "doctor": ["encoder.weights=none", "--no-steps"],
    "train": ["steps=12", "batch=4", "encoder.weights=none", "workers=0", "evaluate_every=0"],
    "bench": ["--runtimes", "onnx", "--rounds", "2", "--frames", "2"],
}
"""What a test adds, so that it takes seconds: a network without packaged weights, a few steps, one runtime."""


def commands() -> list[list[str]]:
    block = re.search(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert block
    return [shlex.split(line, comments=True) for line in block[1].splitlines()]


def test_there_are_eight_commands_and_no_python() -> None:
    given = [words for words in commands() if words and words[0] != "source"]
    assert len(given) == MOST
    assert {words[0] for words in given} == {"make", "hydranet"}


@pytest.mark.slow
def test_the_page_from_folders_to_a_measured_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYDRANET_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    palette_masks(tmp_path / "street")
    coco_boxes(tmp_path / "cars")
    depth_in_mm(tmp_path / "depth")
    for i in range(2):
        write(tmp_path / f"NEW_IMAGES/{i}.jpg", scene(900 + i)[0])
    for words in commands():
        if not words or words[0] != "hydranet" or words[1] == "weights":
            continue
        ended = hydranet(*words[1:], *QUICK.get(words[1], []))
        assert ended.code == 0, (words, ended.out, ended.err)
    made = tmp_path / "predictions"
    ids = cv2.imread(str(made / "semantic/0.png"), cv2.IMREAD_UNCHANGED)
    assert ids.shape == (HEIGHT, WIDTH)
    assert ids.max() < 3
    meters = cv2.imread(str(made / "depth/1.png"), cv2.IMREAD_UNCHANGED)
    assert meters.dtype == np.uint16
    assert 0 < meters.min() / 256 < 200
    coco = json.loads((made / "detection.coco.json").read_text())
    assert [image["file_name"] for image in coco["images"]] == ["0.jpg", "1.jpg"]
    assert coco["categories"] == [{"id": 1, "name": "car"}]


@pytest.mark.slow
def test_a_head_is_added_and_old_ones_answer_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYDRANET_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    palette_masks(tmp_path / "street")
    coco_boxes(tmp_path / "cars")
    assert hydranet("init", "street", "--out", "first.py", "--steps", "300").code == 0
    ended = hydranet("train", "first.py", "steps=6", "batch=4", "encoder.weights=none", "workers=0", "evaluate_every=0")
    assert ended.code == 0, ended.err
    ended = hydranet("add-head", "runs/first", "--data", "cars", "--steps", "6", "--out", "runs/both")
    assert ended.code == 0, ended.err
    assert "semantic: identical on" in ended.out
    assert "learns nothing" not in ended.out
    assert "done: semantic, detection -> runs/both" in ended.out
    ended = hydranet("add-head", "runs/both", "--data", "cars", "--steps", "6")
    assert ended.code == 1
    assert (
        "the network has tasks semantic, detection already; give the new one a name: --task detection=NEW" in ended.err
    )
