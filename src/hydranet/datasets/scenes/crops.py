"""Images of single traffic signs with their class, as a detector would cut them out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from hydranet.annotations import Tag
from hydranet.core.dataset import Dataset
from hydranet.core.sample import Sample
from hydranet.datasets.scenes.roadside import ROOFS, WALLS
from hydranet.datasets.scenes.signs import CLASSES, MIRROR, design
from hydranet.datasets.scenes.street import STEEL
from hydranet.datasets.scenes.texture import TILE, noise

FINER = 4
"""Signs are drawn this many times larger and then reduced, which smooths their edges."""

DISTANCE = 6.0
"""Distance of the camera in radii of the sign: it decides how much larger the nearer half of a turned sign is."""

BACKDROPS = (*WALLS, *ROOFS, (0.55, 0.72, 0.9), (0.82, 0.84, 0.86), (0.25, 0.36, 0.14), (0.12, 0.2, 0.08))
"""Colors behind a sign: walls, roofs, sky, leaves."""


@dataclass(frozen=True)
class SceneSigns(Dataset):
    """Square crops of traffic signs, turned, shaded, blurred; a sample depends on `seed`, index and fields only.

    Some classes have no mirror image, others change into one another: see `Tag.mirror` of the label.
    night: share of crops taken at night.
    """

    count: int = 1000
    seed: int = 0
    size: int = 64
    night: float = 0.12

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        """Names of the signs."""
        return {"sign": CLASSES}

    def identities(self) -> Sequence[str]:
        return [f"sign {self.seed} {self.size} {self.night} {index}" for index in range(self.count)]

    def keys(self) -> Sequence[str]:
        return [f"{self.seed}/{index}" for index in range(self.count)]

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < self.count:
            raise IndexError(f"got sign {index}, expected 0..{self.count - 1}")
        rng = np.random.default_rng([self.seed, index])
        label = int(rng.integers(len(CLASSES)))
        crop = _photographed(_drawn(label, self.size, rng), self.night, rng)
        return Sample(crop, {"sign": Tag(np.asarray(label), mirror=MIRROR)}, key=f"{self.seed}/{index}")


def _drawn(label: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """float32 size size 3: the sign and its pole before a blurred background."""
    side = size * FINER
    canvas = _background(side, rng)
    turn = _turn(*rng.normal(0, (0.35, 0.12, 0.06)).clip(-0.7, 0.7))
    radius, center = side * rng.uniform(0.3, 0.46), side * (0.5 + rng.uniform(-0.05, 0.05, 2))
    pole = np.array([(-0.09, -4.0), (0.09, -4.0), (0.09, 0.4), (-0.09, 0.4)])
    for points, color in ((pole, STEEL), *design(label)):
        turned = np.column_stack([points * (1, -1), np.zeros(len(points))]) @ turn.T
        pixels = center + radius * turned[:, :2] / (1 + turned[:, 2:] / DISTANCE)
        cv2.fillConvexPoly(canvas, np.round(pixels * 16).astype(np.int32), color, cv2.LINE_8, 4)
    return cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA)


def _turn(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """float 3 3: rotation about the y, x and z axes, in camera axes."""
    (a, b, c), (d, e, f) = np.cos((yaw, pitch, roll)), np.sin((yaw, pitch, roll))
    about_y = np.array([[a, 0, d], [0, 1, 0], [-d, 0, a]])
    about_x = np.array([[1, 0, 0], [0, b, -e], [0, e, b]])
    about_z = np.array([[c, -f, 0], [f, c, 0], [0, 0, 1]])
    return about_y @ about_x @ about_z


def _background(side: int, rng: np.random.Generator) -> np.ndarray:
    """float32 side side 3: sky, leaves or walls out of focus."""
    low, high = (np.array(BACKDROPS[rng.integers(len(BACKDROPS))]) * rng.uniform(0.5, 1.3) for _ in range(2))
    row, column = rng.integers(0, TILE, 2)
    lumps = np.roll(noise(8, 64, 4), (row, column), (0, 1))[:side:2, :side:2]
    share = cv2.resize(np.clip(0.5 + 0.3 * lumps, 0, 1), (side, side))[..., None]
    return (low * (1 - share) + high * share).astype(np.float32)


def _photographed(crop: np.ndarray, night: float, rng: np.random.Generator) -> np.ndarray:
    """uint8 h w 3: light and shade, haze, blur, sensor noise."""
    size = len(crop)
    dark = rng.random() < night
    slope = np.linspace(-1, 1, size)[:, None] * rng.normal(0, 0.12) + np.linspace(-1, 1, size) * rng.normal(0, 0.12)
    light = (rng.uniform(0.12, 0.35) if dark else rng.uniform(0.5, 1.15)) * (1 + slope)
    haze = rng.uniform(0, 0.35) ** 1.5
    crop = crop * (light[..., None] * (1 + rng.normal(0, 0.04, 3))) * (1 - haze) + haze * (0.1 if dark else 0.8)
    crop = cv2.GaussianBlur(crop, (0, 0), rng.uniform(0.3, 1.4) * size / 64)
    crop = crop + rng.normal(0, 0.03 if dark else 0.012, crop.shape)
    return (np.clip(crop, 0, 1) * 255).astype(np.uint8)
