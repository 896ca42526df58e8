"""Any convolutional network of the timm library."""

from typing import Any

from torch import Tensor

from hydranet.core.features import Encoder, FeatureSpec, Pyramid
from hydranet.core.spec import SpecError
from hydranet.models.layers.normalize import Normalize
from hydranet.models.pretrained import classifier

FINEST = 4
"""Finer strides are left out: they cost much, and no decoder here asks for them."""


class Timm(Encoder):
    """A network by its timm name, with one level for each stride from 4 up.

    model:   such as "tf_efficientnet_lite0", "resnet50", "convnext_tiny"; `timm.list_models()` lists them.
    weights: "imagenet", a path of safetensors in timm's names, or None for random ones.
    Raises SpecError for an unknown name or a network without a pyramid of levels, WeightsError where weights cannot be
    obtained.
    """

    def __init__(self, model: str = "tf_efficientnet_lite0", weights: str | None = "imagenet") -> None:
        super().__init__()
        self.network: Any = classifier(model, weights)
        self.normalize = Normalize(self.network.pretrained_cfg["mean"], self.network.pretrained_cfg["std"])
        levels = [FeatureSpec(level["num_chs"], level["reduction"]) for level in self.network.feature_info]
        strides = [level.stride for level in levels]
        if len(set(strides)) < len(strides) or any(stride & (stride - 1) for stride in strides):
            raise SpecError(
                f"timm's {model} has levels of strides {strides}, expected 2, 4, 8, ... once each; "
                "choose a convolutional network, such as resnet50"
            )
        self.kept = [i for i, stride in enumerate(strides) if stride >= FINEST]
        self.network.prune_intermediate_layers(self.kept, prune_norm=True, prune_head=True)
        self.features = tuple(levels[i] for i in self.kept)

    def forward(self, image: Tensor) -> Pyramid:
        pixels = self.normalize(image)
        levels: Pyramid = self.network.forward_intermediates(pixels, indices=self.kept, intermediates_only=True)
        return levels
