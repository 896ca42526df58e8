"""A head with one answer per image: global pooling, then layers without space."""

from collections.abc import Sequence
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from hydranet.core.features import Features, Pyramid
from hydranet.core.spec import SpecError

HIDDEN = (1024, 512)
"""Channels of the hidden layers of a head for traffic signs and the like; () = linear."""


class PooledHead(nn.Module):
    """Mean over the coarsest level, then for each width in `hidden` a linear layer, BatchNorm, ReLU and dropout, and a
    linear layer to `outputs`.

    Linear layers are 1x1 convolutions of a 1x1 map: what folds, synchronizes and quantizes convolutions and their norms
    serves them, too. The hidden layers have no bias, since their norm takes it away.
    Raises SpecError for a width below 1 or a dropout outside 0 <= p < 1.
    """

    def __init__(self, features: Features, outputs: int, hidden: Sequence[int] = HIDDEN, dropout: float = 0.5) -> None:
        super().__init__()
        check_hidden(hidden, dropout)
        self.place = max(range(len(features)), key=lambda i: (features[i].stride, i))
        channels = [features[self.place].channels, *hidden]
        layers: list[nn.Module] = []
        for before, after in pairwise(channels):
            layers += [nn.Conv2d(before, after, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU(), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers)
        self.last = nn.Conv2d(channels[-1], outputs, 1)

    def forward(self, pyramid: Pyramid) -> Float[Tensor, "b o"]:
        # A mean, not AdaptiveAvgPool2d: runtimes take it at any size.
        pooled = pyramid[self.place].mean((2, 3), keepdim=True)
        return self.last(self.layers(pooled)).flatten(1)


def check_hidden(hidden: Sequence[int], dropout: float) -> None:
    """Raises SpecError for a width below 1 or a dropout outside 0 <= p < 1."""
    if any(width < 1 for width in hidden):
        raise SpecError(f"got hidden={tuple(hidden)}, expected widths >= 1; () = a linear head")
    if not 0 <= dropout < 1:
        raise SpecError(f"got dropout={dropout}, expected 0 <= dropout < 1")
