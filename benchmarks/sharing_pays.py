"""Recipes of the question that sharing stands or falls with: is one network as good as one network per task?

    HYDRANET_DATA=DATA hydranet retention benchmarks/sharing_pays.py:real seed=0..2 --equal compute
    hydranet retention benchmarks/sharing_pays.py:made seed=0..2 --equal compute

Small images and a small network, so that three seeds fit into an hour or two of one core. `hydranet retention` trains
each task alone, and all of them in one network for as many steps as the single ones have together.
"""

from dataclasses import replace

from hydranet.balancers.start_scale import StartScale
from hydranet.config.optim import Optim
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.spec import Part
from hydranet.datasets.camvid import CamVid
from hydranet.datasets.kitti_object import KittiObject
from hydranet.datasets.kitti_tracking import KittiTracking
from hydranet.datasets.scenes.dataset import Scenes
from hydranet.models.decoders.lw_refinenet import LightWeightRefineNet
from hydranet.models.encoders.mobilenetv2 import MobileNetV2
from hydranet.models.sharing.hard import HardSharing
from hydranet.models.sharing.split import SplitDecoders
from hydranet.recipes.detectors import KITTI_TO_ROAD
from hydranet.recipes.road import CAMVID_WEIGHTS
from hydranet.tasks.depth.task import Depth
from hydranet.tasks.detection.task import Detection
from hydranet.tasks.normals.task import Normals
from hydranet.tasks.semantic.task import Semantic
from hydranet.transforms.augment import Augment

TALL, WIDE = (144, 192), (96, 320)
VEHICLES = {name: as_road for name, as_road in KITTI_TO_ROAD.items() if as_road == "vehicle"}
"""Persons and cyclists are ignored: they are few, and a few pixels wide in images of this size."""


def real() -> Recipe:
    """CamVid labels classes, KITTI depth and boxes: no image has all three. Each task has a decoder of its own."""
    camvid = CamVid("camvid")
    kitti = Source("kitti", KittiObject("kitti_object", split="0-44"), WIDE, classes={"detection": VEHICLES})
    video = Source("kitti-video", KittiTracking("kitti_tracking"), WIDE, classes={"detection": VEHICLES})
    return Recipe(
        name="sharing-real",
        tasks=(
            Semantic("semantic", camvid.classes["semantic"], class_weights=CAMVID_WEIGHTS),
            Depth("depth", min_m=1.0, max_m=80.0, objective="log_l1"),
            Detection("detection", ("vehicle",)),
        ),
        encoder=Part(MobileNetV2, weights="imagenet"),
        decoder=Part(LightWeightRefineNet, width=64),
        sharing=Part(SplitDecoders),
        data=(
            Source("camvid", camvid, TALL, augment=Augment(scale=(0.9, 2.0))),
            replace(kitti, weight=0.7),
            replace(video, weight=0.3),
        ),
        validation=(
            Source("camvid", CamVid("camvid", split="val"), TALL),
            replace(kitti, dataset=KittiObject("kitti_object", split="45-70")),
        ),
        balancer=Part(StartScale),
        optim=Optim(lr=2e-3, factors={"encoder": 0.5}),
        steps=600,
        batch=8,
        precision="auto",
        ema=0.98,
        fixed_norm=True,
        fixed_norm_after=200,
        evaluate_every=150,
        save_every=50,
        workers=1,
    )


def made() -> Recipe:
    """Generated scenes, of which one half is labeled with classes and boxes, the other with depth and normals."""
    labels = (("semantic", "detection"), ("depth", "normals"))
    scenes = Scenes(count=2000, seed=1, size=WIDE)
    return replace(
        real(),
        name="sharing-made",
        sharing=Part(HardSharing),
        steps=500,
        fixed_norm_after=0,
        evaluate_every=125,
        tasks=(
            Semantic("semantic", scenes.classes["semantic"]),
            Depth("depth", min_m=1.0, max_m=80.0, objective="log_l1"),
            Normals("normals"),
            Detection("detection", scenes.classes["detection"]),
        ),
        data=tuple(
            Source(f"scenes-{kinds[0]}", Scenes(count=2000, seed=seed, size=WIDE, labels=kinds), WIDE)
            for seed, kinds in enumerate(labels, start=1)
        ),
        validation=(Source("held-out", Scenes(count=64, seed=99, size=WIDE), WIDE),),
    )
