"""Learning from a teacher's features: its pyramid is predicted from the student's, level by level."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hydranet.core.distillation_target import DistillationTarget
from hydranet.core.features import Features, Pyramid
from hydranet.core.spec import SpecError
from hydranet.core.task import Loss, Raw
from hydranet.distillation.training_task import TrainingTask


@dataclass(frozen=True)
class FeatureMatching(TrainingTask):
    """A head that exists while training only: 1x1 projections of the student's levels to the teacher's channels.

    Its loss has another unit than the teacher's other distillation targets.

    hint: channels and strides of the teacher's levels.    strength: factor on the loss.
    """

    headline: ClassVar[tuple[str, Literal["higher", "lower"]]] = ("relative_error", "lower")

    hint: Features = field(default=(), kw_only=True)
    strength: float = field(default=1.0, kw_only=True)

    def head(self, features: Features) -> nn.Module:
        """Raises SpecError where student and teacher have no stride in common."""
        return Projections(features, self.hint)

    def distill(self, raw: Raw, distilled_target: DistillationTarget) -> Loss:
        """Sum over images and levels of strength * |r(s) - t|^2 / |t|^2 (FitNets, arXiv 1412.6550, eq. 3).

        Relative to the teacher's level, so that its scale does not matter; the count is images times levels.
        """
        wanted = [distilled_target.raw[place] for place in places_of(self.hint)]
        error = torch.stack([relative_error(own, target) for own, target in zip(raw, wanted, strict=True)])
        return Loss(self.strength * error.sum(), error.new_tensor(float(error.numel())))


class Projections(nn.Module):
    """1x1 convolutions from the student's levels to the channels of the teacher's levels of the same stride."""

    def __init__(self, features: Features, hint: Features) -> None:
        super().__init__()
        places = places_of(features)
        strides = {features[place].stride: place for place in places}
        wanted = [hint[place] for place in places_of(hint)]
        missing = [level.stride for level in wanted if level.stride not in strides]
        if missing:
            raise SpecError(
                f"the teacher has levels of strides {[level.stride for level in wanted]}, the student of "
                f"{sorted(strides)}: none for {missing}; match networks of equal strides, or give features=0"
            )
        self.places = [strides[level.stride] for level in wanted]
        self.layers = nn.ModuleList(
            nn.Conv2d(features[place].channels, level.channels, 1)
            for place, level in zip(self.places, wanted, strict=True)
        )

    def forward(self, pyramid: Pyramid) -> list[Tensor]:
        return [layer(pyramid[place]) for layer, place in zip(self.layers, self.places, strict=True)]


def places_of(features: Features) -> list[int]:
    """Places of the levels to match: one for each stride, the last where several share it."""
    return sorted({level.stride: place for place, level in enumerate(features)}.values())


def relative_error(own: Float[Tensor, "b c h w"], target: Float[Tensor, "b c h w"]) -> Float[Tensor, " b"]:
    """|own - target|^2 / |target|^2 of each image."""
    own, target = own.float(), target.float()
    square = target.square().mean((1, 2, 3)).clamp(min=1e-8)
    return (own - target).square().mean((1, 2, 3)) / square
