"""Faces: age, gender and race from one network."""

from hydranet.config.optim import Optim
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.spec import Part
from hydranet.datasets.utkface import GENDERS, RACES, UtkFace
from hydranet.models.decoders.lw_refinenet import LightWeightRefineNet
from hydranet.models.encoders.mobilenetv2 import MobileNetV2
from hydranet.tasks.classification.task import Classification
from hydranet.tasks.regression.task import Regression
from hydranet.transforms.augment import Augment

SIZE = (96, 96)


def faces() -> Recipe:
    """Age in years, gender and race of UTKFace, validated on every fifth face (by its name).

    Command: HYDRANET_DATA=DATA hydranet train faces
    """
    hidden, dropout = (256,), 0.3
    return Recipe(
        name="faces",
        tasks=(
            Regression("age", unit="years", offset=33.0, scale=20.0, hidden=hidden, dropout=dropout),
            Classification("gender", GENDERS, smoothing=0.1, hidden=hidden, dropout=dropout, confusion=True),
            Classification("race", RACES, smoothing=0.1, hidden=hidden, dropout=dropout, confusion=True),
        ),
        encoder=Part(MobileNetV2, weights="imagenet"),
        decoder=Part(LightWeightRefineNet),
        data=(Source("utkface", UtkFace("utkface"), SIZE),),
        validation=(Source("utkface", UtkFace("utkface", split="val"), SIZE),),
        augment=Augment(scale=(0.9, 1.2), rotate_rad=0.2, brightness=0.4, contrast=0.4, saturation=0.4, noise=0.03),
        optim=Optim(lr=2e-3, factors={"encoder": 0.5}),
        steps=900,
        batch=32,
        precision="auto",
        ema=0.99,
        evaluate_every=300,
    )
