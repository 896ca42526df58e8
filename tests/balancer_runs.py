"""Toy runs with a balancer of choice; as a program, also of two processes, it trains one run for each name."""

import importlib
import sys
from dataclasses import replace
from pathlib import Path

import torch

from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.spec import Part
from hydranet.training.train import train
from toys import Noise, toy_recipe


def part(spec: str, toy: bool = True) -> Part:
    """ "module.Class[@parameters]" as a part; windows are short, so that short runs see them end.

    toy: for the tasks of the toy recipe.
    """
    path, _, place = spec.partition("@")
    module, _, name = path.rpartition(".")
    found = Part(getattr(importlib.import_module(module), name))
    wanted: dict[str, object] = {"at": place, **{name: 1 for name in ("window", "every") if name in found.takes}}
    if "reached" in found.takes and toy:
        wanted["reached"] = {"bright": 0.1}
    return Part(found.cls, **{option: value for option, value in wanted.items() if value})


def recipe(spec: str) -> Recipe:
    """Four slots a step from two sources; the rare one alone has labels for one of the tasks."""
    rare = Noise(count=3, seed=9, labels=("bright",))
    sources = (Source("many", Noise(labels=("glow",)), (32, 64), weight=3.0), Source("few", rare, (32, 64)))
    return replace(toy_recipe(sources, steps=4, batch=4, norm=False), balancer=part(spec), save_every=0)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for index, given in enumerate(sys.argv[2:]):
        list(train(recipe(given), Path(sys.argv[1]) / str(index)))
