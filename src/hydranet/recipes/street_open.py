"""Street, for anybody: what `street` answers, learned from pictures that come without research terms."""

from collections.abc import Mapping
from dataclasses import replace

from hydranet.balancers.start_scale import StartScale
from hydranet.config.optim import Optim
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.cascade import Cascade
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
from hydranet.models.decoders.lw_refinenet import LightWeightRefineNet
from hydranet.models.encoders.timm import Timm
from hydranet.models.heads.yolov8 import YoloV8
from hydranet.recipes.detectors import CARLA, CARLA_TO_ROAD, ROAD_OBJECTS
from hydranet.recipes.drivable import CLASSES as DRIVABLE
from hydranet.recipes.street import CANONICAL_FOCAL_PX, CROP, HARD_LIGHT, TALL, TO_ROAD, WIDE
from hydranet.tasks.classification.task import Classification
from hydranet.tasks.depth.task import Depth
from hydranet.tasks.detection.task import Detection
from hydranet.tasks.edges.task import Edges
from hydranet.tasks.lanes.task import Lanes
from hydranet.tasks.normals.task import Normals
from hydranet.tasks.semantic.task import Semantic

LABELS = ("semantic", "depth", "normals", "detection", "drivable", "lanes", "edge_strength")

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
    there and in the videos (MIT), and who is on it. No picture and no label here is for research only.

    Command: benchmarks/street_open.sh DATA TEACHERS
    """
    scenes = Source(
        "scenes",
        Scenes(count=6000, seed=2, size=WIDE, labels=LABELS),
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
    )
    videos = Source(
        "videos",
        Pseudo(Folder("runs/open-frames"), "runs/open-labels/videos"),
        TALL,
        labels=SURFACE,
        classes={**SURFACE_CLASSES, "detection": {"vehicle": "vehicle", "person": "person"}},
    )
    signs = Source("signs", SceneSigns(count=20000, seed=2), CROP, weight=4.0)
    return Recipe(
        name="street_open",
        tasks=(
            Semantic("semantic", SEMANTIC, block_px=2),
            Depth("depth", min_m=0.5, max_m=100.0, objective="log_l1", canonical_focal_px=CANONICAL_FOCAL_PX),
            Normals("normals"),
            Detection("detection", ROAD_OBJECTS, detector=YoloV8(separable=True)),
            Semantic("drivable", DRIVABLE, block_px=2),
            Lanes("lanes"),
            Edges("edges"),
            Classification("sign", SIGNS, smoothing=0.1, mirror=MIRROR, hidden=(256,), probabilities=False),
        ),
        encoder=Part(Timm, model="tf_efficientnet_lite0", weights="imagenet"),
        decoder=Part(LightWeightRefineNet, width=128),
        data=(scenes, frames, videos, signs),
        validation=(
            replace(scenes, dataset=Scenes(count=32, seed=99, size=WIDE, labels=LABELS)),
            Source("carla", Subset(carla, "130-149"), TALL, classes={"detection": CARLA_TO_ROAD}),
            replace(signs, dataset=SceneSigns(count=300, seed=98)),
        ),
        cascades=(Cascade("detection", ("sign",), CROP, classes=("traffic sign",)),),
        augment=HARD_LIGHT,
        balancer=Part(StartScale),
        optim=Optim(lr=2e-3, factors={"encoder": 0.5}),
        steps=800,
        batch=20,
        precision="auto",
        ema=0.995,
        fixed_norm=True,
        fixed_norm_after=600,
        save_every=25,
        workers=1,
    )
