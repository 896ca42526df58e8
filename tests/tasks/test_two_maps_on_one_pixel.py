"""A pixel may be a lane line and drivable: two heads of maps, each with labels of its own, instead of one with both."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from export_toys import SmallEncoder
from hydranet.annotations import ClassMap
from hydranet.core.batch import collate, stack
from hydranet.core.spec import Part
from hydranet.core.task import to_numpy
from hydranet.datasets.scenes.dataset import Scenes
from hydranet.tasks.semantic.task import Semantic
from hydranet.training.losses import losses_of
from hydranet.visualization.draw import draw
from toys import toy_recipe

SIZE = (64, 96)
NAMES = ("drivable", "lane_mask")
SCENES = Scenes(count=2, size=SIZE, seed=3, labels=NAMES)
TASKS = tuple(Semantic(name, SCENES.classes[name], reads="encoder") for name in NAMES)


def learned(task: Semantic, label: ClassMap) -> Tensor:
    """Raw outputs of a head that was taught one label."""
    raw = torch.zeros(1, len(task.classes), SIZE[0] // 4, SIZE[1] // 4, requires_grad=True)
    optimizer = torch.optim.Adam([raw], 0.3)
    for _ in range(40):
        optimizer.zero_grad()
        task.loss(raw, stack([label])).mean().backward()
        optimizer.step()
    return raw.detach()


def test_a_pixel_is_answered_as_both_and_each_map_has_its_scores() -> None:
    sample = SCENES[0]
    labels = {name: sample.labels[name] for name in NAMES}
    answers = {task.name: to_numpy(task.decode(learned(task, labels[task.name])), 0) for task in TASKS}
    both = (labels["drivable"].ids > 0) & (labels["lane_mask"].ids > 0)
    assert both.sum() > 50
    found = (answers["drivable"].ids > 0) & (answers["lane_mask"].ids > 0)
    assert (found & both).sum() / both.sum() > 0.7
    assert (found & both).sum() / found.sum() > 0.7
    for task in TASKS:
        scores = task.score(task.measure(answers[task.name], labels[task.name]))
        assert scores["miou"] > 0.5
        assert sum(scores[f"iou/{name}"] > 0.6 for name in task.classes) >= 2
    gray = np.full((*SIZE, 3), 128, np.uint8)
    first, second = (draw(gray, answers[task.name], task.classes).astype(int) for task in TASKS)
    scale = len(first) // SIZE[0]
    there = np.kron(found, np.ones((scale, scale))) > 0
    assert np.abs(first - second)[there].max(1).min() > 20, "each map has its own colors there"


def test_sources_that_label_one_of_the_maps_teach_that_one_alone() -> None:
    recipe = replace(toy_recipe(), tasks=TASKS, encoder=Part(SmallEncoder))
    model = recipe.build()
    batch = collate([replace(SCENES, labels=(name,))[i] for i, name in enumerate(NAMES)])
    losses = losses_of(model, model(batch.image.float() / 255), batch)
    assert {name: int(loss.count) for name, loss in losses.items()} == dict.fromkeys(NAMES, SIZE[0] * SIZE[1])
    losses["lane_mask"].total.backward()
    assert all(parameter.grad is None for parameter in model.heads["drivable"].parameters())


def test_unknown_in_one_map_says_nothing_about_the_other() -> None:
    sample = SCENES[0]
    hole = replace(sample.labels["lane_mask"], ids=sample.labels["lane_mask"].ids.copy())
    hole.ids[:, 48:] = 255
    counts = {
        task.name: task.loss(torch.zeros(1, 3, 16, 24), stack([label])).count.item()
        for task, label in zip(TASKS, (sample.labels["drivable"], hole), strict=True)
    }
    assert counts == {"drivable": pytest.approx(64 * 96), "lane_mask": pytest.approx(64 * 48)}
