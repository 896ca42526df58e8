"""Depthwise convolutions in float32 where the rest of a network trains in bfloat16 on a processor."""

from functools import partial

import torch
from torch import Tensor, nn


def depthwise_in_float32(module: nn.Module) -> int:
    """Computes every depthwise convolution inside in float32 within autocast; returns how many there are.

    Their backward pass in bfloat16 takes three to eight times as long as in float32 on processors with AMX
    (`benchmarks/depthwise.py`), for no fewer bits read: they do one multiplication per number. Results have the type of
    what came in, so all other layers stay as they are.
    """
    layers = [part for part in module.modules() if isinstance(part, nn.Conv2d) and is_depthwise(part)]
    for layer in layers:
        layer.forward = partial(_in_float32, type(layer).forward, layer)  # type: ignore[method-assign]
    return len(layers)


def is_depthwise(layer: nn.Conv2d) -> bool:
    """Whether each channel is filtered alone. One of 1x1 only scales: PyTorch computes it slowly in float32."""
    return 1 < layer.groups == layer.in_channels and max(layer.kernel_size) > 1


def _in_float32(forward: object, layer: nn.Conv2d, x: Tensor) -> Tensor:
    assert callable(forward)
    if not torch.is_autocast_enabled(x.device.type):
        return forward(layer, x)
    with torch.autocast(x.device.type, enabled=False):
        return forward(layer, x.float()).to(x.dtype)
