"""Exported files as teachers: they tell what the run they were exported from tells."""

from pathlib import Path

import pytest
import torch

from blocks import SIZE, TASKS, Blocks, blocks, trained
from hydranet.annotations import ClassMap, ScalarMap
from hydranet.checkpoint.checkpoint import load_model
from hydranet.config.teacher import Teacher
from hydranet.core.batch import collate
from hydranet.core.spec import SpecError
from hydranet.distillation.leakage import check
from hydranet.distillation.pseudo_labels import started
from hydranet.distillation.teacher_model import teacher_model
from hydranet.distillation.teachers import Teachers
from hydranet.export.export import ExportPlan, export
from hydranet.export.graph import Shape
from hydranet.training.run import Run


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two tasks."""
    return trained(blocks("semantic", "depth", steps=10), tmp_path_factory.mktemp("teacher"))


@pytest.mark.parametrize("target", ["onnx", "torchscript"])
def test_a_file_tells_what_its_run_tells(teacher: Path, tmp_path: Path, target: str) -> None:
    pytest.importorskip({"onnx": "onnxruntime"}.get(target, "torch"))
    model, recipe = load_model(teacher)
    _, (path, *_) = export(model, recipe, tmp_path, ExportPlan([target], Shape(SIZE, batch=None)))
    batch = collate([Blocks(seed=5, labels=())[i] for i in range(3)])
    target = []
    for answering in (path, teacher):
        taught = Teacher(str(answering), {"semantic": "semantic", "depth": "depth"}, temperature=0.0)
        student = blocks("semantic", tasks=("semantic", "depth"), teachers=(taught,))
        run = Run(student)
        target.append(
            {
                distilled_target.task: distilled_target.target
                for distilled_target in run.teachers(batch, TASKS, run.autocast).distillation
            }
        )
        assert (check(student)[0].images == -1) == (answering is path)
    file, network = target
    assert isinstance(file["depth"], ScalarMap)
    assert isinstance(network["depth"], ScalarMap)
    torch.testing.assert_close(file["depth"].values, network["depth"].values, rtol=1e-3, atol=1e-3)
    assert isinstance(file["semantic"], ClassMap)
    assert isinstance(network["semantic"], ClassMap)
    assert (file["semantic"].ids == network["semantic"].ids).float().mean() > 0.99
    with pytest.raises(SpecError, match="tells decisions without their probabilities"):
        Teachers(blocks("semantic", teachers=(Teacher(str(path), confidence={"semantic": 0.5}),)))
    with pytest.raises(SpecError, match=r"got confidence 0.5 for 'semantic' of a teacher that is an exported file"):
        started(teacher_model(str(path), "cpu"), "blocks", path, SIZE, confidence={"semantic": 0.5})
    with pytest.raises(SpecError, match="its features are not to be had"):
        Teachers(blocks("semantic", teachers=(Teacher(str(path), features=1.0),)))
