"""Three detectors, chosen by one option: on generated scenes, and on real roads with data sets of different classes."""

from dataclasses import replace

from hydranet.balancers.uncertainty import Uncertainty
from hydranet.config.optim import Optim
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.spec import Part
from hydranet.datasets.bdd100k import Bdd100k
from hydranet.datasets.kitti_object import KittiObject
from hydranet.datasets.scenes.dataset import Scenes
from hydranet.datasets.subset import Subset
from hydranet.datasets.voc import Voc
from hydranet.models.decoders.lw_refinenet import LightWeightRefineNet
from hydranet.models.encoders.mobilenetv2 import MobileNetV2
from hydranet.tasks.depth.task import Depth
from hydranet.tasks.detection.task import Detection
from hydranet.tasks.semantic.task import Semantic
from hydranet.transforms.augment import Augment

SIZE, FOCAL = (96, 320), 1.6
"""A narrow view, as of a camera that looks far ahead: half of the vehicles are over 26 pixels high."""

OBJECTS = ("vehicle", "person", "sign")
TO_OBJECTS = {"detection": {"car": "vehicle", "van": "vehicle", "truck": "vehicle"}}


def detector() -> Recipe:
    """Vehicles, persons and signs on generated scenes, by one head that one word changes.

    Command: hydranet train detector tasks.detection.detector=two_stage
    One CPU core (AVX2): 20 minutes for yolov8. Scores: vehicle AP50 .854 yolov8, .872 two_stage, .785 ssd (.870 with
    levels of strides 4, 8, 16). See docs/results.md.
    """
    scenes = Scenes(count=9600, seed=1, size=SIZE, focal=FOCAL, labels=("detection",))
    held_out = Scenes(count=150, seed=99, size=SIZE, focal=FOCAL, labels=("detection",))
    return Recipe(
        name="detector",
        tasks=(Detection("detection", OBJECTS),),
        encoder=Part(MobileNetV2, weights="imagenet"),
        decoder=Part(LightWeightRefineNet, width=64),
        data=(Source("scenes", scenes, SIZE, classes=TO_OBJECTS),),
        validation=(Source("held-out", held_out, SIZE, classes=TO_OBJECTS),),
        augment=Augment(scale=(1.0, 1.4), noise=0.0, blur=0.0),
        workers=1,
        optim=Optim(lr=2e-3, factors={"encoder": 0.5}),
        steps=1200,
        batch=8,
        precision="fp32",
        ema=0.99,
        save_every=100,
        evaluate_every=300,
    )


def three() -> Recipe:
    """Segmentation, depth and detection of generated scenes in one network; every scene has all three labels.

    Command: hydranet retention three (the network, and each of its tasks alone with the same budget)
    """
    labels, one = ("semantic", "depth", "detection"), detector()
    scenes = Scenes(count=9600, seed=1, size=SIZE, focal=FOCAL, labels=labels)
    held_out = Scenes(count=150, seed=99, size=SIZE, focal=FOCAL, labels=labels)
    return replace(
        one,
        name="three",
        tasks=(
            Semantic("semantic", held_out.classes["semantic"]),
            Depth("depth", min_m=1.0, max_m=80.0, objective="log_l1"),
            *one.tasks,
        ),
        data=(Source("scenes", scenes, SIZE, classes=TO_OBJECTS),),
        validation=(Source("held-out", held_out, SIZE, classes=TO_OBJECTS),),
        balancer=Part(Uncertainty),
        optim=Optim(lr=2e-3, factors={"encoder": 0.5, "balancer": 3.0}),
        steps=300,
        evaluate_every=0,
    )


ROAD_OBJECTS = ("vehicle", "person", "cyclist", "traffic light", "traffic sign")
KITTI_TO_ROAD = {
    "Car": "vehicle",
    "Van": "vehicle",
    "Truck": "vehicle",
    "Tram": "vehicle",
    "Pedestrian": "person",
    "Person_sitting": "person",
    "Cyclist": "cyclist",
}
BDD_TO_ROAD = {"car": "vehicle", "truck": "vehicle", "bus": "vehicle", "train": "vehicle"}
CARLA = ("vehicle", "bike", "motobike", "traffic_light", "traffic_sign")
CARLA_TO_ROAD = {"traffic_light": "traffic light", "traffic_sign": "traffic sign"}


def road_detector() -> Recipe:
    """Road users, lights and signs from three data sets, none of which labels all five classes.

    KITTI labels no lights and signs, BDD100K no cyclists (it boxes rider and bike separately; both are ignored), CARLA
    neither persons nor cyclists: a class that a data set does not label is neither object nor background in it.

    Command: HYDRANET_DATA=DATA hydranet train road_detector --start runs/detector
    One CPU core: 12 minutes. Scores: vehicle AP50 .697 KITTI 60-70, .332 BDD, .657 CARLA. See docs/results.md.
    """
    kitti, bdd, carla = (192, 640), (256, 448), (192, 320)
    trained, held_out = (
        KittiObject("kitti_object", split=frames, labels=("detection",)) for frames in ("0-59", "60-70")
    )
    bdd_frames, carla_frames = Bdd100k("bdd100k"), Voc("carla_det", CARLA, "images/train", "labels/train")
    classes = [{"detection": names} for names in (KITTI_TO_ROAD, BDD_TO_ROAD, CARLA_TO_ROAD)]
    return Recipe(
        name="road_detector",
        tasks=(Detection("detection", ROAD_OBJECTS, extra_metrics=("voc", "road")),),
        encoder=Part(MobileNetV2, weights="imagenet"),
        decoder=Part(LightWeightRefineNet, width=64),
        data=(
            Source("kitti", trained, kitti, 1.0, {}, classes[0]),
            Source("bdd", Subset(bdd_frames, "0-59"), bdd, 1.0, {}, classes[1]),
            Source("carla", Subset(carla_frames, "0-129"), carla, 0.5, {}, classes[2]),
        ),
        validation=(
            Source("kitti", held_out, kitti, 1.0, {}, classes[0]),
            Source("bdd", Subset(bdd_frames, "60-69"), bdd, 1.0, {}, classes[1]),
            Source("carla", Subset(carla_frames, "130-149"), carla, 1.0, {}, classes[2]),
        ),
        augment=Augment(scale=(0.9, 1.8), noise=0.0, blur=0.0),
        optim=Optim(lr=1.5e-3, factors={"encoder": 0.4}),
        steps=300,
        batch=8,
        precision="fp32",
        ema=0.99,
        workers=1,
        save_every=50,
        evaluate_every=0,
    )
