"""What any task of the package answers can be written by `hydranet label`, read back, and taken by its loss."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from export_toys import SIZE, every_recipe, pictures, shaken
from hydranet.annotations import Boxes, Keypoints, Polylines, given
from hydranet.checkpoint import checkpoint
from hydranet.config.teacher import Teacher
from hydranet.core.batch import collate
from hydranet.core.sample import Camera, Sample
from hydranet.core.task import to_numpy
from hydranet.datasets.pseudo import Pseudo
from hydranet.distillation.pseudo_labels import label, started
from hydranet.distillation.teacher_model import teacher_model
from hydranet.distillation.teachers import Teachers
from hydranet.export.export import ExportPlan, export
from hydranet.export.graph import Shape
from hydranet.postprocess.padding import unpadded
from hydranet.tasks.detection.task import Detection
from hydranet.training.losses import losses_of
from toys import Noise


class Frames(Noise):
    """Images without labels, with a camera."""

    def __getitem__(self, index: int) -> Sample:
        return Sample(pictures(self.count, SIZE)[index], camera=Camera.centered(50.0, SIZE), key=str(index))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, recipe = tmp_path_factory.mktemp("run"), every_recipe()
    checkpoint.save_model(folder, shaken(recipe.build()), recipe)
    return folder


def test_labels_of_every_task_come_back_and_are_taken(run: Path, tmp_path: Path) -> None:
    recipe, teacher = every_recipe(), teacher_model(str(run), "cpu")
    index = started(teacher, "toy", run, SIZE)
    (*_, done) = label(teacher, Frames(count=2), index, tmp_path)
    assert (done.labeled, done.broken) == (2, ())
    samples = [Pseudo(Frames(count=2), str(tmp_path))[i] for i in range(2)]
    for task in recipe.tasks:
        for sample in samples:
            task.check(sample.labels[task.name])
            read = sample.labels[task.name]
            assert isinstance(read, Boxes | Polylines | Keypoints) or any(np.size(one) for one in given(read).values())
    model = recipe.build()
    batch = collate(samples)
    losses = losses_of(model, model(batch.image.float() / 255), batch)
    assert set(losses) == {task.name for task in recipe.tasks}
    found_nothing = {name for name, one in batch.labels.items() if isinstance(one, Boxes | Polylines | Keypoints)}
    assert all(loss.count > 0 for name, loss in losses.items() if name not in found_nothing), losses


@pytest.mark.parametrize("of", ["run", "file"])
def test_a_confidence_of_0_keeps_every_box_and_no_confidence_is_the_teachers_own(tmp_path: Path, of: str) -> None:
    task = Detection("cars", ("car",), reads="encoder", pre_nms_topk=40, max_detections=20, score_threshold=0.9)
    recipe = replace(every_recipe(), tasks=(task,))
    run = path = tmp_path / "run"
    checkpoint.save_model(run, shaken(recipe.build()), recipe)
    if of == "file":
        pytest.importorskip("onnxruntime")
        _, (path,) = export(*checkpoint.load_model(run), tmp_path / "export", ExportPlan(["onnx"], Shape(SIZE)))
    teacher = teacher_model(str(path), "cpu")
    labels: dict[str, list[Boxes]] = {}
    for name, confidence in (("own", {}), ("all", {"cars": 0.0})):
        index = started(teacher, "toy", path, SIZE, confidence=confidence)
        assert index.labels["cars"].confidence == confidence.get("cars", 0.9)
        assert [one.labeled for one in label(teacher, Frames(count=2), index, tmp_path / name, batch=1)][-1] == 2
        labels[name] = [Pseudo(Frames(count=2), str(tmp_path / name))[i].labels["cars"] for i in range(2)]
    batch = collate([Frames(count=1)[0]])
    for confidence in ({}, {"cars": 0.0}):
        online = Teachers(replace(recipe, teachers=(Teacher(str(path), confidence=confidence),)))
        (target,) = online(batch, {"cars"}, nullcontext).distillation
        assert target.least == confidence.get("cars", 0.9)
        assert target.target is not None
        assert (unpadded(to_numpy(target.target, 0)).xyxy.size > 0) == bool(confidence)
    for own, every in zip(labels["own"], labels["all"], strict=True):
        assert len(own.xyxy) == 0  # nothing of this network reaches half of 0.9
        assert len(every.xyxy) > 0
        assert not every.ignore.any()
