"""A trained network as a function of an image."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hydranet.annotations import Annotation
from hydranet.checkpoint.checkpoint import load_model
from hydranet.config.recipe import Recipe
from hydranet.core.sample import Sample
from hydranet.core.spec import SpecError
from hydranet.deploy.predictor import check_share, checked
from hydranet.evaluation.evaluate import predict_batch
from hydranet.postprocess.nms import above


class Predictor:
    """(uint8 h w 3 RGB image) -> {task: annotation} in the image's own pixels and in meters.

    path:      a run folder or a model file.    heads: tasks to compute; the others cost nothing.
    size:      height and width the network sees; default: the training size whose shape is nearest to the image's.
    threshold: boxes and lines below this score are left out; default: that of each task (`Task.score_threshold`). Also
               an argument of every call.
    The same without torch, for exported files: `hydranet.deploy.predictor`; both fit images and bring answers back
    by the same functions.
    """

    def __init__(
        self,
        path: Path | str,
        heads: Sequence[str] | None = None,
        *,
        size: tuple[int, int] | None = None,
        threshold: float | None = None,
        device: str = "cpu",
    ) -> None:
        self.size, self.threshold = size, check_share(threshold, "threshold")
        model, self.recipe = load_model(path)
        self.model = (model.subset(*dict.fromkeys(heads)) if heads else model).to(device)

    @property
    def classes(self) -> dict[str, tuple[str, ...]]:
        """Class names of each task; empty for tasks without classes."""
        return {name: task.classes for name, task in self.model.tasks.items()}

    def __call__(self, image: np.ndarray, threshold: float | None = None) -> dict[str, Annotation]:
        """Raises ValueError for anything but an RGB image, PredictorError for a threshold that is not from 0 to 1."""
        size = self.size or nearest_size(self.recipe, checked(image).shape[:2])
        predictions = predict_batch(self.model, [Sample(image)], size)[0]
        least = self.threshold if threshold is None else check_share(threshold, "threshold")
        tasks = self.model.tasks
        return {
            name: above(one, tasks[name].score_threshold if least is None else least)
            for name, one in predictions.items()
        }


def nearest_size(recipe: Recipe, size: Sequence[int]) -> tuple[int, int]:
    """The input size of the recipe whose aspect ratio is nearest to the image's."""
    sizes = [source.size for source in (*recipe.validation, *recipe.data)]
    wanted = np.log(size[0] / size[1])
    return min(sizes, key=lambda s: abs(np.log(s[0] / s[1]) - wanted))


def parse_size(text: str, multiple: int = 32) -> tuple[int, int] | None:
    """ "192x640" as (192, 640); None for an empty text. Raises SpecError for anything else."""
    if not text:
        return None
    height, cross, width = text.lower().partition("x")
    sides = [int(side) if side.isdecimal() else 0 for side in (height, width)]
    if not cross or any(side <= 0 or side % multiple for side in sides):
        whole = f" in multiples of {multiple}" if multiple > 1 else ""
        raise SpecError(f"got size {text!r}, expected HEIGHTxWIDTH{whole}, such as 192x640")
    return sides[0], sides[1]
