"""Delta-m of every balancer against single-task networks, with its spread over seeds.

    taskset -c 0 python benchmarks/delta_m.py scenes --out runs/delta
    HYDRANET_DATA=DATA python benchmarks/delta_m.py real balancer=uniform,uncertainty,upgrad --out runs/delta-real

The same as `hydranet sweep benchmarks/delta_m.py:scenes balancer=... seed=0..2 --baseline single --equal both`, whose
options (--jobs, --ray, --device) and settings (steps=300, batch=8, seed=0..4) it takes; your own balancer enters as
balancer=uniform,my_balancers.Mine with --allow my_balancers.py.

Delta-m = 1/T sum_t s_t (M_t - M_single,t) / M_single,t in percent, s_t = -1 where lower is better (Maninis et al.,
CVPR 2019, arXiv 1904.08918). M is each task's headline score of the last step, M_single that of the network trained for
the task alone with the same seed. Seeds change initial heads and decoder, the order of images and their augmentation.

Two comparisons: with equal images, a single-task network sees as many labeled images of its task per step as the shared
one, for as many steps; with equal compute, the shared network gets the images of all single-task networks together. On
scenes every image is labeled for all four tasks, so these are four times the steps. On real data half of a step's
images are KITTI (boxes, depth), half CamVid (segmentation): one and a half times. No balancer is tuned: all use their
defaults, at one learning rate; those that learn weights learn them at ten times the network's.

Finished runs are kept: started again, the program runs only what is missing. The table is in OUT/sweep.md; curves with
bands over seeds: `hydranet report OUT`.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from hydranet.config.optim import Optim
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.dataset import Dataset
from hydranet.core.sample import Sample
from hydranet.core.spec import Part
from hydranet.core.task import Task
from hydranet.datasets.camvid import CamVid
from hydranet.datasets.kitti_object import KittiObject
from hydranet.datasets.scenes.dataset import Scenes
from hydranet.models.decoders.lw_refinenet import LightWeightRefineNet
from hydranet.models.encoders.mobilenetv2 import MobileNetV2
from hydranet.tasks.depth.task import Depth
from hydranet.tasks.detection.task import Detection
from hydranet.tasks.normals.task import Normals
from hydranet.tasks.semantic.task import Semantic
from hydranet.transforms.augment import Augment

LOSSES = "uniform,uncertainty,start_scale,soft_uncertainty,dwa,rlw,gls,famo,go4align,ldc,meta_weights,auto_lambda"
GRADIENTS = "gradnorm,pcgrad,mgda,cagrad,upgrad,imtl_g,aligned_mtl,nash_mtl,fair_grad"
SCENE, KITTI, CAMVID = (64, 192), (96, 320), (96, 128)


@dataclass(frozen=True)
class Kept(Dataset):
    """A data set whose samples are read once and then stay in memory; the runs of one process share them."""

    dataset: Dataset

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        return self.dataset.classes

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Sample:
        return _sample(self.dataset, index)


@cache
def _sample(dataset: Dataset, index: int) -> Sample:
    return dataset[index]


def scenes() -> Recipe:
    """Four tasks, all labeled on every rendered scene."""
    labels = ("semantic", "depth", "normals", "detection")
    train = Scenes(count=400, seed=1, size=SCENE, labels=labels)
    held_out = Scenes(count=64, seed=99, size=SCENE, labels=labels)
    tasks = (
        Semantic("semantic", train.classes["semantic"]),
        Depth("depth", min_m=1.0, max_m=80.0, objective="log_l1"),
        Normals("normals"),
        Detection("detection", train.classes["detection"]),
    )
    return _recipe(tasks, (Source("scenes", Kept(train), SCENE),), (Source("held-out", Kept(held_out), SCENE),))


def real() -> Recipe:
    """Boxes and sparse depth of KITTI, segmentation of CamVid; frames 60-70 and CamVid's val are held out."""
    camvid = {split: CamVid("camvid", split=split) for split in ("train", "val")}
    tasks = (
        Semantic("semantic", camvid["train"].classes["semantic"]),
        Depth("depth", min_m=1.0, max_m=80.0, objective="log_l1"),
        Detection("detection", ("Car", "Pedestrian", "Cyclist")),
    )
    data, validation = (
        (
            Source("kitti", Kept(KittiObject("kitti_object", split=frames)), KITTI),
            Source("camvid", Kept(camvid[split]), CAMVID),
        )
        for frames, split in (("0-59", "train"), ("60-70", "val"))
    )
    return _recipe(tasks, data, validation)


def _recipe(tasks: tuple[Task, ...], data: tuple[Source, ...], validation: tuple[Source, ...]) -> Recipe:
    return Recipe(
        name="delta",
        tasks=tasks,
        encoder=Part(MobileNetV2, weights="imagenet"),
        decoder=Part(LightWeightRefineNet, width=32),
        data=data,
        validation=validation,
        augment=Augment(scale=(1.0, 1.3), noise=0.0, blur=0.0),
        optim=Optim(lr=2e-3, factors={"encoder": 0.5, "balancer": 10.0}),
        steps=150,
        batch=8,
        save_every=0,
        workers=0,
    )


def main() -> None:
    """`hydranet sweep` with the settings of this comparison where none are given."""
    from hydranet.cli.main import main as command

    which, *options = sys.argv[1:] or ["scenes"]
    usual = {"balancer": f"{LOSSES},{GRADIENTS}", "seed": "0..2"}
    given = {option.partition("=")[0] for option in options}
    settings = [f"{key}={values}" for key, values in usual.items() if key not in given]
    compared = [] if "--baseline" in given else ["--baseline", "single", "--equal", "both"]
    sys.argv = ["hydranet", "sweep", f"{__file__}:{which}", *settings, *options, *compared]
    command()


if __name__ == "__main__":
    main()
