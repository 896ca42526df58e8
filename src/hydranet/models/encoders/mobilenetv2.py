"""MobileNet-v2 with taps between the usual ones."""

from torch import Tensor, nn

from hydranet.core.features import Encoder, FeatureSpec, Pyramid
from hydranet.models.layers.normalize import Normalize
from hydranet.models.pretrained import classifier

FIRST_TAP = 1
"""Stage 0 (16 channels at /2) is finer than any decoder here asks for."""


class MobileNetV2(Encoder):
    """MobileNet-v2 (Sandler et al., arXiv 1801.04381), 1.81 M parameters, tapped after each stage from stride 4 on.

    The six taps are l3 to l8 of Nekrasov et al. (arXiv 1809.04766, figure 2): two of them share stride 16, two 32.

    weights: "imagenet", a path of safetensors in timm's names, or None for random ones.
    Raises WeightsError where weights cannot be obtained.
    """

    features = (
        FeatureSpec(24, 4),
        FeatureSpec(32, 8),
        FeatureSpec(64, 16),
        FeatureSpec(96, 16),
        FeatureSpec(160, 32),
        FeatureSpec(320, 32),
    )

    def __init__(self, weights: str | None = "imagenet") -> None:
        super().__init__()
        network = classifier("mobilenetv2_100", weights)
        self.normalize = Normalize(network.pretrained_cfg["mean"], network.pretrained_cfg["std"])
        self.stem = nn.Sequential(network.conv_stem, network.bn1)
        self.stages = network.blocks  # the 1x1 convolution and the classifier after them are left behind

    def forward(self, image: Tensor) -> Pyramid:
        x = self.stem(self.normalize(image))
        levels = []
        for stage in self.stages:
            x = stage(x)
            levels.append(x)
        return levels[FIRST_TAP:]
