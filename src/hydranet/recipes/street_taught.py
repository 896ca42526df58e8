"""Street with a teacher for boxes: cars and persons in the images of the sets that label none."""

from dataclasses import replace

from hydranet.balancers.static import Static
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.spec import Part
from hydranet.datasets.pseudo import Pseudo
from hydranet.datasets.subset import Subset
from hydranet.recipes.street import HARD_LIGHT, KITTI_WHOLE, street
from hydranet.tasks.depth.task import Depth

LEAST = {"camvid": 0.5, "idd": 0.6, "culane": 0.5}
"""Least score of a teacher's box by source; below it, neither object nor background. It errs more in IDD."""

WEIGHTS = {
    "camvid": 3.0,
    "idd": 3.5,
    "kitti": 2.2,
    "kitti-video": 0.6,
    "bdd": 2.0,
    "culane": 0.9,
    "scenes": 1.0,
    "nyu": 0.3,
    "gtsrb": 9.0,
}
"""Shares of the sources once scenes have taught what only they label: more of what is scored on real streets."""

DUSK, DUSK_WEIGHT = "0-61", 1.5
"""CamVid's frames of the one drive in low light, a sixth of all: they come once more, as a source of their own."""

TASK_WEIGHTS = {
    "semantic": 1.8,
    "regions": 1.5,
    "depth": 6.0,
    "normals": 1.5,
    "detection": 0.45,
    "drivable": 2.0,
    "lanes": 1.0,
    "edges": 1.2,
    "sign": 0.5,
}
"""About what `Uncertainty` had learned, but for depth (2.3), regions (1.1) and semantic (1.2), which even training
images show are not fitted yet: AbsRel .15, mIoU .57 and .60 there."""


AS_SCORED = {"kitti": (0.65, 1.6), "kitti-video": (0.65, 1.6), "bdd": (0.9, 1.6)}
"""Zoom by source whose frames are trained as large and as wide as they are scored: only in a whole frame does the place
of a piece of road say how far it is, and a network that met crops alone errs most at the lower edge."""


def street_taught() -> Recipe:
    """The recipe `street`, where CamVid, IDD and CULane have boxes of Open Model Zoo's crossroad detector (Apache-2.0).

    KITTI and BDD100K come in whole frames or wide strips of them, and depth is trained for AbsRel itself.

    Command: benchmarks/street_labels.sh DATA TEACHERS; HYDRANET_DATA=DATA hydranet train street_taught start=street
    fixed_norm_after=0 optim.lr=1e-3 (scores: docs/results.md)
    """
    base = street()
    tasks = tuple(replace(task, objective="abs_rel") if isinstance(task, Depth) else task for task in base.tasks)
    weighted = (replace(source, weight=WEIGHTS.get(source.name, source.weight)) for source in base.data)
    data = tuple(_taught(_as_scored(source)) for source in weighted)
    camvid = next(source for source in data if source.name == "camvid")
    dusk = replace(camvid, name="camvid-dusk", dataset=Subset(camvid.dataset, DUSK), weight=DUSK_WEIGHT)
    return replace(
        base, name="street_taught", tasks=tasks, data=(*data, dusk), balancer=Part(Static, weights=TASK_WEIGHTS)
    )


def _as_scored(source: Source) -> Source:
    if source.name not in AS_SCORED:
        return source
    return replace(source, size=KITTI_WHOLE, augment=replace(HARD_LIGHT, scale=AS_SCORED[source.name]))


def _taught(source: Source) -> Source:
    if source.name not in LEAST:
        return source
    boxes = Pseudo(
        source.dataset,
        f"runs/street-labels/{source.name}",
        labels={"detection": "detection"},
        confidence={"detection": LEAST[source.name]},
    )
    names = {"vehicle": "vehicle", "person": "person"}
    return replace(source, dataset=boxes, classes={**source.classes, "detection": names})
