"""Road scenes with exact labels for every task, rendered on demand; no files, no download."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from hydranet.core.dataset import Dataset
from hydranet.core.sample import Sample
from hydranet.core.spec import SpecError, unknown
from hydranet.datasets.scenes import classes
from hydranet.datasets.scenes.camera import Lens
from hydranet.datasets.scenes.ground import ground_of
from hydranet.datasets.scenes.labels import LABELS
from hydranet.datasets.scenes.raster import faces_of, rasterize
from hydranet.datasets.scenes.shade import image
from hydranet.datasets.scenes.view import View
from hydranet.datasets.scenes.weather import forecast
from hydranet.datasets.scenes.world import build

CLASSES: Mapping[str, tuple[str, ...]] = {
    "semantic": classes.SEMANTIC,
    "detection": classes.DETECTION,
    "lanes": classes.LANES,
    "lane_mask": classes.LANE_MASK,
    "drivable": classes.DRIVABLE,
    "edges": classes.EDGES,
    "place": classes.PLACE,
}

PITCH_JITTER_RAD = 0.05
"""How far the pitch varies where `jitter` is 1: a car that brakes or is loaded."""


@dataclass(frozen=True)
class Scenes(Dataset):
    """Rendered road scenes; a sample depends only on `seed`, its index and the fields below.

    labels:          which labels to make; leave out what an experiment should not see.
    camera_height_m: height of the camera above the road, 0.5..6.
    pitch_rad:       its tilt downwards, -0.1..0.1.    focal: focal length as a share of the width, 0.4..2.
    jitter:          how much height (relative) and pitch vary from scene to scene, 0..0.5.
    night, fog, rain: the share of scenes with it; 0 or 1 for experiments on domain shift. No label depends on these.

    Raises SpecError for an unknown label or an option out of range.
    """

    count: int = 1000
    seed: int = 0
    size: tuple[int, int] = (192, 640)
    labels: tuple[str, ...] = tuple(LABELS)
    camera_height_m: float = 1.5
    pitch_rad: float = 0.03
    focal: float = 0.58
    jitter: float = 0.1
    night: float = 0.12
    fog: float = 0.12
    rain: float = 0.15

    def __post_init__(self) -> None:
        for name in self.labels:
            if name not in LABELS:
                raise SpecError(unknown(name, LABELS, "label of the scenes"))
        for name, low, high in (
            ("camera_height_m", 0.5, 6.0),
            ("pitch_rad", -0.1, 0.1),
            ("focal", 0.4, 2.0),
            ("jitter", 0.0, 0.5),
            ("night", 0.0, 1.0),
            ("fog", 0.0, 1.0),
            ("rain", 0.0, 1.0),
        ):
            value = vars(self)[name]
            if not low <= value <= high:
                raise SpecError(f"got {name}={value}, expected {low}..{high}; choose a value in between")
        height, width = self.size
        horizon = abs(self.pitch_rad) + PITCH_JITTER_RAD * self.jitter
        if min(self.size) < 32 or self.focal * width * np.tan(horizon) > 0.4 * height:
            raise SpecError(
                f"got size={self.size}, expected (height, width) of at least 32 with the horizon well inside; "
                "make the image higher or pitch_rad smaller"
            )

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        """Class names of the labels that this data set makes."""
        return {name: names for name, names in CLASSES.items() if name in self.labels}

    def identities(self) -> Sequence[str]:
        """Neither how many there are nor which labels are made changes an image."""
        options = [repr(vars(self)[one.name]) for one in fields(self) if one.name not in ("count", "labels")]
        return [f"scene {' '.join(options)} {index}" for index in range(self.count)]

    def keys(self) -> Sequence[str]:
        return [f"{self.seed}/{index}" for index in range(self.count)]

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < self.count:
            raise IndexError(f"got scene {index}, expected 0..{self.count - 1}")
        view = self.view(index)
        return Sample(
            image=image(view),
            labels={name: LABELS[name](view) for name in self.labels},
            camera=view.ground.lens.label(),
            key=f"{self.seed}/{index}",
        )

    def view(self, index: int) -> View:
        """The scene as the camera sees it, before colors and labels."""
        layout, light, mount = (np.random.default_rng([self.seed, index, part]) for part in range(3))
        world = build(layout)
        weather = forecast(light, self.night, self.fog, self.rain)
        lens = self._lens(mount)
        faces = faces_of(world.things, lens)
        return View(world, ground_of(lens, world.road), faces, rasterize(faces, world.things, lens), weather)

    def _lens(self, rng: np.random.Generator) -> Lens:
        height, pitch = self.jitter * rng.uniform(-1, 1, 2)
        return Lens(
            height_px=self.size[0],
            width_px=self.size[1],
            focal_px=self.focal * self.size[1],
            height_m=self.camera_height_m * (1 + height),
            pitch_rad=self.pitch_rad + PITCH_JITTER_RAD * pitch,
        )
