"""Scores of a network on data sets that it never saw, where its classes and theirs mean the same.

    HYDRANET_DATA=DATA python benchmarks/abroad.py street-open --out runs/street-open/abroad

CamVid's classes, KITTI's depth and boxes, BDD100K's boxes and IDD Lite's drivable area; a task that the network does
not have is left out.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from hydranet.checkpoint.checkpoint import load_model
from hydranet.config.source import Source
from hydranet.datasets.bdd100k import Bdd100k
from hydranet.datasets.camvid import CamVid
from hydranet.datasets.idd_lite import CLASSES as REGIONS
from hydranet.datasets.idd_lite import IddLite
from hydranet.datasets.kitti_object import KittiObject
from hydranet.datasets.subset import Subset
from hydranet.evaluation.evaluate import evaluate
from hydranet.evaluation.report import Report
from hydranet.recipes.detectors import BDD_TO_ROAD, KITTI_TO_ROAD
from hydranet.recipes.street import CAMVID_WHOLE, IDD_WHOLE
from hydranet.reporting import tables

KITTI_WHOLE, BDD_WHOLE = (192, 640), (320, 576)
"""Cars then are as large as in drawn scenes; `street`, which learned from these sets, looks closer."""

CAMVID_TO_SCENES = {"tree": "vegetation", "fence": None, "car": "vehicle", "pedestrian": "person", "bicyclist": None}
DRIVABLE = {name: "drivable" if name == "drivable" else "not drivable" for name in REGIONS}

SOURCES = (
    Source("camvid", CamVid("camvid", split="val"), CAMVID_WHOLE, classes={"semantic": CAMVID_TO_SCENES}),
    Source(
        "idd",
        Subset(IddLite("idd_lite"), "920-999"),
        IDD_WHOLE,
        labels={"semantic": None, "drivable": "semantic"},
        classes={"drivable": DRIVABLE},
    ),
    Source("kitti", KittiObject("kitti_object", split="60-70"), KITTI_WHOLE, classes={"detection": KITTI_TO_ROAD}),
    Source("bdd", Subset(Bdd100k("bdd100k"), "60-69"), BDD_WHOLE, classes={"detection": BDD_TO_ROAD}),
)


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("run")
    given.add_argument("--out", type=Path)
    asked = given.parse_args()
    model, _ = load_model(asked.run)
    sources = [replace(one, classes={t: c for t, c in one.classes.items() if t in model.tasks}) for one in SOURCES]
    for result in evaluate(model, sources, name=Path(asked.run).name):
        if isinstance(result, Report):
            Console(width=120).print(tables.scores(result))
            if asked.out:
                result.save(asked.out)


if __name__ == "__main__":
    main()
