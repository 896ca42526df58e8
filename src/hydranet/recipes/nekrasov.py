"""Asymmetric annotations (Nekrasov et al., ICRA 2019, arXiv 1809.04766): single-task teachers fill missing labels.

Each image is labeled for some tasks only. A teacher is trained for each task on the images that have its label;
then one student learns all tasks from all images, a teacher's answer replacing each missing label, so that every
step updates every head. Here on generated scenes (`nekrasov*`), of which one source has classes and the other depth,
and on real roads (`streets*`), where CamVid has classes and KITTI depth and boxes. All of one size and budget:

    hydranet train nekrasov_classes && hydranet train nekrasov_depth          the teachers
    hydranet train nekrasov teachers=[] --out runs/nekrasov-without             (a) labels alone
    hydranet train nekrasov                                                   (b) teachers run during training
    hydranet label runs/nekrasov_classes depth --recipe nekrasov --confidence semantic=0.5 \\
        --out runs/nekrasov-cache/classes
    hydranet label runs/nekrasov_depth classes --recipe nekrasov --confidence depth=0.8 --out runs/nekrasov-cache/depth
    hydranet train nekrasov_cached                                            (c) their answers from disk

On real roads the teachers are streets_classes and streets_objects, and the caches:

    hydranet label runs/streets_classes kitti --recipe streets --confidence semantic=0.5 \\
        --out runs/streets-cache/classes
    hydranet label runs/streets_objects camvid --recipe streets --confidence depth=0.8,detection=0.3 \\
        --out runs/streets-cache/objects
"""

from dataclasses import replace

from hydranet.config.optim import Optim
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.config.teacher import Teacher
from hydranet.core.dataset import Dataset
from hydranet.core.spec import Part
from hydranet.core.task import Task
from hydranet.datasets.camvid import CLASSES, CamVid
from hydranet.datasets.kitti_object import KittiObject
from hydranet.datasets.pseudo import Pseudo
from hydranet.datasets.scenes.dataset import Scenes
from hydranet.models.decoders.lw_refinenet import LightWeightRefineNet
from hydranet.models.encoders.mobilenetv2 import MobileNetV2
from hydranet.recipes.road import CAMVID_WEIGHTS, OBJECTS
from hydranet.tasks.depth.task import Depth
from hydranet.tasks.detection.task import Detection
from hydranet.tasks.semantic.task import Semantic
from hydranet.transforms.augment import Augment

SIZE, CAMVID_SIZE = (96, 320), (192, 256)
DEPTH = Depth("depth", min_m=1.0, max_m=80.0, objective="log_l1")
CONFIDENCE = {"semantic": 0.5, "depth": 0.8, "detection": 0.3}
"""What teachers must be sure of: probability, agreement with the mirrored image, score."""


def nekrasov() -> Recipe:
    """The student on scenes: classes and depth, each labeled in half of the images; teachers fill the rest.

    Command: see the top of this file; one CPU core: about 5 minutes per run. Not trained yet: no scores to state.
    """
    held_out = _scenes(99, 64, "semantic", "depth")
    return _small(
        "nekrasov",
        (_classes_of_scenes(), DEPTH),
        (Source("classes", _scenes(1, 800, "semantic"), SIZE), Source("depth", _scenes(2, 800, "depth"), SIZE)),
        (Source("held-out", held_out, SIZE),),
        (_teacher("nekrasov_classes", "semantic"), _teacher("nekrasov_depth", "depth")),
    )


def nekrasov_classes() -> Recipe:
    """The teacher of classes on scenes. Command: hydranet train nekrasov_classes"""
    return _alone(nekrasov(), "nekrasov_classes", "semantic", "classes")


def nekrasov_depth() -> Recipe:
    """The teacher of depth on scenes. Command: hydranet train nekrasov_depth"""
    return _alone(nekrasov(), "nekrasov_depth", "depth", "depth")


def nekrasov_cached() -> Recipe:
    """The student on scenes from pseudo-labels on disk. Command: see the top of this file."""
    return _cached(nekrasov(), "nekrasov", {"classes": "depth", "depth": "classes"})


