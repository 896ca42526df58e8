"""Averaged weights: what is evaluated and shipped."""

import torch
from torch import nn


class Average:
    """Exponential moving average of weights and buffers; the decay warms up as min(d, (1 + s) / (10 + s)).

    still: names of tensors that are left alone.
    """

    still: frozenset[str] = frozenset()

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.tensors = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Moves the average towards the model."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, tensor in model.state_dict().items():
            if name in self.still:
                continue
            if tensor.is_floating_point():
                self.tensors[name].lerp_(tensor, 1 - decay)
            else:
                self.tensors[name].copy_(tensor)
