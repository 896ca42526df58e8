"""Parts of a network that must not change while the rest learns."""

from functools import partial

from torch import nn


def freeze(module: nn.Module) -> None:
    """Keeps a module as it is, bit by bit: no gradients, eval mode for everything inside, and `train()` cannot undo it.

    Without the second half BatchNorm would go on averaging, and dropout would go on dropping. Gradients that are
    already there are forgotten: an optimiser moves whatever has one, if only by momentum and weight decay.
    """
    for parameter in module.parameters():
        parameter.requires_grad_(False)
        parameter.grad = None
    module.eval()
    for part in module.modules():
        part.train = partial(_stay, part)  # type: ignore[method-assign]


def unfreeze(module: nn.Module, training: bool = True) -> None:
    """The way back from `freeze`; all parameters learn again."""
    for part in module.modules():
        part.__dict__.pop("train", None)
    module.requires_grad_(True)
    module.train(training)


def _stay(part: nn.Module, mode: bool = True) -> nn.Module:
    return part
