"""The first promise of an export: ONNX Runtime answers what PyTorch answers."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from commands import hydranet, refused
from hydranet import checkpoint
from hydranet.deploy.predictor import Predictor
from hydranet.predict import Predictor as TorchPredictor
from toys import toy_recipe

pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("run")
    recipe = toy_recipe()
    checkpoint.save_model(folder, recipe.build(), recipe)
    return folder


def test_an_exported_file_answers_what_the_run_answers(run: Path, tmp_path: Path) -> None:
    ended = hydranet("export", run, "--out", tmp_path)
    assert ended.code == 0, ended.err
    picture = np.random.default_rng(0).integers(0, 256, (50, 71, 3), dtype=np.uint8)
    wanted, found = TorchPredictor(run)(picture), Predictor(tmp_path / "model.onnx")(picture)
    np.testing.assert_allclose(found["glow"].values, wanted["glow"].values, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found["bright"].value, wanted["bright"].value, rtol=1e-4)
    assert {path.name for path in tmp_path.iterdir()} == {"model.onnx", "manifest.json", "parity.json"}


def test_unknown_targets_and_heads_are_refused(run: Path, tmp_path: Path) -> None:
    refused(hydranet("export", run, "--to", "onx", "--out", tmp_path), "no target of an export .* did you mean 'onnx'")
    refused(hydranet("export", run, "--heads", "glwo", "--out", tmp_path), "did you mean 'glow'")
