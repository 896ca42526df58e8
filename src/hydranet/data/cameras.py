"""What the sources of a recipe say about their cameras, before anything is trained."""

import math
from collections.abc import Mapping

from hydranet.config.recipe import Recipe
from hydranet.core.sample import DataError
from hydranet.core.task import CameraTask
from hydranet.data.reader import Reader
from hydranet.transforms.augment import fit

FEW = 4
"""Samples of a source that are tried until one is not broken."""

DIFFERENT = 1.1
"""Focal lengths whose ratio is larger than this belong to different cameras: meters would be off by as much."""


def focal_lengths(recipe: Recipe) -> dict[str, float]:
    """By source of training that knows its camera, the focal length in pixels of what the network sees, letterboxed.

    Looks at one sample of each source, the first that can be read: a source is taken to be of one camera. Sources
    without a label for a task to which cameras matter are left out. Raises DataError for a broken sample of a source
    that does not skip them.
    """
    tasks = [task for task in recipe.tasks if isinstance(task, CameraTask)]
    if not tasks:
        return {}
    focal: dict[str, float] = {}
    for source in recipe.data:
        if len(source.dataset) == 0:
            raise DataError(f"source {source.name!r} has no samples; check its root and split")
        reader = Reader(source.only([task.name for task in tasks]), tasks)
        attempts = (reader.attempt(index)[0] for index in range(min(len(reader), FEW)))
        sample = next((one for one in attempts if one is not None), None)
        if sample and sample.labels and (camera := fit(sample.but(labels={}), source.size)[0].camera) is not None:
            focal[source.name] = camera.focal_px
    return focal


def usual_focal(recipe: Recipe, focal: Mapping[str, float]) -> float | None:
    """Mean over the sources, by their weights, of the focal length over the width of the input; None without any.

    focal: as `focal_lengths` gives it.
    """
    known = [source for source in recipe.data if source.name in focal]
    if not known:
        return None
    total = sum(source.weight * focal[source.name] / source.size[1] for source in known)
    return total / sum(source.weight for source in known)


def warnings(recipe: Recipe, focal: Mapping[str, float]) -> list[str]:
    """A sentence for each task that learns distances of several cameras without being told them."""
    if not focal:
        return []
    (near, shortest), *_, (far, longest) = sorted([*focal.items()] * 2, key=lambda item: item[1])
    if longest / shortest <= DIFFERENT:
        return []
    middle = math.sqrt(shortest * longest)
    return [
        f"{task.name!r} learns distances from cameras of different focal lengths ({near}: {shortest:.0f} px, {far}: "
        f"{longest:.0f} px) and cannot tell them apart, so that it will be wrong by up to their ratio; set "
        f"tasks.{task.name}.canonical_focal_px={middle:.0f}"
        for task in recipe.tasks
        if isinstance(task, CameraTask) and not task.needs_camera
    ]
