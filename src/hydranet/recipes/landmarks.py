"""Points of a face."""

import math

from hydranet.config.optim import Optim
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.spec import Part
from hydranet.datasets.face_keypoints import EYE_CORNERS, MIRROR, POINTS, FaceKeypoints
from hydranet.models.decoders.lw_refinenet import LightWeightRefineNet
from hydranet.models.encoders.mobilenetv2 import MobileNetV2
from hydranet.tasks.landmarks.task import Landmarks
from hydranet.transforms.augment import Augment

SIZE = (128, 128)
LABELS = {"landmarks": "keypoints"}


def landmarks() -> Recipe:
    """68 points of a face in its whole image; persons of the validation are not trained on.

    Command: HYDRANET_DATA=DATA hydranet train landmarks
    """
    return Recipe(
        name="landmarks",
        tasks=(Landmarks("landmarks", points=POINTS, mirror=MIRROR, reference=EYE_CORNERS),),
        encoder=Part(MobileNetV2, weights="imagenet"),
        decoder=Part(LightWeightRefineNet, width=64),
        data=(Source("faces", FaceKeypoints("face_keypoints", split="train"), SIZE, labels=LABELS),),
        validation=(Source("faces", FaceKeypoints("face_keypoints", split="val"), SIZE, labels=LABELS),),
        augment=Augment(scale=(0.75, 1.5), rotate_rad=math.radians(25), brightness=0.4, contrast=0.4, saturation=0.5),
        optim=Optim(lr=2e-3, factors={"encoder": 0.5}),
        steps=1200,
        batch=16,
        precision="auto",
        ema=0.99,
        save_every=100,
        evaluate_every=300,
        workers=1,
    )
