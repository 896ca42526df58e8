"""A recipe of half-labeled scenes: do tasks learn from images that label only the others?

    hydranet sweep benchmarks/partial_labels.py joint.weight=0,0.1,0.5 seed=0..2

Half of the images label classes and normals, the others depth and edges; everything else is as in the recipe `five`.
"""

from dataclasses import replace

from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.datasets.in_memory import InMemory
from hydranet.datasets.scenes.dataset import Scenes
from hydranet.recipes.five import FOCAL, SIZE, five

HALVES = {"flat": ("semantic", "normals"), "deep": ("depth", "edge_strength")}
NAMES = {"edges": "edge_strength"}


def halves() -> Recipe:
    """Four dense tasks, of which no image labels more than two."""
    base = five()

    def half(name: str, seed: int) -> Source:
        scenes = Scenes(count=160, seed=seed, size=SIZE, focal=FOCAL, labels=HALVES[name])
        return Source(name, InMemory(scenes), SIZE, labels=NAMES if name == "deep" else {})

    return replace(
        base,
        name="halves",
        tasks=tuple(task for task in base.tasks if task.name != "landmarks"),
        data=tuple(half(name, seed) for seed, name in enumerate(HALVES, start=1)),
        validation=tuple(replace(one, labels=NAMES) for one in base.validation),
    )
