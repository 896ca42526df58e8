"""Odd words on the command line end as a result or as one sentence; seeded, as the other fuzzed inputs."""

import random
from pathlib import Path

import cv2
import numpy as np
import pytest

from commands import hydranet
from hydranet.training.train import train
from mutations import SEED, TIMES
from toys import toy_recipe

WORDS = (
    *("", " ", "0", "-1", "1e999", "nan", "inf", "9" * 400, "²", "0x10", "1_0", "a,b", "a=b", "=", ",", ",,", "a="),
    *("=1", "glow", "bright=0.5", "glow=2,glow=3", "32x64", "32X64", "0x0", "32x", "x64", "33x64", "glow,glow"),
    *("\x1b[31m", "[/b]", "[bold]", "é", "\u2028", "\udcff", "a" * 5000, "{}", "[1]", "null", "cpu:0", "cuda:99"),
)
DRAWING = ("--draw", "--fps", "--limit", "--record", "--max-pixels", "--focal-px", "--allow")
OPTIONS = {
    "predict": (
        *("--heads", "--threshold", "--size", "--iou", "--every", "--threads", "--precision", "--runtime", "--device"),
        *DRAWING,
    ),
    "label": ("--heads", "--confidence", "--size", "--device", "--focal-px", "--recipe", "--allow"),
    "export": ("--to", "--heads", "--batch", "--fit", "--frame", "--nms", "--precision", "--size", "--limit"),
    "evaluate": ("--images", "--device", "--gallery"),
    "info": ("--allow",),
    "report": ("--out",),
    "compare": (),
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    list(train(toy_recipe(steps=2), folder))
    return folder


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("images") / "a.png"
    cv2.imwrite(str(path), np.full((20, 40, 3), 90, np.uint8))
    return path


def command(rng: random.Random, run: Path, image: Path, out: Path) -> list[str]:
    """A command with one to three odd words: options, overrides, or arguments in the place of others."""
    name = rng.choice(list(OPTIONS))
    given = {"predict": [run, image], "label": [run, image.parent], "compare": [run, run]}.get(name, [run])
    words = [str(one) for one in given]
    for _ in range(rng.randint(1, 3)):
        word = rng.choice(WORDS)
        if OPTIONS[name] and rng.random() < 0.75:
            words.append(f"{rng.choice(OPTIONS[name])}={word}")
        elif rng.random() < 0.5:
            words[rng.randrange(len(given))] = word
        else:
            words.append(rng.choice([word, f"tasks.glow.{word}", f"{word}=1", f"--{word}"]))
    if name in ("predict", "label", "export", "evaluate"):
        words.append(f"--out={out}")
    return [name, *words]


def test_commands_end_with_a_result_or_a_sentence(
    run: Path, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = random.Random(21 + SEED)
    for number in range(120 * TIMES):
        words = command(rng, run, image, tmp_path / "out" / str(number))
        try:
            ended = hydranet(*words)
        except Exception as error:
            raise AssertionError(f"{type(error).__name__}: {error} for {words}") from error
        assert ended.code in (0, 1, 2), (words, ended)
        assert "Traceback" not in ended.err, (words, ended.err)
        assert ended.code == 0 or ended.err.strip(), words
