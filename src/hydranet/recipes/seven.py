"""Seven heads from seven data sets, none of which labels more than two of the tasks: one network, one run, one file."""

from dataclasses import replace

from hydranet.balancers.start_scale import StartScale
from hydranet.config.optim import Optim
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.cascade import Cascade
from hydranet.core.spec import Part
from hydranet.datasets.bdd100k import Bdd100k
from hydranet.datasets.camvid import CLASSES, CamVid
from hydranet.datasets.culane import CuLane
from hydranet.datasets.gtsrb import CLASSES as SIGNS
from hydranet.datasets.gtsrb import MIRROR, Gtsrb
from hydranet.datasets.kitti_object import KittiObject
from hydranet.datasets.nyuv2 import NyuV2
from hydranet.datasets.scenes.dataset import Scenes
from hydranet.datasets.subset import Subset
from hydranet.models.decoders.lw_refinenet import LightWeightRefineNet
from hydranet.models.encoders.mobilenetv2 import MobileNetV2
from hydranet.models.heads.yolov8 import YoloV8
from hydranet.recipes.detectors import BDD_TO_ROAD, KITTI_TO_ROAD, ROAD_OBJECTS
from hydranet.recipes.road import CAMVID_WEIGHTS
from hydranet.recipes.signs import LIGHT
from hydranet.tasks.classification.task import Classification
from hydranet.tasks.depth.task import Depth
from hydranet.tasks.detection.task import Detection
from hydranet.tasks.edges.task import Edges
from hydranet.tasks.lanes.task import Lanes
from hydranet.tasks.normals.task import Normals
from hydranet.tasks.semantic.task import Semantic
from hydranet.transforms.augment import Augment

WIDE, TALL, CROP = (128, 416), (192, 256), (64, 64)

CANONICAL_FOCAL_PX = 225.0
"""Between the focal lengths in pixels of the network's input: 207 for NYUv2 at 256 columns, 242 for KITTI at 416."""


def seven() -> Recipe:
    """Segmentation, depth, normals, boxes, lanes, edges and traffic signs: 2.4 M parameters.

    CamVid labels classes, KITTI depth and boxes, BDD100K boxes, NYUv2 depth and normals, CULane lanes, generated scenes
    edges and normals, GTSRB signs, as crops beside the frames. A box of the class "traffic sign" is cut out and shown
    to the signs' head (a cascade), so that one file finds a sign and says which.

    Command: HYDRANET_DATA=DATA hydranet train seven
    """
    kitti = Source(
        "kitti",
        KittiObject("kitti_object", split="0-59"),
        WIDE,
        weight=1.5,
        classes={"detection": KITTI_TO_ROAD},
    )
    nyu = NyuV2("nyuv2", labels=("depth", "normals"))
    rooms = Source("nyu", Subset(nyu, "0-249"), TALL)
    bdd = Source("bdd", Subset(Bdd100k("bdd100k"), "0-59"), TALL, classes={"detection": BDD_TO_ROAD})
    culane = Source("culane", CuLane("culane", frames="0-59"), WIDE)
    edges = {"edges": "edge_strength"}
    scenes = Source(
        "scenes", Scenes(count=2000, seed=1, size=WIDE, labels=("edge_strength", "normals")), WIDE, labels=edges
    )
    signs = Source("gtsrb", Gtsrb("gtsrb"), CROP, weight=6.0, augment=LIGHT)
    held_out = Scenes(count=32, seed=99, size=WIDE, labels=("edge_strength", "normals"))
    return Recipe(
        name="seven",
        tasks=(
            Semantic("semantic", CLASSES, class_weights=CAMVID_WEIGHTS, block_px=2),
            Depth("depth", min_m=0.3, max_m=80.0, objective="log_l1", canonical_focal_px=CANONICAL_FOCAL_PX),
            Normals("normals"),
            Detection("detection", ROAD_OBJECTS, detector=YoloV8(width="xs", separable=True)),
            Lanes("lanes"),
            Edges("edges"),
            Classification("sign", SIGNS, smoothing=0.1, mirror=MIRROR, hidden=(256,), probabilities=False),
        ),
        encoder=Part(MobileNetV2, weights="imagenet"),
        decoder=Part(LightWeightRefineNet, width=128),
        data=(Source("camvid", CamVid("camvid"), TALL, weight=1.5), kitti, bdd, rooms, culane, scenes, signs),
        validation=(
            Source("camvid", CamVid("camvid", split="val"), TALL),
            replace(kitti, dataset=KittiObject("kitti_object", split="60-70")),
            replace(bdd, dataset=Subset(Bdd100k("bdd100k"), "60-69")),
            replace(rooms, dataset=Subset(nyu, "250-299")),
            replace(culane, dataset=CuLane("culane", frames="62-89")),
            replace(scenes, dataset=held_out),
            replace(signs, dataset=Gtsrb("gtsrb", split="val"), augment=None),
        ),
        cascades=(Cascade("detection", ("sign",), CROP, classes=("traffic sign",)),),
        augment=Augment(scale=(0.9, 1.6)),
        balancer=Part(StartScale),
        optim=Optim(lr=1.5e-3, factors={"encoder": 0.5}),
        steps=600,
        batch=20,
        precision="auto",
        ema=0.99,
        fixed_norm=True,
        fixed_norm_after=400,
        save_every=25,
        workers=1,
    )
