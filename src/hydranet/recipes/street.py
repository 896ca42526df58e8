"""Street: the network to hand out. Nine heads on one encoder, from ten sources that each label only some of them."""

from dataclasses import replace

from hydranet.balancers.uncertainty import Uncertainty
from hydranet.config.optim import Optim
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.cascade import Cascade
from hydranet.core.dataset import Dataset
from hydranet.core.spec import Part
from hydranet.datasets.bdd100k import Bdd100k
from hydranet.datasets.camvid import CLASSES, CamVid
from hydranet.datasets.culane import CuLane
from hydranet.datasets.distant import Distant
from hydranet.datasets.gtsrb import CLASSES as SIGNS
from hydranet.datasets.gtsrb import MIRROR, Gtsrb
from hydranet.datasets.idd_lite import CLASSES as REGIONS
from hydranet.datasets.idd_lite import IddLite
from hydranet.datasets.kitti_object import KittiObject
from hydranet.datasets.kitti_tracking import KittiTracking
from hydranet.datasets.nyuv2 import NyuV2
from hydranet.datasets.pseudo_maps import PseudoMaps
from hydranet.datasets.scenes.dataset import Scenes
from hydranet.datasets.subset import Subset
from hydranet.datasets.thinned import Thinned
from hydranet.datasets.voc import Voc
from hydranet.models.decoders.lw_refinenet import LightWeightRefineNet
from hydranet.models.encoders.timm import Timm
from hydranet.models.heads.yolov8 import YoloV8
from hydranet.recipes.detectors import BDD_TO_ROAD, CARLA, CARLA_TO_ROAD, KITTI_TO_ROAD, ROAD_OBJECTS
from hydranet.recipes.drivable import CLASSES as DRIVABLE
from hydranet.recipes.drivable import TEACHER
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

TALL, WIDE, CROP = (192, 288), (160, 512), (64, 64)
"""What is trained: few sizes, so that images of several sources share a batch and its BatchNorm statistics."""

CAMVID_WHOLE, IDD_WHOLE, KITTI_WHOLE, BDD_WHOLE = (288, 384), (320, 448), (320, 1056), (512, 896)
CARLA_WHOLE, CULANE_WHOLE = (288, 480), (192, 544)
"""What is scored: whole images, in which things are as large as in the zoomed crops that were trained on."""

REGION_WEIGHTS = (0.6, 2.0, 2.5, 1.15, 1.0, 0.65, 0.75)
"""sqrt(median share / share) of each class's pixels in IDD Lite's training frames, kept within 0.6 to 2.5."""

CANONICAL_FOCAL_PX = 300.0
"""KITTI's focal length in pixels of the network's input at 512 columns; scenes have 297."""

HARD_LIGHT = Augment(scale=(0.9, 2.0), brightness=0.5, contrast=0.5, saturation=0.5, noise=0.04, blur=1.5)
"""Dusk, glare and other cameras: what is trained is few streets in one light, what is asked for is any."""

CLOSER, CLOSEST = (replace(HARD_LIGHT, scale=scale) for scale in ((1.1, 2.6), (1.6, 4.0)))
"""For images whose cars are a few pixels high in the whole (closest: 1280x720): in the middle, as large as scored."""

CAMVID_FOCAL_PX, IDD_FOCAL_PX = 515.0, 270.0
"""About: neither set states its camera. Only what is far in any camera is labeled with a distance there."""

TO_ROAD = {"car": "vehicle", "van": "vehicle", "truck": "vehicle", "sign": "traffic sign"}
"""Of the scenes' boxes; a person is called so in both."""


def with_drivable(dataset: Dataset, folder: str) -> Dataset:
    """A data set with TwinLiteNet's maps of drivable area beside its labels."""
    return PseudoMaps(
        f"drivable_pseudo/{folder}",
        dataset=dataset,
        maps={"drivable": DRIVABLE},
        teacher=f"{TEACHER}, trained on BDD100K",
    )


def far_sky(dataset: Dataset) -> Dataset:
    """Its sky is farther than anything, for the head that lidar teaches nothing about the sky."""
    return Distant(dataset, label="semantic", names=("sky",))


