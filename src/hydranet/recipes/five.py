"""Five dense tasks of generated road scenes, small and quick: which of them belong in one network?"""

from hydranet.balancers.start_scale import StartScale
from hydranet.config.optim import Optim
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.spec import Part
from hydranet.datasets.in_memory import InMemory
from hydranet.datasets.scenes.dataset import Scenes
from hydranet.datasets.scenes.vehicles import KEYPOINTS, MIRROR
from hydranet.models.decoders.lw_refinenet import LightWeightRefineNet
from hydranet.models.encoders.mobilenetv2 import MobileNetV2
from hydranet.tasks.depth.task import Depth
from hydranet.tasks.edges.task import Edges
from hydranet.tasks.landmarks.task import Landmarks
from hydranet.tasks.normals.task import Normals
from hydranet.tasks.semantic.task import Semantic
from hydranet.transforms.augment import Augment

SIZE = (64, 96)
FOCAL = 1.2
"""Share of the width: a narrow lens, so that vehicles are not too small for points."""
LABELS = {"landmarks": "nearest_vehicle", "edges": "edge_strength"}
MADE = ("semantic", "depth", "normals", *LABELS.values())


def five() -> Recipe:
    """Segmentation, depth, normals, eight points of the nearest vehicle, and edges, each labeled in every image.

    Command: hydranet group five --budget 1,2,3
    """
    scenes = Scenes(count=320, seed=1, size=SIZE, focal=FOCAL, labels=MADE)
    held_out = Scenes(count=64, seed=99, size=SIZE, focal=FOCAL, labels=MADE)
    return Recipe(
        name="five",
        tasks=(
            Semantic("semantic", scenes.classes["semantic"]),
            Depth("depth", min_m=1.0, max_m=80.0, objective="log_l1"),
            Normals("normals"),
            Landmarks("landmarks", points=len(KEYPOINTS), mirror=MIRROR),
            Edges("edges", stride=2),
        ),
        encoder=Part(MobileNetV2, weights="imagenet"),
        decoder=Part(LightWeightRefineNet, width=32),
        data=(Source("scenes", InMemory(scenes), SIZE, labels=LABELS),),
        validation=(Source("held-out", InMemory(held_out), SIZE, labels=LABELS),),
        augment=Augment(scale=(1.0, 1.3), noise=0.0, blur=0.0),
        balancer=Part(StartScale),
        optim=Optim(lr=2e-3, factors={"encoder": 0.5, "balancer": 3.0}),
        steps=240,
        batch=8,
        ema=0.98,
        save_every=20,
        workers=0,
    )
