"""The embedded default: four heads on generated road scenes, trained on a CPU in minutes."""

from hydranet.balancers.uncertainty import Uncertainty
from hydranet.config.optim import Optim
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.spec import Part
from hydranet.datasets.scenes.dataset import Scenes
from hydranet.models.decoders.lw_refinenet import LightWeightRefineNet
from hydranet.models.encoders.mobilenetv2 import MobileNetV2
from hydranet.tasks.depth.task import Depth
from hydranet.tasks.detection.task import Detection
from hydranet.tasks.normals.task import Normals
from hydranet.tasks.semantic.task import Semantic
from hydranet.transforms.augment import Augment

SIZE = (128, 416)
DENSE, OBJECTS = ("semantic", "depth"), ("normals", "detection")


def demo() -> Recipe:
    """Segmentation, depth, normals and detection from two sources that label two tasks each.

    Command: make demo (hydranet weights get mobilenetv2; hydranet train demo --out runs/demo).
    Two CPU cores: under 5 minutes. Scores: mIoU .646, AbsRel .153, normals 15.0 degrees, AP50 .424 (car .589).
    """
    scenes = Scenes(count=2000, seed=1, size=SIZE, labels=DENSE), Scenes(count=2000, seed=2, size=SIZE, labels=OBJECTS)
    held_out = Scenes(count=64, seed=99, size=SIZE)
    return Recipe(
        name="demo",
        tasks=(
            Semantic("semantic", held_out.classes["semantic"]),
            Depth("depth", min_m=1.0, max_m=80.0, objective="log_l1"),
            Normals("normals"),
            Detection("detection", held_out.classes["detection"]),
        ),
        encoder=Part(MobileNetV2, weights="imagenet"),
        decoder=Part(LightWeightRefineNet, width=64),
        data=(Source("dense", scenes[0], SIZE), Source("objects", scenes[1], SIZE)),
        validation=(Source("held-out", held_out, SIZE),),
        augment=Augment(scale=(1.0, 1.3), noise=0.0, blur=0.0),
        balancer=Part(Uncertainty),
        optim=Optim(lr=2e-3, factors={"encoder": 0.5, "balancer": 3.0}),
        steps=480,
        batch=8,
        precision="auto",
        ema=0.99,
        save_every=120,
    )
