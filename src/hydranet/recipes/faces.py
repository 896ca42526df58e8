"""Faces: age, gender, race and 68 points from one network; the data sets share no label."""

from dataclasses import replace

from torch.optim import AdamW

from hydranet.balancers.start_scale import StartScale
from hydranet.config.optim import Optim
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.spec import Part
from hydranet.datasets.around import Around
from hydranet.datasets.face_keypoints import EYE_CORNERS, MIRROR, POINTS, FaceKeypoints
from hydranet.datasets.pseudo import Pseudo
from hydranet.datasets.unlike import Unlike
from hydranet.datasets.utkface import GENDERS, RACES, UtkFace
from hydranet.models.decoders.lw_refinenet import LightWeightRefineNet
from hydranet.models.encoders.face_resnet import FaceResNet
from hydranet.tasks.classification.task import Classification
from hydranet.tasks.landmarks.task import Landmarks
from hydranet.tasks.regression.task import Regression
from hydranet.transforms.augment import Augment

ALIGNED, WHOLE = (128, 128), (192, 192)
"""Faces that fill their image, as UTKFace's do and as a cascade cuts them out; whole images with a face."""

POINT_LABEL = {"landmarks": "keypoints"}

LIGHT = Augment(scale=(0.85, 1.25), rotate_rad=0.25, brightness=0.5, contrast=0.5, saturation=0.6, noise=0.03, blur=1.0)
TURNED = replace(LIGHT, scale=(0.75, 1.3), rotate_rad=0.4)
SMALL = Augment(scale=(0.3, 1.6), rotate_rad=0.45, brightness=0.4, contrast=0.4, saturation=0.5)


def faces() -> Recipe:
    """Age in years, gender and race of UTKFace, and 68 points of faces in another data set.

    Validated on every fifth face of UTKFace (by its name), and on the points of persons that were not trained on, in
    the surroundings of the face and in whole images. Some of UTKFace's faces are there twice under two names: those
    that are scored do not train.

    Command: hydranet weights get face_resnet; HYDRANET_DATA=DATA hydranet train faces
    """
    hidden, dropout = (256,), 0.4
    held_out = UtkFace("utkface", split="val")
    points, other_points = (FaceKeypoints("face_keypoints", split=split) for split in ("train", "val"))
    cut, other_cut = (Around(one, label="keypoints") for one in (points, other_points))
    return Recipe(
        name="faces",
        tasks=(
            Regression("age", unit="years", offset=33.0, scale=20.0, objective="l1", hidden=hidden, dropout=dropout),
            Classification("gender", GENDERS, smoothing=0.1, hidden=hidden, dropout=dropout, confusion=True),
            Classification("race", RACES, smoothing=0.1, hidden=hidden, dropout=dropout, confusion=True),
            Landmarks("landmarks", points=POINTS, mirror=MIRROR, reference=EYE_CORNERS),
        ),
        encoder=Part(FaceResNet),
        decoder=Part(LightWeightRefineNet, width=64),
        data=(
            Source("utkface", Unlike(UtkFace("utkface"), held_out), ALIGNED),
            Source("points", cut, ALIGNED, 0.5, POINT_LABEL, augment=TURNED),
            Source("whole", points, WHOLE, 0.3, POINT_LABEL, augment=SMALL),
        ),
        validation=(
            Source("utkface", held_out, ALIGNED),
            Source("points", other_cut, ALIGNED, labels=POINT_LABEL),
            Source("whole", other_points, WHOLE, labels=POINT_LABEL),
        ),
        augment=LIGHT,
        optim=Optim(lr=2e-3, factors={"encoder": 0.04}, algorithm=Part(AdamW, weight_decay=0.05)),
        balancer=Part(StartScale),
        evaluate_every=200,
        steps=1200,
        batch=32,
        precision="auto",
        ema=0.995,
        save_every=50,
        workers=1,
    )


def faces_taught() -> Recipe:
    """The recipe `faces` where UTKFace has points, too: a teacher's, whose labels lie in runs/faces-points.

    Command: hydranet label examples/face_teachers.py:points utkface --recipe faces --out runs/faces-points; then
    HYDRANET_DATA=DATA hydranet train faces_taught (scores: docs/results.md)
    """
    base = faces()
    utkface, *others = base.data
    taught = replace(utkface, dataset=Pseudo(utkface.dataset, "runs/faces-points"), labels=POINT_LABEL)
    return replace(base, name="faces_taught", data=(taught, *others))
