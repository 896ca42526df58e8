"""What flows between encoder, decoder and heads."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from jaxtyping import Float
from torch import Tensor, nn

GRAY = 114 / 255
"""What lies beside an image inside the network, as in a letterbox."""
SIDES = 4
"""Height and width of a network's input are multiples of it: the stride of heads with an output for every pixel."""

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


class StagedEncoder(Encoder):
    """An encoder that is a chain: each level is computed from the one before, so that it can be cut between levels.

    Structures that share some stages of an encoder, or mix the stages of several, need one.
    """

    @abstractmethod
    def segments(self) -> list[nn.Module]:
        """One module per level, the finest first: image -> level 0, level 0 -> level 1, and so on."""

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> Pyramid:
        x, levels = image, []
        for segment in self.segments():
            x = segment(x)
            levels.append(x)
        return levels


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
    that task's own gradient. Names of direct children are the parts that `optim.factors` knows ("encoder", "decoder").
    """

    features: Mapping[str, Features]

    @abstractmethod
    def shared(self, image: Float[Tensor, "b 3 h w"]) -> Pyramid:
        """The features that all tasks pass; `image` is RGB in 0..1."""

    @abstractmethod
    def branch(self, features: Pyramid, tasks: Sequence[str]) -> dict[str, Pyramid]:
        """What the head of each task reads, from what `shared` returned; computes only what `tasks` need."""

    @classmethod
    def options_for(cls, options: Mapping[str, Any], tasks: Collection[str]) -> dict[str, Any]:
        """Its options in a recipe that has only these of its tasks."""
        return dict(options)

    def hard_names(self) -> dict[str, str]:
        """For tensors that a hard-shared trunk has under another name: {name here: name there}.

        A network that starts from a hard-shared one fills each of its copies of a part from that part.
        """
        return {}

    def forward(self, image: Float[Tensor, "b 3 h w"], tasks: Sequence[str]) -> dict[str, Pyramid]:
        """Image to what the heads of `tasks` read.

        Where a side is no multiple of the coarsest stride, the image is padded with gray on its right and below, and
        each level is cut to the cells that hold a part of the image: ceil(side / stride).
        """
        height, width = image.shape[-2:]
        stride = max(level.stride for task in tasks for level in self.features[task])
        if not height % stride and not width % stride:
            return self.branch(self.shared(image), tasks)
        padded = nn.functional.pad(image, (0, -width % stride, 0, -height % stride), value=GRAY)
        pyramids = self.branch(self.shared(padded), tasks)
        cut: dict[int, Tensor] = {}  # tasks share levels, and must go on sharing them
        for task, levels in pyramids.items():
            for level, spec in zip(levels, self.features[task], strict=True):
                if id(level) not in cut:
                    cut[id(level)] = level[..., : -(-height // spec.stride), : -(-width // spec.stride)]
        return {task: [cut[id(level)] for level in levels] for task, levels in pyramids.items()}


MakeEncoder = Callable[[], Encoder]
MakeDecoder = Callable[[Features], Decoder]
