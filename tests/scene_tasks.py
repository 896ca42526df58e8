"""Every task of the package with the label of the generated scenes that it learns from; nothing is named here."""

import importlib
from contextlib import suppress
from dataclasses import replace

from export_toys import SmallEncoder
from hydranet.config import catalog
from hydranet.config.optim import Optim
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.sample import DataError
from hydranet.core.spec import Part, SpecError
from hydranet.core.task import Task
from hydranet.datasets.scenes.dataset import Scenes
from hydranet.datasets.scenes.labels import LABELS
from toys import STILL, ToyDecoder

SIZE = (64, 96)
Fitting = dict[str, tuple[Task, str]]


def scene_tasks(size: tuple[int, int] = SIZE) -> Fitting:
    """By class, the task as the scenes' labels ask for it, and the first label that fits it."""
    scenes = Scenes(count=4, size=size, seed=1)
    samples = [scenes[i].labels for i in range(len(scenes))]
    fitting: Fitting = {}
    for found in catalog.members("tasks"):
        module, _, name = found.path.rpartition(".")
        cls = getattr(importlib.import_module(module), name)
        for label in LABELS:
            if not isinstance(samples[0][label], cls.kind):
                continue
            with suppress(SpecError, DataError):
                task = cls.fitting(name.lower(), tuple(scenes.classes.get(label, ())), [one[label] for one in samples])
                fitting[name] = (replace(task, reads="encoder"), label)
                break
    return fitting


def source(name: str, fitting: Fitting, scenes: Scenes) -> Source:
    """Scenes that are labeled for these tasks alone."""
    labels = {task.name: label for task, label in fitting.values()}
    return Source(name, replace(scenes, labels=tuple(dict.fromkeys(labels.values()))), scenes.size, labels=labels)


def scene_recipe(fitting: Fitting, steps: int = 1) -> Recipe:
    """A small network with all of these heads; three sources, each of which labels a third of them."""
    names = list(fitting)
    parts = [{name: fitting[name] for name in names[i::3]} for i in range(3)]
    return Recipe(
        name="scenes",
        tasks=tuple(task for task, _ in fitting.values()),
        encoder=Part(SmallEncoder),
        decoder=Part(ToyDecoder),
        data=tuple(source("abc"[i], part, Scenes(count=4, size=SIZE, seed=i)) for i, part in enumerate(parts)),
        validation=(source("held-out", fitting, Scenes(count=2, size=SIZE, seed=9)),),
        augment=STILL,
        optim=Optim(lr=1e-3),
        steps=steps,
        batch=6,
        save_every=0,
        workers=0,
    )
