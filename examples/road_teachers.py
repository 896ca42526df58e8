"""Networks of others as teachers, in a few lines each.

    hydranet label examples/road_teachers.py:road IMAGES --out cache

The files are Open Model Zoo's (Apache-2.0, docs.openvino.ai): put them into $TEACHERS.
"""

import os
from functools import cache
from pathlib import Path

import numpy as np

from hydranet.annotations import Annotation
from hydranet.distillation.foreign_file import ForeignFile, boxes, class_map


@cache
def opened(name: str, height: int, width: int) -> ForeignFile:
    return ForeignFile(Path(os.environ.get("TEACHERS", ".")) / f"{name}.xml", (height, width), color="bgr")


def road(rgb: np.ndarray) -> dict[str, Annotation]:
    (probabilities,) = opened("road-segmentation-adas-0001", 512, 896)(rgb)
    return {"surface": class_map(probabilities, rgb.shape[:2], least=0.5)}


def road_users(rgb: np.ndarray) -> dict[str, Annotation]:
    (rows,) = opened("person-vehicle-bike-detection-crossroad-0078", 1024, 1024)(rgb)
    return {"detection": boxes(rows, rgb.shape[:2], labels=(None, 1, 0, 2), least=0.1)}


road.classes = {"surface": ("other", "road", "curb", "mark")}
road_users.classes = {"detection": ("vehicle", "person", "bicycle")}
