"""A task of your own in forty lines: where are edges? Nothing else is registered, edited or configured.

    hydranet train examples/custom_task.py --out runs/custom
    PYTHONPATH=examples hydranet evaluate runs/custom

Training, evaluation, drawing, JSON and checkpoints find the task through the recipe below.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from hydranet.annotations import ClassMap
from hydranet.config.recipe import Recipe
from hydranet.core.task import Loss, Task
from hydranet.models.heads.dense import DenseHead, full_size
from hydranet.recipes.demo import demo


@dataclass(frozen=True)
class Outline(Task):
    """Class 1 where two surfaces meet; a rare class, which therefore weighs more in the loss."""

    kind = ClassMap
    headline = ("f1", "higher")
    edge_weight: float = 5.0

    def head(self, features):
        return DenseHead(features, 1)

    def loss(self, raw, label):
        known, wanted = label.ids != 255, (label.ids == 1).float()
        weight = known * (1 + (self.edge_weight - 1) * wanted)
        total = binary_cross_entropy_with_logits(full_size(raw)[:, 0], wanted, weight, reduction="sum")
        return Loss(total, known.sum().float())

    def decode(self, raw):
        return ClassMap((full_size(raw)[:, 0] > 0).to(torch.uint8))

    def measure(self, prediction, label):
        known, predicted, labeled = label.ids != 255, prediction.ids == 1, label.ids == 1
        masks = (predicted & labeled, predicted, labeled)
        return {"hit_said_there": np.array([(known & mask).sum() for mask in masks])}

    def score(self, stats):
        hit, predicted, labeled = stats["hit_said_there"]
        return {"f1": float(2 * hit / max(predicted + labeled, 1)), "precision": float(hit / max(predicted, 1))}


def custom() -> Recipe:
    """The demo with the new task beside segmentation, from a source that labels both."""
    base = demo()
    scenes = replace(base.data[0].dataset, labels=("semantic", "edges"))
    tasks = (base.tasks[0], Outline("edges", scenes.classes["edges"]))
    data = (replace(base.data[0], dataset=scenes),)
    return replace(base, name="custom", tasks=tasks, data=data, steps=40)
