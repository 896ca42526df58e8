"""One network for rooms and for streets: classes of both, and metric depth of both ranges (arXiv 1809.04766, IV-D)."""

from dataclasses import replace

from hydranet.balancers.start_scale import StartScale
from hydranet.config.optim import Optim
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.spec import Part
from hydranet.datasets.camvid import CamVid
from hydranet.datasets.kitti_object import KittiObject
from hydranet.datasets.kitti_tracking import KittiTracking
from hydranet.datasets.nyuv2 import NyuV2
from hydranet.datasets.subset import Subset
from hydranet.models.decoders.lw_refinenet import LightWeightRefineNet
from hydranet.models.encoders.mobilenetv2 import MobileNetV2
from hydranet.tasks.depth.task import Depth
from hydranet.tasks.semantic.task import Semantic
from hydranet.transforms.augment import Augment

ROOM_SIZE, STREET_SIZE, CAMVID_SIZE = (192, 256), (128, 416), (192, 256)

CANONICAL_FOCAL_PX = 225.0
"""Between the focal lengths in pixels of the network's input: 207 for NYUv2 at 256 columns, 242 for KITTI at 416."""

STREET_CLASSES = ("sky", "building", "road", "pavement", "vegetation", "object")
TO_STREET: dict[str, str | None] = {
    "tree": "vegetation",
    "pole": "building",
    "sign": "building",
    "fence": "building",
    "car": "object",
    "pedestrian": "object",
    "bicyclist": "object",
}


def two_worlds() -> Recipe:
    """40 classes of rooms, 6 of streets, and depth from 0.3 to 80 m, in one network of 3.1 M parameters.

    Three data sets of three cameras: NYUv2 has classes of rooms and depth, CamVid classes of streets, KITTI depth. Each
    list of classes has a head of its own: in one softmax over all 46, each data set would push the classes of the other
    down. Depth is learned in a canonical focal length, so that both cameras agree on what a meter looks like.

    Command: HYDRANET_DATA=DATA hydranet train two_worlds (scores in docs/results.md)
    """
    nyu = NyuV2("nyuv2", labels=("semantic", "depth"))
    rooms = Source("nyu", Subset(nyu, "0-249"), ROOM_SIZE, weight=2.0, labels={"rooms": "semantic"})
    named = Source(
        "camvid", CamVid("camvid"), CAMVID_SIZE, labels={"streets": "semantic"}, classes={"streets": TO_STREET}
    )
    far = Source("kitti", KittiObject("kitti_object", split="0-59", labels=("depth",)), STREET_SIZE, weight=0.7)
    return Recipe(
        name="two_worlds",
        tasks=(
            Semantic("rooms", nyu.classes["semantic"]),
            Semantic("streets", STREET_CLASSES),
            Depth("depth", min_m=0.3, max_m=80.0, objective="log_l1", canonical_focal_px=CANONICAL_FOCAL_PX),
        ),
        encoder=Part(MobileNetV2, weights="imagenet"),
        decoder=Part(LightWeightRefineNet),
        data=(
            rooms,
            named,
            far,
            Source("kitti-video", KittiTracking("kitti_tracking", labels=("depth",)), STREET_SIZE, weight=0.3),
        ),
        validation=(
            replace(rooms, dataset=Subset(nyu, "250-299")),
            replace(named, dataset=CamVid("camvid", split="val")),
            replace(far, dataset=KittiObject("kitti_object", split="60-70", labels=("depth",))),
        ),
        augment=Augment(scale=(0.9, 1.6)),
        balancer=Part(StartScale),
        optim=Optim(lr=1.5e-3, factors={"encoder": 0.3}),
        steps=600,
        batch=8,
        precision="auto",
        ema=0.995,
        fixed_norm=True,
        fixed_norm_after=400,
        save_every=50,
    )