def street() -> Recipe:
    """Segmentation twice (11 and 7 classes), depth, normals, boxes, drivable area, lanes, edges and traffic signs.

    CamVid and IDD Lite label classes, each its own; KITTI depth and boxes; BDD100K and CARLA boxes; CULane lanes; GTSRB
    signs, as crops beside the frames; NYUv2 normals; generated scenes depth, normals, boxes, lanes and edges; a teacher
    network drivable area. A box of the class "traffic sign" is cut out and shown to the signs' head, so that one file
    finds a sign and says which.

    Command: HYDRANET_DATA=DATA hydranet train street
    """
    camvid = Source("camvid", CamVid("camvid"), TALL, weight=1.5)
    idd = Source("idd", IddLite("idd_lite"), TALL, weight=1.5, labels={"semantic": None, "regions": "semantic"})
    idd_train, idd_held_out = (replace(idd, dataset=Subset(idd.dataset, frames)) for frames in ("0-919", "920-999"))
    kitti = Source("kitti", KittiObject("kitti_object"), WIDE, classes={"detection": KITTI_TO_ROAD}, augment=CLOSER)
    bdd = Source("bdd", Bdd100k("bdd100k"), TALL, classes={"detection": BDD_TO_ROAD}, augment=CLOSEST)
    carla = Source(
        "carla",
        Voc("carla_det", CARLA, "images/train", "labels/train"),
        TALL,
        weight=0.5,
        classes={"detection": CARLA_TO_ROAD},
        augment=CLOSER,
    )
    culane = Source("culane", CuLane("culane"), WIDE)
    made = ("depth", "normals", "detection", "lanes", "edge_strength")
    scenes = Source(
        "scenes",
        Thinned(Scenes(count=6000, seed=1, size=WIDE, labels=made), label="depth"),
        WIDE,
        weight=1.2,
        labels={"edges": "edge_strength"},
        classes={"detection": TO_ROAD},
    )
    nyu = Source("nyu", NyuV2("nyuv2", labels=("normals",)), TALL, weight=0.4)
    signs = Source("gtsrb", Gtsrb("gtsrb"), CROP, weight=15.0, augment=LIGHT)
    kitti_train, kitti_val = KittiObject("kitti_object", split="0-59"), KittiObject("kitti_object", split="60-70")
    return Recipe(
        name="street",
        tasks=(
            Semantic("semantic", CLASSES, class_weights=CAMVID_WEIGHTS, block_px=2),
            Semantic("regions", REGIONS, class_weights=REGION_WEIGHTS, block_px=2),
            Depth("depth", min_m=0.5, max_m=100.0, objective="log_l1", canonical_focal_px=CANONICAL_FOCAL_PX),
            Normals("normals"),
            Detection("detection", ROAD_OBJECTS, detector=YoloV8(separable=True)),
            Semantic("drivable", DRIVABLE, block_px=2),
            Lanes("lanes", least_rows=10),
            Edges("edges"),
            Classification("sign", SIGNS, smoothing=0.1, mirror=MIRROR, hidden=(256,), probabilities=False),
        ),
        encoder=Part(Timm, model="tf_efficientnet_lite0", weights="imagenet"),
        decoder=Part(LightWeightRefineNet, width=128),
        data=(
            replace(camvid, dataset=far_sky(with_drivable(camvid.dataset, "camvid")), focal_px=CAMVID_FOCAL_PX),
            replace(idd_train, dataset=far_sky(idd_train.dataset), focal_px=IDD_FOCAL_PX),
            replace(kitti, dataset=with_drivable(kitti_train, "kitti_object"), weight=1.5),
            Source(
                "kitti-video",
                with_drivable(KittiTracking("kitti_tracking"), "kitti_tracking"),
                WIDE,
                weight=0.4,
                classes={"detection": KITTI_TO_ROAD},
                augment=CLOSER,
            ),
            replace(bdd, dataset=with_drivable(Subset(bdd.dataset, "0-59"), "bdd100k")),
            replace(carla, dataset=Subset(carla.dataset, "0-129")),
            replace(culane, dataset=with_drivable(CuLane("culane", frames="0-59"), "culane")),
            scenes,
            nyu,
            signs,
        ),
        validation=(
            replace(camvid, dataset=CamVid("camvid", split="val"), size=CAMVID_WHOLE),
            replace(idd_held_out, size=IDD_WHOLE),
            replace(kitti, dataset=kitti_val, size=KITTI_WHOLE),
            replace(bdd, dataset=Subset(bdd.dataset, "60-69"), size=BDD_WHOLE),
            replace(carla, dataset=Subset(carla.dataset, "130-149"), size=CARLA_WHOLE),
            replace(culane, dataset=CuLane("culane", frames="62-89"), size=CULANE_WHOLE),
            replace(scenes, dataset=Scenes(count=32, seed=99, size=WIDE, labels=made)),
            replace(signs, dataset=Gtsrb("gtsrb", split="val"), augment=None),
        ),
        cascades=(Cascade("detection", ("sign",), CROP, classes=("traffic sign",)),),
        augment=HARD_LIGHT,
        balancer=Part(Uncertainty),
        optim=Optim(lr=1.5e-3, factors={"encoder": 0.4, "balancer": 3.0}),
        steps=1700,
        batch=30,
        precision="auto",
        ema=0.998,
        fixed_norm=True,
        fixed_norm_after=1200,
        save_every=25,
        workers=1,
    )
