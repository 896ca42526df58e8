"""Faces: age, gender, race and 68 points from one network; the data sets share no label."""

from torch.optim import AdamW

from hydranet.balancers.start_scale import StartScale
from hydranet.config.optim import Optim
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.spec import Part
from hydranet.datasets.face_keypoints import EYE_CORNERS, MIRROR, POINTS, FaceKeypoints
from hydranet.datasets.utkface import GENDERS, RACES, UtkFace
from hydranet.models.decoders.lw_refinenet import LightWeightRefineNet
from hydranet.models.encoders.timm import Timm
from hydranet.tasks.classification.task import Classification
from hydranet.tasks.landmarks.task import Landmarks
from hydranet.tasks.regression.task import Regression
from hydranet.transforms.augment import Augment

ALIGNED, WHOLE = (128, 128), (192, 192)
"""UTKFace's aligned faces, and whole images of faces."""

POINT_LABEL = {"landmarks": "keypoints"}


def faces() -> Recipe:
    """Age in years, gender and race of UTKFace, and 68 points of faces in another data set.

    Validated on every fifth face of UTKFace (by its name), and on the points of persons that were not trained on.

    Command: HYDRANET_DATA=DATA hydranet train faces (scores of two runs, the second from the first: docs/results.md)
    """
    hidden, dropout = (256,), 0.4
    turned = Augment(scale=(0.3, 1.6), rotate_rad=0.45, brightness=0.4, contrast=0.4, saturation=0.5)
    points = Source("points", FaceKeypoints("face_keypoints", split="train"), WHOLE, 0.6, POINT_LABEL, augment=turned)
    return Recipe(
        name="faces",
        tasks=(
            Regression("age", unit="years", offset=33.0, scale=20.0, objective="l1", hidden=hidden, dropout=dropout),
            Classification("gender", GENDERS, smoothing=0.1, hidden=hidden, dropout=dropout, confusion=True),
            Classification("race", RACES, smoothing=0.1, hidden=hidden, dropout=dropout, confusion=True),
            Landmarks("landmarks", points=POINTS, mirror=MIRROR, reference=EYE_CORNERS),
        ),
        encoder=Part(Timm, model="tf_efficientnet_lite0", weights="imagenet"),
        decoder=Part(LightWeightRefineNet, width=64),
        data=(Source("utkface", UtkFace("utkface"), ALIGNED), points),
        validation=(
            Source("utkface", UtkFace("utkface", split="val"), ALIGNED),
            Source("points", FaceKeypoints("face_keypoints", split="val"), WHOLE, labels=POINT_LABEL),
        ),
        augment=Augment(
            scale=(0.85, 1.25), rotate_rad=0.25, brightness=0.5, contrast=0.5, saturation=0.6, noise=0.03, blur=1.0
        ),
        optim=Optim(lr=2e-3, factors={"encoder": 0.5}, algorithm=Part(AdamW, weight_decay=0.05)),
        balancer=Part(StartScale),
        fixed_norm=True,
        fixed_norm_after=1000,
        evaluate_every=200,
        steps=1400,
        batch=32,
        precision="auto",
        ema=0.995,
        save_every=50,
        workers=1,
    )
