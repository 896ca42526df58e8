"""What an older version wrote opens, answers the same, and goes on: see tests/fixtures/v0_1/README.md."""

import importlib
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from hydranet.checkpoint.checkpoint import load_model, load_recipe
from hydranet.config.moved import modern_recipe
from hydranet.config.recipe import Recipe
from hydranet.deploy.session import Runtime
from hydranet.evaluation.compare import changes
from hydranet.evaluation.evaluate import evaluate
from hydranet.evaluation.report import Report, read_report
from hydranet.inference.predictor import Predictor
from hydranet.training.train import train

OLD = Path(__file__).parents[1] / "fixtures" / "v0_1"
EXPORTED = ["model.onnx", "model.xml", "model.torchscript"]
KEPT = ("hydranet.tasks", "hydranet.datasets", "hydranet.balancers", "hydranet.recipe.", "hydranet.schedule")
ABSTRACT = ("hydranet.tasks.detection.heads.BoxHead",)
"""Modules whose classes recipes named by users: all of these must be found today."""


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return cv2.cvtColor(cv2.imread(str(OLD / "image.png")), cv2.COLOR_BGR2RGB)


@pytest.fixture(scope="module")
def answers() -> dict[str, np.ndarray]:
    with np.load(OLD / "answers.npz") as file:
        return dict(file)


def agree(found: dict, answers: dict[str, np.ndarray]) -> None:
    for name, wanted in answers.items():
        task, _, field = name.partition(".")
        np.testing.assert_allclose(getattr(found[task], field), wanted, rtol=1e-3, atol=1e-3, err_msg=name)


def test_a_run_answers_the_same(image: np.ndarray, answers: dict[str, np.ndarray]) -> None:
    agree(Predictor(OLD / "run", threshold=0.0)(image), answers)


@pytest.mark.parametrize("name", EXPORTED)
def test_an_exported_file_answers_the_same(name: str, image: np.ndarray, answers: dict[str, np.ndarray]) -> None:
    agree(Predictor(OLD / "export" / name, threshold=0.0, runtime=Runtime(trust=True))(image), answers)


def test_a_run_goes_on(tmp_path: Path, image: np.ndarray) -> None:
    run = tmp_path / "run"
    shutil.copytree(OLD / "run", run)
    *_, last = train(load_recipe(run), run, resume=True)
    assert last.step == 12
    with np.load(OLD / "resumed_depth.npz") as wanted:
        np.testing.assert_allclose(Predictor(run)(image)["depth"].values, wanted["values"], rtol=0.02)


def test_a_report_may_be_compared_with_one_of_today() -> None:
    model, recipe = load_model(OLD / "run")
    *_, report = evaluate(model, recipe.validation, name="run")
    assert isinstance(report, Report)
    for change in changes(read_report(OLD / "run"), report, every=True):
        assert change.second == pytest.approx(change.first, rel=1e-3, abs=1e-4, nan_ok=True), change


@pytest.mark.parametrize("name", json.loads((OLD / "recipes.json").read_text()))
def test_recipes_as_json_are_read(name: str) -> None:
    tree = json.loads((OLD / "recipes.json").read_text())[name]
    recipe = Recipe.from_json(json.dumps(tree))
    assert recipe.name == tree["name"]
    assert Recipe.from_json(recipe.to_json()) == recipe


@pytest.mark.parametrize(
    "path",
    [path for path in json.loads((OLD / "classes.json").read_text()) if path.startswith(KEPT) and path not in ABSTRACT],
)
def test_every_class_that_a_recipe_could_name_is_found(path: str) -> None:
    module, _, name = modern_recipe({"class": path})["class"].rpartition(".")
    assert hasattr(importlib.import_module(module), name)


def test_the_balancer_of_many_methods_is_one_class_per_method_now() -> None:
    old = {"class": "hydranet.balancers.aggregated.Aggregated", "part": True, "seed": 3, "c": 0.4, "at": "cut"}
    assert modern_recipe({**old, "method": "cagrad"}) == {
        "class": "hydranet.balancers.cagrad.CAGrad",
        "part": True,
        "c": 0.4,
    }
    pcgrad = modern_recipe({**old, "method": "pcgrad", "at": "parameters"})
    assert pcgrad == {"class": "hydranet.balancers.pcgrad.PCGrad", "part": True, "seed": 3, "at": "parameters"}
