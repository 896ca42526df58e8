"""Real roads with a fourth head: drivable area, which no data set here labels, learned from a teacher's answers."""

from dataclasses import replace

from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.dataset import Dataset
from hydranet.datasets.pseudo_maps import PseudoMaps
from hydranet.recipes.road import road
from hydranet.tasks.semantic.task import Semantic

CLASSES = ("not drivable", "drivable")
TEACHER = "TwinLiteNet"
CACHES = {"camvid": "camvid", "kitti": "kitti_object", "kitti-video": "kitti_tracking"}
"""The folder of pseudo-labels for each source of the road recipe."""


def drivable() -> Recipe:
    """The road recipe's three tasks, and drivable area from pseudo-labels of TwinLiteNet (arXiv 2307.10705).

    Command: HYDRANET_DATA=DATA hydranet train drivable. Not trained yet: no scores to state. Scores of the fourth task
    are agreement with the teacher, which was trained on BDD100K; nobody labeled drivable area in these frames.
    """
    base = road()
    return replace(
        base,
        name="drivable",
        tasks=(*base.tasks, Semantic("drivable", CLASSES)),
        data=tuple(with_maps(source) for source in base.data),
        validation=tuple(with_maps(source) for source in base.validation),
    )


def with_maps(source: Source) -> Source:
    """A source of the road recipe with the teacher's maps beside its labels."""
    dataset: Dataset = PseudoMaps(
        f"drivable_pseudo/{CACHES[source.name]}",
        dataset=source.dataset,
        maps={"drivable": CLASSES},
        teacher=f"{TEACHER}, trained on BDD100K",
    )
    return replace(source, dataset=dataset)
