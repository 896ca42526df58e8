"""MobileNet-v2 (Sandler et al., CVPR 2018, arXiv 1801.04381) with the six taps of Nekrasov et al., arXiv 1809.04766."""

import timm
from torch import Tensor, nn

from hydranet.core.features import Encoder, FeatureSpec, Pyramid
from hydranet.nn.normalise import Normalise
from hydranet.weights import load_pretrained

TAPS = {1: FeatureSpec(24, 4), 2: FeatureSpec(32, 8), 3: FeatureSpec(64, 16)} | {
    4: FeatureSpec(96, 16),
    5: FeatureSpec(160, 32),
    6: FeatureSpec(320, 32),
}
"""Stage of timm's network that each tap (the paper's l3 ... l8) comes from."""


class MobileNetV2(Encoder):
    """1.81 M parameters; the layers after the last tap are left out.

    weights: "imagenet", a path to safetensors in timm's names, or None for random ones.
    """

    def __init__(self, weights: str | None = "imagenet") -> None:
        super().__init__()
        self.features = tuple(TAPS.values())
        self.normalise = Normalise((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
        whole = timm.create_model("mobilenetv2_100", pretrained=False)
        if weights is not None:
            load_pretrained(whole, "mobilenetv2_100", weights)
        self.stem = nn.Sequential(whole.conv_stem, whole.bn1)
        self.stages = whole.blocks

    def forward(self, image: Tensor) -> Pyramid:
        x = self.stem(self.normalise(image))
        taps = []
        for place, stage in enumerate(self.stages):
            x = stage(x)
            if place in TAPS:
                taps.append(x)
        return taps


