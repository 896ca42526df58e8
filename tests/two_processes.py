"""Started by torchrun in test_processes.py: trains the toy recipe and saves what it learned."""

import sys
from pathlib import Path

import torch

from hydranet.recipe import Source
from hydranet.train import train
from toys import Noise, toy_recipe


def recipe(name: str):
    """Four slots a step; the golden-ratio plan gives one rank none of the rare source in some steps."""
    rare = Noise(count=3, seed=9, labels=("bright",))
    sources = (Source("many", Noise(labels=("glow",)), (32, 64), weight=3.0), Source("few", rare, (32, 64)))
    return toy_recipe(sources, steps=5, batch=4, norm=False)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for progress in train(recipe("two"), Path(sys.argv[1])):
        print(progress.step, sorted(progress.outcome.losses))