def streets() -> Recipe:
    """The student on real roads: CamVid has classes, KITTI depth and boxes; two teachers fill the rest.

    Command: see the top of this file; one busy CPU core: 5 to 9 minutes per run. CamVid mIoU .418, KITTI AbsRel .234,
    AP50 .272; without teachers .375, .249, .244 (docs/results.md).
    """
    return _small(
        "streets",
        (Semantic("semantic", CLASSES, class_weights=CAMVID_WEIGHTS), DEPTH, Detection("detection", OBJECTS)),
        (
            Source("camvid", CamVid("camvid", split="train"), CAMVID_SIZE),
            Source("kitti", KittiObject("kitti_object", split="0-59"), SIZE),
        ),
        (
            Source("camvid", CamVid("camvid", split="val"), CAMVID_SIZE),
            Source("kitti", KittiObject("kitti_object", split="60-70"), SIZE),
        ),
        (_teacher("streets_classes", "semantic"), _teacher("streets_objects", "depth", "detection")),
    )


def streets_classes() -> Recipe:
    """The teacher of classes on CamVid. Command: HYDRANET_DATA=DATA hydranet train streets_classes"""
    return _alone(streets(), "streets_classes", "semantic", "camvid")


def streets_objects() -> Recipe:
    """The teacher of depth and boxes on KITTI. Command: HYDRANET_DATA=DATA hydranet train streets_objects"""
    base = streets()
    return replace(
        base,
        name="streets_objects",
        tasks=base.tasks[1:],
        data=base.data[1:],
        teachers=(),
        validation=base.validation[1:],
    )


def streets_cached() -> Recipe:
    """The student on real roads from pseudo-labels on disk. Command: see the top of this file."""
    return _cached(streets(), "streets", {"camvid": "objects", "kitti": "classes"})


def _small(
    name: str,
    tasks: tuple[Task, ...],
    data: tuple[Source, ...],
    validation: tuple[Source, ...],
    teachers: tuple[Teacher, ...],
) -> Recipe:
    return Recipe(
        name=name,
        tasks=tasks,
        encoder=Part(MobileNetV2, weights="imagenet"),
        decoder=Part(LightWeightRefineNet, width=64),
        data=data,
        validation=validation,
        augment=Augment(scale=(1.0, 1.4), noise=0.0, blur=0.0),
        optim=Optim(lr=2e-3, factors={"encoder": 0.5}),
        teachers=teachers,
        steps=250,
        batch=8,
        precision="fp32",
        ema=0.98,
        save_every=50,
        workers=1,
    )


def _teacher(run: str, *tasks: str) -> Teacher:
    return Teacher(f"runs/{run}", {name: name for name in tasks}, confidence={name: CONFIDENCE[name] for name in tasks})


def _alone(student: Recipe, name: str, task: str, source: str) -> Recipe:
    """A recipe for one task of the student, from the one source that labels it; the same budget."""
    held_out = [one for one in student.validation if one.name in (source, "held-out")]
    return replace(
        student,
        name=name,
        tasks=tuple(one for one in student.tasks if one.name == task),
        data=tuple(one for one in student.data if one.name == source),
        validation=tuple(held_out),
        teachers=(),
    )


def _cached(student: Recipe, name: str, cache_of: dict[str, str]) -> Recipe:
    """The student with teachers' answers read from runs/NAME-cache/CACHE, a cache for each source."""
    data = tuple(
        replace(source, dataset=Pseudo(source.dataset, f"runs/{name}-cache/{cache_of[source.name]}"))
        for source in student.data
    )
    return replace(student, name=f"{name}_cached", data=data, teachers=())


def _scenes(seed: int, count: int, *labels: str) -> Dataset:
    return Scenes(count=count, seed=seed, size=SIZE, labels=labels)


def _classes_of_scenes() -> Semantic:
    return Semantic("semantic", _scenes(0, 1, "semantic").classes["semantic"])
