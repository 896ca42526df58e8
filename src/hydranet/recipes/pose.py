"""Points of every vehicle of generated road scenes."""

from hydranet.config.optim import Optim
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.spec import Part
from hydranet.datasets.scenes.dataset import Scenes
from hydranet.datasets.scenes.vehicles import KEYPOINTS, MIRROR
from hydranet.models.decoders.lw_refinenet import LightWeightRefineNet
from hydranet.models.encoders.mobilenetv2 import MobileNetV2
from hydranet.tasks.pose.task import Pose
from hydranet.transforms.augment import Augment

SIZE = (96, 320)
FOCAL = 1.6
"""Share of the width: a narrow lens, through which half of the vehicles are over 26 pixels high."""
LABELS = {"pose": "keypoints"}


def pose() -> Recipe:
    """Where the wheels touch the road and the corners of the roof: 8 points per vehicle, any number of vehicles.

    Command: hydranet train pose
    For persons with the 17 joints of COCO: `CocoKeypoints`, `Pose("pose", points=17, mirror=...)` with its MIRROR.
    """
    scenes = Scenes(count=4000, seed=1, size=SIZE, focal=FOCAL, labels=("keypoints",))
    held_out = Scenes(count=64, seed=99, size=SIZE, focal=FOCAL, labels=("keypoints",))
    return Recipe(
        name="pose",
        tasks=(Pose("pose", points=len(KEYPOINTS), mirror=MIRROR),),
        encoder=Part(MobileNetV2, weights="imagenet"),
        decoder=Part(LightWeightRefineNet, width=64),
        data=(Source("scenes", scenes, SIZE, labels=LABELS),),
        validation=(Source("held-out", held_out, SIZE, labels=LABELS),),
        augment=Augment(scale=(1.0, 1.4), noise=0.0, blur=0.0),
        optim=Optim(lr=2e-3, factors={"encoder": 0.5}),
        steps=1200,
        batch=8,
        precision="auto",
        ema=0.99,
        save_every=100,
        workers=1,
    )
