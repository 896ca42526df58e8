"""A scene as one camera sees it in one light: all that the image and the labels are made of."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hydranet.datasets.scenes import classes, road
from hydranet.datasets.scenes.ground import Ground
from hydranet.datasets.scenes.raster import FIRST, GROUND_FACE, Faces, Raster
from hydranet.datasets.scenes.weather import Weather
from hydranet.datasets.scenes.world import World

GROUND_CLASS = {
    road.TERRAIN: classes.TERRAIN,
    road.VERGE: classes.TERRAIN,
    road.PAVEMENT: classes.PAVEMENT,
    road.CURB: classes.PAVEMENT,
}
"""Class of each kind of ground; all others are road."""


@dataclass(frozen=True, eq=False)
class View:
    """The objects, the ground's geometry, the polygons, which of them is visible at each pixel, and the light."""

    world: World
    ground: Ground
    faces: Faces
    raster: Raster
    weather: Weather

    @cached_property
    def classes(self) -> np.ndarray:
        """uint8 h w: the class that is visible at each pixel's center."""
        things = np.array([thing.semantic for thing in self.world.things])
        table = np.concatenate([[classes.SKY, classes.ROAD], things[self.faces.thing[FIRST:]]]).astype(np.uint8)
        ids = table.take(self.raster.face)
        strips = np.array([GROUND_CLASS.get(s, classes.ROAD) for s in self.ground.road.strips], dtype=np.uint8)
        floor = strips.take(self.ground.strip)
        floor[self.ground.paint >= 0.5] = classes.LANE_MARKING
        below = np.s_[self.ground.top :]
        np.copyto(ids[below], floor, where=self.raster.face[below] == GROUND_FACE)
        return ids
