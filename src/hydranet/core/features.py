"""What flows between encoder, decoder and heads."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from jaxtyping import Float
from torch import Tensor, nn

Pyramid = list[Tensor]
"""Feature maps, each float b c h w, finest first; two levels may share a stride."""


@dataclass(frozen=True)
class FeatureSpec:
    """One level of a pyramid: its number of channels and its stride in input pixels."""

    channels: int
    stride: int


Features = tuple[FeatureSpec, ...]
Reads = Literal["decoder", "encoder"]


class Encoder(nn.Module, ABC):
    """Image to pyramid. The first thing it does is to normalize: nobody else knows mean and std."""

    features: Features

    @abstractmethod
    def forward(self, image: Float[Tensor, "b 3 h w"]) -> Pyramid:
        """`image` is RGB in 0..1; h and w are multiples of the coarsest stride."""


class Decoder(nn.Module, ABC):
    """Pyramid to pyramid. Constructed as `Decoder(features, **options)` with the features of what it reads."""

    features: Features

    @abstractmethod
    def forward(self, pyramid: Pyramid) -> Pyramid: ...


class Trunk(nn.Module, ABC):
    """Everything that tasks share. Constructed as `Trunk(reads, encoder, decoder, **options)`.

    reads:   for each task whether its head reads the decoder's levels or the encoder's taps.
    encoder: makes an encoder.    decoder: makes a decoder for given features.
    """

    features: Mapping[str, Features]
    groups: ClassVar[tuple[str, ...]] = ("encoder", "decoder")
    """Names of direct children, for parameter groups: the learning rate of "encoder" differs from the rest."""

    @abstractmethod
    def forward(self, image: Float[Tensor, "b 3 h w"], tasks: Sequence[str]) -> dict[str, Pyramid]:
        """Computes only what `tasks` need."""


MakeEncoder = Callable[[], Encoder]
MakeDecoder = Callable[[Features], Decoder]
