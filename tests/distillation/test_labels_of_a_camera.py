"""Labels that depend on the camera are those of the camera that is said now."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from blocks import SIZE, Blocks, blocks, trained
from hydranet.annotations import ScalarMap
from hydranet.checkpoint.checkpoint import load_model
from hydranet.core.sample import DataError
from hydranet.datasets.pseudo import Pseudo
from hydranet.distillation.pseudo_labels import Progress, label, started
from hydranet.distillation.teacher_model import teacher_model
from hydranet.export.export import ExportPlan, export
from hydranet.export.graph import Shape
from hydranet.tasks.depth.task import Depth


def run(folder: Path, canonical_focal_px: float | None) -> Path:
    """A network of one head for depth."""
    recipe = blocks("depth")
    (task,) = recipe.tasks
    assert isinstance(task, Depth)
    wide = replace(task, min_m=1e-3, max_m=1e4, canonical_focal_px=canonical_focal_px)
    sources = tuple(replace(one, focal_px=50.0) for one in recipe.data)
    held_out = tuple(replace(one, focal_px=50.0) for one in recipe.validation)
    return trained(replace(recipe, tasks=(wide,), data=sources, validation=held_out), folder)


def cached(teacher: Path, folder: Path, focal_px: float) -> Progress:
    speaker = teacher_model(str(teacher), "cpu")
    images = Blocks(count=3, seed=7, labels=())
    return list(label(speaker, images, started(speaker, "far", teacher, SIZE), folder, focal_px=focal_px))[-1]


def meters(folder: Path) -> np.ndarray:
    depth = Pseudo(Blocks(count=3, seed=7, labels=()), str(folder))[1].labels["depth"]
    assert isinstance(depth, ScalarMap)
    return depth.values


def test_another_focal_length_labels_again(tmp_path: Path) -> None:
    teacher, folder = run(tmp_path / "run", 50.0), tmp_path / "cache"
    assert cached(teacher, folder, 40.0).labeled == 3
    near = meters(folder)
    again = cached(teacher, folder, 40.0)
    assert (again.labeled, again.skipped) == (0, 3)
    twice = cached(teacher, folder, 80.0)
    assert (twice.labeled, twice.skipped) == (3, 0)
    assert meters(folder) == pytest.approx(2 * near, abs=1.5 / 256)


def test_a_teacher_that_needs_no_camera_keeps_its_labels(tmp_path: Path) -> None:
    teacher, folder = run(tmp_path / "run", None), tmp_path / "cache"
    assert cached(teacher, folder, 40.0).labeled == 3
    assert cached(teacher, folder, 80.0).skipped == 3


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tmp_path_factory.mktemp("run"), 50.0)


def exported(teacher: Path, folder: Path, focal_px: float | None = None) -> Path:
    """The teacher as an ONNX file."""
    pytest.importorskip("onnxscript")
    model, recipe = load_model(teacher)
    plan = ExportPlan(["onnx"], Shape(SIZE, batch=None, focal_px=focal_px))
    _, paths = export(model, recipe, folder, plan, name="far")
    return next(path for path in paths if path.suffix == ".onnx")


@pytest.mark.parametrize("focal_px", [40.0, 80.0])
def test_an_exported_file_is_told_the_camera(teacher: Path, focal_px: float, tmp_path: Path) -> None:
    file = exported(teacher, tmp_path / "export")
    assert cached(file, tmp_path / "file", focal_px).labeled == 3
    cached(teacher, tmp_path / "run", focal_px)
    assert meters(tmp_path / "file") == pytest.approx(meters(tmp_path / "run"), rel=1e-3, abs=1.5 / 256)


def test_a_file_of_one_camera_labels_no_images_of_another(teacher: Path, tmp_path: Path) -> None:
    file = exported(teacher, tmp_path / "export", 80.0)
    with pytest.raises(DataError, match=r"was made for a focal length of 80 px alone, got an image with 40 px"):
        cached(file, tmp_path / "wrong", 40.0)
    assert cached(file, tmp_path / "right", 80.0).labeled == 3
