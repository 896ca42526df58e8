"""The embedded default: four heads on generated road scenes, trained on a CPU in minutes."""

from hydranet.augment.policy import Augment
from hydranet.core.spec import Part
from hydranet.datasets.scenes.dataset import Scenes
from hydranet.decoders.lw_refinenet import LightWeightRefineNet
from hydranet.encoders.mobilenetv2 import MobileNetV2
from hydranet.recipe import Optim, Recipe, Source
from hydranet.tasks.depth.task import Depth
from hydranet.tasks.detection.task import Detection
from hydranet.tasks.normals.task import Normals
from hydranet.tasks.semantic.task import Semantic

SIZE = (128, 416)
DENSE, OBJECTS = ("semantic", "depth"), ("normals", "detection")


def demo() -> Recipe:
    """Segmentation, depth, normals and detection from two sources that label two tasks each.

    Command: make demo (hydranet train demo --out runs/demo).
    """
    scenes = Scenes(count=2000, seed=1, size=SIZE, labels=DENSE), Scenes(count=2000, seed=2, size=SIZE, labels=OBJECTS)
    held_out = Scenes(count=64, seed=99, size=SIZE)
    return Recipe(
        name="demo",
        tasks=(
            Semantic("semantic", held_out.classes["semantic"]),
            Depth("depth", min_m=1.0, max_m=80.0),
            Normals("normals"),
            Detection("detection", held_out.classes["detection"]),
        ),
        encoder=Part(MobileNetV2, weights=None),
        decoder=Part(LightWeightRefineNet, width=64),
        data=(Source("dense", scenes[0], SIZE), Source("objects", scenes[1], SIZE)),
        validation=(Source("held-out", held_out, SIZE),),
        augment=Augment(scale=(1.0, 1.3), noise=0.0, blur=0.0),
        optim=Optim(lr=3e-3, factors={}),
        steps=300,
        batch=8,
        precision="bf16",
        ema=0.98,
        save_every=100,
    )
