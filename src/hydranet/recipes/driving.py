"""Detection, lanes and traffic signs on a ResNet-50: three data sets of very unequal size, in one network."""

import torch

from hydranet.balancers.static import Static
from hydranet.config.optim import Optim
from hydranet.config.recipe import Recipe
from hydranet.config.schedule import Cosine
from hydranet.config.source import Source
from hydranet.core.spec import Part
from hydranet.datasets.culane import CuLane
from hydranet.datasets.gtsrb import CLASSES as SIGNS
from hydranet.datasets.gtsrb import MIRROR, Gtsrb
from hydranet.datasets.kitti_object import KittiObject
from hydranet.models.decoders.lw_refinenet import LightWeightRefineNet
from hydranet.models.encoders.timm import Timm
from hydranet.models.heads.faster_rcnn import TwoStage
from hydranet.tasks.classification.task import Classification
from hydranet.tasks.detection.task import Detection
from hydranet.tasks.lanes.task import Lanes
from hydranet.transforms.augment import Augment

FRAME, CROP = (192, 640), (64, 64)

OBJECTS = ("Car", "Van", "Truck", "Pedestrian", "Person_sitting", "Cyclist", "Tram")
"""KITTI's seven classes; Misc and DontCare are ignored regions."""

WEIGHTS = {"detection": 1.0, "lanes": 5.0, "sign": 30.0}
"""Of the losses, by hand: `hydranet train driving balancer.weights.sign=10` changes one."""

SHARES = {"kitti": 78.0, "culane": 12.0, "gtsrb": 10.0}
"""How often each source is drawn. GTSRB has .8 % of the three data sets' images; drawn as rarely as that, its head
would see one crop in fifteen steps of eight images."""


def driving() -> Recipe:
    """A two-stage detector (7 KITTI classes), U-Net lanes and 43 signs, on a ResNet-50.

    The signs' head reads crops of 64x64, the others frames of 192x640, in the same steps. Other ways to weigh the
    tasks are one word: `balancer=uncertainty`, `balancer=gradnorm`, `balancer=mgda`; `Curriculum` lets tasks in one
    after the other. `encoder.weights=imagenet` takes timm's weights where its hub can be reached; without them the
    encoder begins at random.

    Command: HYDRANET_DATA=DATA hydranet train driving
    """
    detector = TwoStage(stride=8, rpn_width=512, width=1024, proposals=300)
    kitti = Source("kitti", KittiObject("kitti_object", split="0-59", labels=("detection",)), FRAME, SHARES["kitti"])
    culane = Source("culane", CuLane("culane", frames="0-69"), FRAME, SHARES["culane"])
    gtsrb = Source("gtsrb", Gtsrb("gtsrb"), CROP, SHARES["gtsrb"], augment=_on_crops())
    return Recipe(
        name="driving",
        tasks=(
            Detection("detection", OBJECTS, detector=detector, extra_metrics=("kitti",)),
            Lanes("lanes", branch="unet", stride=1, reads="encoder"),
            Classification("sign", SIGNS, mirror=MIRROR, hidden=(1024, 512), dropout=0.5),
        ),
        encoder=Part(Timm, model="resnet50", weights=None),
        decoder=Part(LightWeightRefineNet),
        data=(kitti, culane, gtsrb),
        validation=(
            Source("kitti", KittiObject("kitti_object", split="60-70", labels=("detection",)), FRAME),
            Source("culane", CuLane("culane", frames="70-89"), FRAME),
            Source("gtsrb", Gtsrb("gtsrb", split="val"), CROP),
        ),
        augment=Augment(scale=(0.9, 1.6), rotate_rad=0.05, noise=0.03),
        balancer=Part(Static, weights=WEIGHTS),
        optim=Optim(lr=3e-4, factors={}, algorithm=Part(torch.optim.Adam)),
        schedule=Cosine(),
        steps=4000,
        batch=16,
        precision="auto",
        ema=0.998,
        save_every=100,
    )


def _on_crops() -> Augment:
    """Flips happen only where the flipped sign has a class (`Tag.mirror`)."""
    return Augment(scale=(0.8, 1.2), rotate_rad=0.25, brightness=0.5, contrast=0.5, noise=0.08, blur=1.5)
