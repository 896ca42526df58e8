"""Inputs whose sides are no multiples of the coarsest stride: SSD at 300 x 300 from training to an exported file."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from detection_toy import FEATURES
from export_toys import SmallEncoder, pictures, samples, shaken
from hydranet.checkpoint.checkpoint import load_model
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.features import GRAY
from hydranet.core.spec import Part, SpecError
from hydranet.datasets.scenes.classes import DETECTION, SEMANTIC
from hydranet.datasets.scenes.dataset import Scenes
from hydranet.deploy.session import open_session
from hydranet.evaluation.evaluate import evaluate
from hydranet.evaluation.report import Report
from hydranet.export.export import ExportPlan, export
from hydranet.export.graph import Shape
from hydranet.export.parity import Bounds, compare
from hydranet.inference.predictor import Predictor
from hydranet.tasks.depth.task import Depth
from hydranet.tasks.detection.task import Detection
from hydranet.tasks.semantic.task import Semantic
from hydranet.training.train import train
from toys import toy_recipe

SIDE = 300


def recipe() -> Recipe:
    """Boxes by SSD, and two tasks with an output for every pixel, on generated streets of another shape."""
    tasks = (
        Detection("boxes", DETECTION, reads="encoder", detector="ssd", pre_nms_topk=40, max_detections=20),
        Semantic("classes", SEMANTIC, reads="encoder"),
        Depth("depth", reads="encoder"),
    )
    labels = {"boxes": "detection", "classes": "semantic", "depth": "depth"}
    scenes = Scenes(count=6, seed=3, size=(96, 320), labels=("semantic", "depth", "detection"))
    data = Source("streets", scenes, (SIDE, SIDE), labels=labels)
    held_out = replace(data, name="held-out", dataset=replace(scenes, count=2, seed=4))
    base = replace(toy_recipe(steps=2, batch=2), tasks=tasks, encoder=Part(SmallEncoder))
    return replace(base, data=(data,), validation=(held_out,), workers=0)


def test_ssd_has_its_8732_boxes_and_maps_their_size() -> None:
    model = recipe().build().eval()
    with torch.no_grad():
        raw = model(torch.rand(2, 3, SIDE, SIDE))
        decoded = model.decode(raw)
    assert raw["boxes"]["defaults"].shape == (2, 8732, 4)
    assert raw["boxes"]["scores"].shape == (2, 8732, len(DETECTION) + 1)
    assert decoded["classes"].ids.shape[-2:] == decoded["depth"].values.shape[-2:] == (SIDE, SIDE)


def test_the_padding_is_gray_on_the_right_and_below_and_is_cut_off_again() -> None:
    model = shaken(recipe().build())
    image = torch.rand(1, 3, 60, 100)
    padded = F.pad(image, (0, 28, 0, 4), value=GRAY)
    with torch.no_grad():
        trunk, whole = (model.trunk(one, list(model.tasks)) for one in (image, padded))
    for task, levels in trunk.items():
        for level, full, spec in zip(levels, whole[task], model.trunk.features[task], strict=True):
            height, width = -(-60 // spec.stride), -(-100 // spec.stride)
            assert level.shape[-2:] == (height, width)
            assert torch.equal(level, full[..., :height, :width])
    one, other = (trunk[name] for name in list(model.tasks)[:2])
    assert all(a is b for a, b in zip(one, other, strict=True))  # shared levels stay shared
    with pytest.raises(ValueError, match="got an image of 60 x 98 pixels, expected multiples of 4"):
        model(image[..., :98])
    assert FEATURES[-1].stride == 32


@pytest.mark.slow  # exports of 8,732 boxes
def test_300x300_is_trained_evaluated_predicted_and_exported(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    made = recipe()
    losses = [progress.result.losses for progress in train(made, tmp_path / "run")]
    assert all(one.keys() == {"boxes", "classes", "depth"} for one in losses)
    model, made = load_model(tmp_path / "run")
    report = list(evaluate(model, made.validation))[-1]
    assert isinstance(report, Report)
    assert report.scores["held-out"].keys() == {"boxes", "classes", "depth"}
    (image,) = pictures(1)
    predictor = Predictor(tmp_path / "run", threshold=0.0)
    answers = predictor(image)
    assert answers["depth"].values.shape == image.shape[:2]
    shape = Shape((SIDE, SIDE))
    graph, paths = export(model, made, tmp_path / "file", ExportPlan(["onnx"], shape))
    session = open_session(paths[0], threads=1)
    assert session.manifest.input.size == (SIDE, SIDE)
    (parity,) = compare(graph, {("model.onnx", "onnx"): session}, samples(2), Bounds())
    assert not parity.failures
    file = Predictor(paths[0], threshold=0.0)(image)
    np.testing.assert_allclose(file["depth"].values, answers["depth"].values, rtol=1e-3)
    with pytest.raises(SpecError, match=r"got size \(300, 300\) with a dynamic size, expected multiples of 32"):
        export(model, made, tmp_path / "no", ExportPlan(["onnx"], replace(shape, dynamic=True)))
    plan = ExportPlan(["onnx"], Shape((320, 320), dynamic=True), ["depth"])
    graph, (path, *_) = export(model, made, tmp_path / "any", plan)
    chosen, asked = Predictor(path, threshold=0.0), Predictor(path, threshold=0.0, size=(320, 320))
    assert chosen.manifest.input.sizes == ((SIDE, SIDE),)  # of training; a file of any size takes 320 instead
    np.testing.assert_array_equal(chosen(image)["depth"].values, asked(image)["depth"].values)
