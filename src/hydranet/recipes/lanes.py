"""Lane lines: a clip of CULane, split by time, with generated scenes beside it."""

from hydranet.config.optim import Optim
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.spec import Part
from hydranet.datasets.culane import CuLane
from hydranet.datasets.scenes.dataset import Scenes
from hydranet.models.decoders.lw_refinenet import LightWeightRefineNet
from hydranet.models.encoders.mobilenetv2 import MobileNetV2
from hydranet.tasks.lanes.task import Lanes
from hydranet.transforms.augment import Augment

SIZE = (160, 448)
TRAIN, HELD_OUT = "0-59", "62-89"
"""Places in the list of the clip, which is in the order of time; two frames (four seconds) between are not used."""


def lanes() -> Recipe:
    """One head for lane lines on MobileNet-v2 and Light-Weight RefineNet.

    Command: HYDRANET_DATA=DATA hydranet train lanes
    The clip (driver_23_30frame/05151649_0422.MP4, a frame each two seconds) trains up to frame 59 of the list and is
    scored from 62 on: other frames, the same camera and road. See docs/results.md.
    """
    light = Augment(scale=(0.9, 1.3), rotate_rad=0.03)
    return Recipe(
        name="lanes",
        tasks=(Lanes("lanes"),),
        encoder=Part(MobileNetV2, weights="imagenet"),
        decoder=Part(LightWeightRefineNet, width=64),
        data=(
            Source("culane", CuLane("culane", frames=TRAIN), SIZE, weight=2.0, augment=light),
            Source("scenes", Scenes(count=2000, size=SIZE, seed=5, labels=("lanes",)), SIZE, weight=1.0),
        ),
        validation=(Source("culane", CuLane("culane", frames=HELD_OUT), SIZE),),
        augment=light,
        optim=Optim(lr=2e-3, factors={"encoder": 0.3}),
        steps=300,
        batch=6,
        ema=0.98,
        save_every=50,
        evaluate_every=200,
    )
