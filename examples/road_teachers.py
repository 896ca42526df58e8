"""Networks of others as teachers, in a few lines each.

    hydranet label examples/road_teachers.py:road IMAGES --out cache

The files are Open Model Zoo's (Apache-2.0, docs.openvino.ai): put them into $TEACHERS.
"""

import os
from functools import cache
from pathlib import Path

import numpy as np

from hydranet.annotations import Annotation, Boxes
from hydranet.core.sample import Camera
from hydranet.distillation.consensus import consensus
from hydranet.distillation.foreign_file import ForeignFile, boxes, class_map
from hydranet.distillation.road_plane import plane_depth
from hydranet.distillation.tiles import in_tiles

FOCAL_SHARE, HEIGHT_M = 0.58, 1.65
"""KITTI's camera: focal length as a share of the image's width, and meters above the road."""


@cache
def opened(name: str, height: int, width: int) -> ForeignFile:
    return ForeignFile(Path(os.environ.get("TEACHERS", ".")) / f"{name}.xml", (height, width), color="bgr")


def road(rgb: np.ndarray) -> dict[str, Annotation]:
    (probabilities,) = opened("road-segmentation-adas-0001", 512, 896)(rgb)
    return {"surface": class_map(probabilities, rgb.shape[:2], least=0.5)}


def road_depth(rgb: np.ndarray) -> dict[str, Annotation]:
    """Meters of the road's surface: it is flat, and the camera's place is known."""
    surface = class_map(*opened("road-segmentation-adas-0001", 512, 896)(rgb), rgb.shape[:2], least=0.5)
    camera = Camera(Camera.centered(FOCAL_SHARE * rgb.shape[1], rgb.shape[:2]).matrix, height_m=HEIGHT_M)
    return {"depth": plane_depth(np.isin(surface.ids, (1, 3)), camera)}


def users_in(rgb: np.ndarray) -> Boxes:
    (rows,) = opened("person-vehicle-bike-detection-crossroad-0078", 1024, 1024)(rgb)
    return boxes(rows, rgb.shape[:2], labels=(None, 1, 0, 2), least=0.1)


def vehicles_in(rgb: np.ndarray) -> Boxes:
    (rows,) = opened("vehicle-detection-adas-0002", 384, 672)(rgb)
    return boxes(rows, rgb.shape[:2], labels=(None, 0), least=0.1)


def road_users(rgb: np.ndarray) -> dict[str, Annotation]:
    """On the whole image and on three tiles, in which far ones are larger."""
    return {"detection": in_tiles(users_in, rgb, columns=3)}


def vehicles(rgb: np.ndarray) -> dict[str, Annotation]:
    """Vehicles that two networks see; what only one sees is neither vehicle nor background."""
    found = in_tiles(users_in, rgb, columns=3)
    cars = Boxes(found.xyxy[found.label == 0], found.label[found.label == 0], score=found.score[found.label == 0])
    return {"detection": consensus(cars, in_tiles(vehicles_in, rgb, columns=3))}


def street(rgb: np.ndarray) -> dict[str, Annotation]:
    """Surface and road users in one cache."""
    return {**road(rgb), **road_users(rgb)}


road.classes = {"surface": ("other", "road", "curb", "mark")}
road_users.classes = {"detection": ("vehicle", "person", "bicycle")}
vehicles.classes = {"detection": ("vehicle",)}
street.classes = {**road.classes, **road_users.classes}
