"""What `accumulate` promises: equal weights without BatchNorm, and how far apart they are with it."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hydranet.checkpoint import checkpoint
from hydranet.config.optim import Optim
from hydranet.core.spec import Part
from hydranet.training.train import train
from toys import toy_recipe


def learned(folder: Path, accumulate: int, norm: bool) -> dict[str, torch.Tensor]:
    """Weights after four steps of plain gradient descent: Adam would make steps of the rounding of zero gradients."""
    optim = Optim(lr=1e-2, algorithm=Part(torch.optim.SGD, momentum=0.9))
    recipe = replace(toy_recipe(steps=4, batch=4, norm=norm), accumulate=accumulate, optim=optim)
    list(train(recipe, folder))
    tensors = checkpoint.read(folder / checkpoint.MODEL)[0]
    return {name: one for name, one in tensors.items() if "running" not in name and "tracked" not in name}


@pytest.mark.parametrize("norm", [False, True])
def test_weights_are_equal_up_to_rounding_without_batchnorm_alone(tmp_path: Path, norm: bool) -> None:
    whole, halves = (learned(tmp_path / str(n), n, norm) for n in (1, 2))
    assert whole.keys() == halves.keys()
    apart = max(float((whole[name] - halves[name]).abs().max()) for name in whole)
    moved = max(float(tensor.abs().max()) for tensor in whole.values())
    if norm:
        assert 1e-4 < apart < moved  # each half has statistics of its own: this is no rounding
    else:
        assert apart < 1e-5
