"""A network whose weights or values are NaN is an error that names head and array, and no answer."""

from pathlib import Path

import numpy as np
import pytest
import torch

from export_toys import SIZE, every_recipe, pictures, shaken
from hydranet.annotations import Boxes, ClassMap, Quantity, ScalarMap
from hydranet.deploy.finite import broken_field
from hydranet.deploy.options import PredictorError
from hydranet.deploy.predictor import SessionPredictor as Predictor
from hydranet.deploy.session import open_session
from hydranet.export.export import ExportError, ExportPlan, export
from hydranet.export.graph import Shape

HEADS = ("semantic", "depth", "normals", "yolov8")
FILES = {"onnx": "onnx", "openvino": "xml", "torchscript": "torchscript"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of a network whose weights are NaN, as they were written before exports looked at weights."""
    pytest.importorskip("onnxscript")
    pytest.importorskip("openvino")
    recipe, place = every_recipe(), tmp_path_factory.mktemp("export")
    model = shaken(recipe.build())
    with torch.no_grad():
        for name in HEADS:
            for parameter in model.heads[name].parameters():
                parameter.fill_(float("nan"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hydranet.export.export._check_weights", lambda model: None)
        export(model, recipe, place, ExportPlan(tuple(FILES), Shape(SIZE), HEADS), name="broken")
    return place


@pytest.mark.parametrize("runtime", FILES)
@pytest.mark.parametrize("head", HEADS)
def test_no_numbers_are_an_error_that_names_head_and_array(folder: Path, runtime: str, head: str) -> None:
    predictor = Predictor(open_session(folder / f"model.{FILES[runtime]}", runtime, 1), [head])
    with pytest.raises(PredictorError, match=rf"head '{head}' gave \w+ that are no numbers"):
        predictor(pictures(1)[0])


def test_weights_that_are_no_numbers_are_not_exported(tmp_path: Path) -> None:
    recipe = every_recipe()
    model = shaken(recipe.build())
    with torch.no_grad():
        next(model.heads["depth"].parameters()).view(-1)[0] = float("nan")
    with pytest.raises(ExportError, match=r"got 1 number that is NaN or infinite in heads\.depth\..*; export"):
        export(model, recipe, tmp_path, ExportPlan(("onnx",), Shape(SIZE), ["depth"]), name="broken")
    assert list(tmp_path.iterdir()) == []


def test_single_pixels_may_be_unknown() -> None:
    values = np.full((40, 50), np.nan, np.float32)
    assert broken_field(ScalarMap(values)) == "values"
    values[:20] = 3
    assert broken_field(ScalarMap(values)) == ""
    assert broken_field(ClassMap(np.full((40, 50), 255, np.uint8))) == "ids"
    assert broken_field(ClassMap(np.zeros((40, 50), np.uint8))) == ""
    score = np.array([0.5, np.nan], np.float32)
    assert broken_field(Boxes(np.zeros((2, 4), np.float32), np.zeros(2, np.int64), score=score)) == "score"
    assert broken_field(Quantity(np.float32("nan"))) == "value"
