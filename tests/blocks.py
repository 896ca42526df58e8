"""Images of bright and dark blocks with three labels, and recipes that learn them in seconds: for teachers and
students."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hydranet.annotations import Annotation, ClassMap, NormalMap, ScalarMap
from hydranet.config.optim import Optim
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.dataset import Dataset
from hydranet.core.sample import Camera, Sample
from hydranet.core.spec import Part
from hydranet.tasks.depth.task import Depth
from hydranet.tasks.normals.task import Normals
from hydranet.tasks.semantic.task import Semantic
from toys import STILL, ToyDecoder, ToyEncoder

CLASSES = ("dark", "bright")
SIZE = (32, 64)
CANONICAL = 50.0
"""Focal length in pixels at which blocks are as far as they look."""


@dataclass(frozen=True)
class Blocks(Dataset):
    """Blocks of 16 pixels; the bright ones are class 1, near, and tilted."""

    count: int = 24
    seed: int = 0
    labels: tuple[str, ...] = ("semantic", "depth", "normals")
    size: tuple[int, int] = SIZE

    @property
    def classes(self) -> dict[str, tuple[str, ...]]:
        return {"semantic": CLASSES} if "semantic" in self.labels else {}

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng((self.seed, index))
        bright = rng.integers(0, 2, (-(-self.size[0] // 16), -(-self.size[1] // 16)), dtype=np.uint8)
        bright = bright.repeat(16, 0).repeat(16, 1)[: self.size[0], : self.size[1]]
        image = (bright[..., None] * 150 + rng.integers(20, 60, (*self.size, 3))).astype(np.uint8)
        tilt = np.where(bright, 0.6, 0.0).astype(np.float32)
        known: dict[str, Annotation] = {
            "semantic": ClassMap(bright),
            "depth": ScalarMap(np.where(bright, 5.0, 20.0).astype(np.float32), unit="m"),
            "normals": NormalMap(np.stack([tilt, np.zeros_like(tilt), -np.sqrt(1 - tilt**2)])),
        }
        return Sample(image, {name: known[name] for name in self.labels}, key=f"{self.seed}/{index}")


@dataclass(frozen=True)
class Seen(Blocks):
    """Blocks through a camera: what looks the same is as many times farther as its focal length is longer."""

    focal: float = CANONICAL

    def __getitem__(self, index: int) -> Sample:
        sample = super().__getitem__(index)
        depth = sample.labels["depth"]
        assert isinstance(depth, ScalarMap)
        far = replace(depth, values=depth.values * np.float32(self.focal / CANONICAL))
        return sample.but(labels={"depth": far}, camera=Camera.centered(self.focal, sample.size))


TASKS = {
    "semantic": Semantic("semantic", CLASSES),
    "depth": Depth("depth", min_m=1.0, max_m=80.0, objective="log_l1"),
    "normals": Normals("normals"),
}


def blocks(*labels: str, tasks: tuple[str, ...] = (), **changes: object) -> Recipe:
    """A recipe with one source that has these labels, and tasks for them (or others)."""
    recipe = Recipe(
        name="blocks",
        tasks=tuple(TASKS[name] for name in tasks or labels),
        encoder=Part(ToyEncoder, norm=True),
        decoder=Part(ToyDecoder),
        data=(Source("blocks", Blocks(labels=labels), SIZE),),
        validation=(Source("held-out", Blocks(count=6, seed=99), SIZE),),
        augment=STILL,
        optim=Optim(lr=2e-2),
        steps=60,
        batch=4,
        save_every=0,
        workers=0,
    )
    return replace(recipe, **changes)


def trained(recipe: Recipe, folder: Path) -> Path:
    """The folder of a finished run."""
    from hydranet.training.train import train

    for _ in train(recipe, folder):
        pass
    return folder


def scores(folder: Path) -> dict[str, dict[str, float]]:
    """Scores of a run on its validation source."""
    from hydranet.checkpoint.checkpoint import load_model
    from hydranet.evaluation.evaluate import evaluate
    from hydranet.evaluation.report import Report

    model, recipe = load_model(folder)
    report = list(evaluate(model, recipe.validation))[-1]
    assert isinstance(report, Report)
    return report.scores["held-out"]
