"""The optimizer and the learning rates, as a recipe states them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from hydranet.core.spec import Component, Part, SpecError

HIGHEST = 1e6
"""Highest learning rate: no optimizer learns with it, and beyond it a step alone is no finite number."""


@dataclass(frozen=True)
class Optim(Component):
    """The optimizer and the learning rates.

    lr:        the peak of the learning rate, for decoder and heads.
    factors:   on it, by part of the network: "encoder", "decoder", "heads", "balancer".
    algorithm: an optimizer of torch; its weight decay spares biases, norms and the balancer.
    clip:      largest gradient norm, or None.
    """

    lr: float = 1e-3
    factors: Mapping[str, float] = field(default_factory=lambda: {"encoder": 0.3})
    algorithm: Part[torch.optim.Optimizer] = field(default_factory=lambda: Part(torch.optim.AdamW, weight_decay=1e-2))
    clip: float | None = 10.0

    def __post_init__(self) -> None:
        if not 0 < self.lr <= HIGHEST:
            raise SpecError(
                f"got optim.lr={self.lr}, expected a number > 0, such as 1e-3, and at most 1e6; to keep a part "
                "as it is, freeze it in a stage (docs/stages.md)"
            )
        for part, factor in self.factors.items():
            if not 0 <= factor < math.inf:
                raise SpecError(f"got optim.factors.{part}={factor}, expected a number >= 0; 1 = the rate of optim.lr")
        if self.clip is not None and not 0 < self.clip < math.inf:
            raise SpecError(f"got optim.clip={self.clip}, expected a number > 0, such as 10; null = no clipping")

    def rate(self, part: str) -> float:
        """The learning rate of a part of the network at its peak."""
        return self.lr * self.factors.get(part, 1.0)
