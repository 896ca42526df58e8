"""A toy run in three stages; as a program, also of two processes, it trains it."""

import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from hydranet.balancers.uncertainty import Uncertainty
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.config.stages import Stage
from hydranet.core.spec import Part
from hydranet.training.train import train
from toys import Noise, toy_recipe


def staged(norm: bool = True) -> Recipe:
    """Everything that has state; the dense task, then the other head alone, then all."""
    sources = (Source("a", Noise(), (32, 64)), Source("b", Noise(seed=5, labels=("glow",)), (32, 64), weight=0.5))
    stages = (
        Stage("dense", 3, tasks=("glow",)),
        Stage("new", 3, freeze=("trunk.encoder", "trunk.decoder.*", "heads.glow"), weights={"bright": 5.0}),
        Stage("all", 3, lr=0.5),
    )
    recipe = toy_recipe(sources, steps=9, norm=norm, dropout=0.3 if norm else 0.0)
    return replace(recipe, ema=0.9, balancer=Part(Uncertainty), stages=stages, save_every=1)


if __name__ == "__main__":
    torch.set_num_threads(1)
    list(train(staged(norm=False), Path(sys.argv[1])))


def bits(tensors: dict[str, Tensor]) -> dict[str, bytes]:
    """Tensors as bytes: 0.0 and -0.0 differ."""
    return {name: t.detach().contiguous().view(-1).view(torch.uint8).numpy().tobytes() for name, t in tensors.items()}
