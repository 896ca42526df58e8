"""BatchNorm folded into the convolution before it: the same function with fewer operations."""

import copy
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from hydranet.models.layers.active_norm import after_norm


def folded(network: nn.Module, *example: UInt8[Tensor, "..."]) -> nn.Module:
    """A copy in eval mode in which every BatchNorm that directly follows a convolution is part of its weights.

    One forward pass on `example` shows which norm follows which convolution, so that it does not matter how the
    network is written. A convolution or norm that runs more than once, a convolution that several norms read, and a
    norm of an unknown class, which might do more than normalize, are left alone.
    """
    copied = copy.deepcopy(network).eval()
    for conv, norm in _pairs(copied, example):
        fused = fuse_conv_bn_eval(conv, norm)
        conv.weight, conv.bias = fused.weight, fused.bias
    return copied


def _pairs(network: nn.Module, example: tuple[Tensor, ...]) -> list[tuple[nn.Conv2d, nn.BatchNorm2d]]:
    """Convolutions and the norms that read them, each of which ran once; the norms are taken out of the network."""
    made: dict[int, nn.Conv2d] = {}
    alive: list[Tensor] = []  # a freed tensor's id may be given to another one
    runs: dict[nn.Module, int] = {}
    pairs: dict[nn.BatchNorm2d, nn.Conv2d] = {}

    def after(module: nn.Module, given: tuple[Any, ...], answer: Any) -> None:
        runs[module] = runs.get(module, 0) + 1
        if isinstance(module, nn.Conv2d):
            made[id(answer)] = module
            alive.append(answer)
        elif isinstance(module, nn.BatchNorm2d) and id(given[0]) in made:
            pairs[module] = made[id(given[0])]

    watched = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d)]
    hooks = [module.register_forward_hook(after) for module in watched]
    with torch.no_grad():
        network(*example)
    for hook in hooks:
        hook.remove()
    once = [conv for norm, conv in pairs.items() if runs[norm] == runs[conv] == 1]
    sound = {
        norm: conv
        for norm, conv in pairs.items()
        if once.count(conv) == 1 and norm.track_running_stats and after_norm(norm) is not None
    }
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm2d) and child in sound:
                setattr(parent, name, after_norm(child))
    return [(conv, norm) for norm, conv in sound.items()]
