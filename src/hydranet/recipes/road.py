"""Real roads: three tasks from two data sets that share no label."""

from hydranet.balancers.uncertainty import Uncertainty
from hydranet.config.optim import Optim
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.spec import Part
from hydranet.datasets.camvid import CamVid
from hydranet.datasets.kitti_object import KittiObject
from hydranet.datasets.kitti_tracking import KittiTracking
from hydranet.models.decoders.lw_refinenet import LightWeightRefineNet
from hydranet.models.encoders.timm import Timm
from hydranet.tasks.depth.task import Depth
from hydranet.tasks.detection.task import Detection
from hydranet.tasks.semantic.task import Semantic
from hydranet.transforms.augment import Augment

KITTI_SIZE, CAMVID_SIZE, CAMVID_WHOLE = (192, 640), (288, 384), (384, 480)
OBJECTS = ("Car", "Pedestrian", "Cyclist")
CAMVID_WEIGHTS = (0.6, 0.6, 2.1, 0.6, 1.0, 0.7, 2.0, 2.0, 0.9, 2.5, 2.5)
"""sqrt(median share / share) of each class's pixels in CamVid's training frames, kept within 0.6 to 2.5."""


def road() -> Recipe:
    """Segmentation from CamVid, sparse metric depth and boxes from KITTI, in one network.

    Command: HYDRANET_DATA=DATA hydranet train road
    Two CPU cores: 58 minutes at 1.7 s per step. Scores: CamVid val mIoU .633; KITTI object 60-70 AbsRel .169, AP50 .416
    (Car .786). See docs/results.md.
    """
    camvid = CamVid("camvid", split="train")
    return Recipe(
        name="road",
        tasks=(
            Semantic("semantic", camvid.classes["semantic"], class_weights=CAMVID_WEIGHTS),
            Depth("depth", min_m=1.0, max_m=80.0, objective="log_l1"),
            Detection("detection", OBJECTS),
        ),
        encoder=Part(Timm, model="tf_efficientnet_lite0", weights="imagenet"),
        decoder=Part(LightWeightRefineNet, width=128),
        data=(
            Source("camvid", camvid, CAMVID_SIZE, weight=1.0, augment=Augment(scale=(0.9, 2.0))),
            Source("kitti", KittiObject("kitti_object", split="0-59"), KITTI_SIZE, weight=0.7),
            Source("kitti-video", KittiTracking("kitti_tracking"), KITTI_SIZE, weight=0.3),
        ),
        validation=(
            Source("camvid", CamVid("camvid", split="val"), CAMVID_WHOLE),
            Source("kitti", KittiObject("kitti_object", split="60-70"), KITTI_SIZE),
        ),
        augment=Augment(scale=(0.85, 1.6)),
        balancer=Part(Uncertainty),
        optim=Optim(lr=1.5e-3, factors={"encoder": 0.3, "balancer": 3.0}),
        steps=2000,
        batch=8,
        precision="auto",
        ema=0.998,
        save_every=50,
        evaluate_every=500,
    )
