"""Street, for anybody: what `street` answers, learned from images that come without research terms."""

from collections.abc import Mapping
from dataclasses import replace

from hydranet.balancers.start_scale import StartScale
from hydranet.config.optim import Optim
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.spec import Part
from hydranet.datasets.folder import Folder
from hydranet.datasets.pseudo import Pseudo
from hydranet.datasets.scenes.classes import SEMANTIC
from hydranet.datasets.scenes.crops import SceneSigns
from hydranet.datasets.scenes.dataset import Scenes
from hydranet.datasets.scenes.signs import CLASSES as SIGNS
from hydranet.datasets.scenes.signs import MIRROR
from hydranet.datasets.subset import Subset
from hydranet.datasets.voc import Voc
from hydranet.recipes.detectors import CARLA, CARLA_TO_ROAD
from hydranet.recipes.street import CARLA_WHOLE, CLOSER, CROP, TALL, TO_ROAD, WIDE, far_sky, street
from hydranet.tasks.classification.task import Classification
from hydranet.tasks.semantic.task import Semantic

LABELS = ("semantic", "depth", "normals", "detection", "drivable", "lanes", "edge_strength")

SCENES_WHOLE = (192, 640)
"""A little larger than what is trained, where scenes are cropped and magnified."""

SURFACE = {"semantic": "surface", "drivable": "surface"}
"""One map of the teacher teaches two tasks: what is road, and where one may drive."""

SURFACE_CLASSES: Mapping[str, Mapping[str, str | None]] = {
    "semantic": {"road": "road", "mark": "lane marking", "curb": None, "other": None},
    "drivable": {"road": "drivable", "mark": "drivable", "curb": "not drivable", "other": "not drivable"},
}

OWN_LANE = {"own lane": "drivable", "other lane": "drivable", "none": "not drivable"}


def street_open() -> Recipe:
    """Eight heads from generated scenes, rendered frames and videos under MIT, and two permissive teachers.

    Scenes label everything. CARLA's frames (MIT) have boxes; Open Model Zoo's networks (Apache-2.0) say what is road
    there and in the videos (MIT), and who is on it. No image and no label here is for research only.

    Command: benchmarks/street_open.sh DATA TEACHERS
    """
    scenes = Source(
        "scenes",
        far_sky(Scenes(count=6000, seed=2, size=WIDE, labels=LABELS)),
        WIDE,
        weight=2.0,
        labels={"edges": "edge_strength"},
        classes={"detection": TO_ROAD, "drivable": OWN_LANE},
    )
    carla = Voc("carla_det", CARLA, "images/train", "labels/train")
    frames = Source(
        "carla",
        Pseudo(Subset(carla, "0-129"), "runs/open-labels/carla"),
        TALL,
        labels=SURFACE,
        classes={**SURFACE_CLASSES, "detection": CARLA_TO_ROAD},
        augment=CLOSER,
    )
    videos = Source(
        "videos",
        Pseudo(Folder("runs/open-frames"), "runs/open-labels/videos"),
        TALL,
        labels=SURFACE,
        classes={**SURFACE_CLASSES, "detection": {"vehicle": "vehicle", "person": "person"}},
    )
    signs = Source("signs", SceneSigns(count=20000, seed=2), CROP, weight=4.0)
    base = street()
    tasks = {task.name: task for task in base.tasks}
    kept = ("depth", "normals", "detection", "drivable", "lanes", "edges")
    return replace(
        base,
        name="street_open",
        tasks=(
            Semantic("semantic", SEMANTIC, block_px=2),
            *(tasks[name] for name in kept),
            Classification("sign", SIGNS, smoothing=0.1, mirror=MIRROR, hidden=(256,), probabilities=False),
        ),
        data=(scenes, frames, videos, signs),
        validation=(
            replace(scenes, dataset=Scenes(count=32, seed=99, size=SCENES_WHOLE, labels=LABELS), size=SCENES_WHOLE),
            Source("carla", Subset(carla, "130-149"), CARLA_WHOLE, classes={"detection": CARLA_TO_ROAD}),
            replace(signs, dataset=SceneSigns(count=300, seed=98)),
        ),
        balancer=Part(StartScale),
        optim=Optim(lr=2e-3, factors={"encoder": 0.5}),
        steps=800,
        batch=20,
        ema=0.995,
        fixed_norm_after=600,
    )
