"""Edges of generated road scenes."""

from hydranet.config.optim import Optim
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.spec import Part
from hydranet.datasets.scenes.dataset import Scenes
from hydranet.models.decoders.lw_refinenet import LightWeightRefineNet
from hydranet.models.encoders.mobilenetv2 import MobileNetV2
from hydranet.tasks.edges.task import Edges
from hydranet.transforms.augment import Augment

SIZE = (128, 416)
LABEL = "edge_strength"


def edges() -> Recipe:
    """Where one surface, object or class ends and another begins.

    Command: hydranet train edges
    """
    scenes = Scenes(count=2000, seed=1, size=SIZE, labels=(LABEL,))
    held_out = Scenes(count=32, seed=99, size=SIZE, labels=(LABEL,))
    return Recipe(
        name="edges",
        tasks=(Edges("edges", stride=2),),
        encoder=Part(MobileNetV2, weights="imagenet"),
        decoder=Part(LightWeightRefineNet, width=64),
        data=(Source("scenes", scenes, SIZE, labels={"edges": LABEL}),),
        validation=(Source("held-out", held_out, SIZE, labels={"edges": LABEL}),),
        augment=Augment(scale=(1.0, 1.3), noise=0.0, blur=0.0),
        optim=Optim(lr=2e-3, factors={"encoder": 0.5}),
        steps=300,
        batch=8,
        precision="auto",
        ema=0.99,
        save_every=50,
        workers=1,
    )
