"""A small network with every task there is, and images, for tests of what is shipped."""

import importlib
from contextlib import suppress
from dataclasses import fields, replace

import numpy as np
import torch
from torch import Tensor, nn

from hydranet.annotations import Boxes
from hydranet.config import catalog
from hydranet.config.recipe import Recipe
from hydranet.core.features import Encoder, FeatureSpec, Pyramid
from hydranet.core.sample import Sample
from hydranet.core.spec import Part, SpecError
from hydranet.core.task import Task
from hydranet.models.heads.faster_rcnn import TwoStage
from hydranet.models.hydranet import HydraNet
from hydranet.tasks.detection.task import HEADS, Detection
from toys import toy_recipe

SIZE = (64, 96)
CLASSES = tuple(f"class {i}" for i in range(4))
POINTS = 3


class SmallEncoder(Encoder):
    """Four levels; convolution, BatchNorm and ReLU each, and the same with a depthwise convolution."""

    features = tuple(FeatureSpec(16, stride) for stride in (4, 8, 16, 32))

    def __init__(self, weights: str | None = None) -> None:
        super().__init__()
        steps = zip((3, 16, 16, 16), (4, 2, 2, 2), strict=True)
        self.steps = nn.ModuleList(
            nn.Sequential(
                *(nn.Conv2d(i, 16, 5, s, 2, bias=False), nn.BatchNorm2d(16), nn.ReLU()),
                *(nn.Conv2d(16, 16, 3, 1, 1, bias=False, groups=16), nn.BatchNorm2d(16), nn.ReLU6()),
            )
            for i, s in steps
        )

    def forward(self, image: Tensor) -> Pyramid:
        levels = []
        for step in self.steps:
            image = step(image)
            levels.append(image)
        return levels


def build(name: str, path: str) -> Task:
    """The task with its default options and a name; with classes or points only if it asks for them."""
    module, _, cls = path.rpartition(".")
    make = getattr(importlib.import_module(module), cls)
    options = {field.name for field in fields(make)}
    for given in ({}, {"classes": CLASSES}, {"points": POINTS}):
        if set(given) <= options:
            with suppress(SpecError):
                return make(name=name, reads="encoder", **given)
    return make(name=name, classes=CLASSES, points=POINTS, reads="encoder")


def every_task() -> tuple[Task, ...]:
    """All tasks that are found in the package, and every detection head; few candidates, so that tests are quick."""
    found = [build(f.name.lower(), f.path) for f in catalog.members("tasks") if not f.path.endswith(".Detection")]
    heads = {word: make(width=16, rpn_width=16) if make is TwoStage else word for word, make in HEADS.items()}
    boxes = [
        Detection(word, CLASSES, reads="encoder", detector=head, pre_nms_topk=40, max_detections=20)
        for word, head in heads.items()
    ]
    return (*found, *boxes)


def every_recipe() -> Recipe:
    """A recipe of all of them."""
    return replace(toy_recipe(), tasks=every_task(), encoder=Part(SmallEncoder))


def shaken(model: HydraNet) -> HydraNet:
    """The network with statistics in its norms and answers that differ from place to place, as after training."""
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
            module.weight.data.uniform_(0.5, 2, generator=generator)
            module.bias.data.normal_(0, 0.5, generator=generator)
        elif isinstance(module, nn.Conv2d | nn.Linear):
            spread = 1.5 / module.weight[0].numel() ** 0.5
            module.weight.data.normal_(0, spread, generator=generator)
    return model.eval()


def pictures(count: int = 2, size: tuple[int, int] = (75, 130)) -> list[np.ndarray]:
    """Noise with large and small shapes in it, uint8 h w 3."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (count, 5, 8, 3), dtype=np.uint8).repeat(20, 1).repeat(20, 2)
    return [np.ascontiguousarray(one[: size[0], : size[1]]) for one in coarse]


def samples(count: int = 2, size: tuple[int, int] = (75, 130)) -> list[Sample]:
    """The same as samples without labels."""
    return [Sample(one, key=str(i)) for i, one in enumerate(pictures(count, size))]


def ordered(boxes: Boxes) -> np.ndarray:
    """Rows of boxes in an order of their own, for comparisons where scores tie."""
    table = np.column_stack([boxes.label, boxes.xyxy, boxes.score])
    return table[np.lexsort(table.T[::-1].round(2))]
