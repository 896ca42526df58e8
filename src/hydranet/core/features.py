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

    What all tasks pass is told apart from what branches off: `shared` computes the former, `branch` the rest. A
    structure that shares parameters, but no features (cross-stitch), returns what goes into its branches from `shared`
    (the image itself, say). Which parameters several tasks use is found out by running it
    (`training.feature_gradients.parameter_users`), so that a part that one task owns, such as an adapter, gets
    that task's own gradient.
    """

    features: Mapping[str, Features]
    groups: ClassVar[tuple[str, ...]] = ("encoder", "decoder")
    """Names of direct children, for parameter groups: the learning rate of "encoder" differs from the rest."""

    @abstractmethod
    def shared(self, image: Float[Tensor, "b 3 h w"]) -> Pyramid:
        """The features that all tasks pass; `image` is RGB in 0..1."""

    @abstractmethod
    def branch(self, features: Pyramid, tasks: Sequence[str]) -> dict[str, Pyramid]:
        """What the head of each task reads, from what `shared` returned; computes only what `tasks` need."""

    def forward(self, image: Float[Tensor, "b 3 h w"], tasks: Sequence[str]) -> dict[str, Pyramid]:
        """Image to what the heads of `tasks` read."""
        return self.branch(self.shared(image), tasks)


MakeEncoder = Callable[[], Encoder]
MakeDecoder = Callable[[Features], Decoder]
