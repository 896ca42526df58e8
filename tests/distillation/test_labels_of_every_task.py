"""What any task of the package answers can be written by `hydranet label`, read back, and taken by its loss."""

from pathlib import Path

import numpy as np
import pytest

from export_toys import SIZE, every_recipe, pictures, shaken
from hydranet.annotations import Boxes, Keypoints, Polylines, given
from hydranet.checkpoint import checkpoint
from hydranet.core.batch import collate
from hydranet.core.sample import Camera, Sample
from hydranet.datasets.pseudo import Pseudo
from hydranet.distillation.pseudo_labels import label, started
from hydranet.distillation.teacher_model import teacher_model
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
