"""MobileNet-v2 with taps between the usual ones."""

import math

from torch import Tensor, nn

from hydranet.core.checks.ranges import check_range
from hydranet.core.features import Features, FeatureSpec, StagedEncoder
from hydranet.models.layers.active_norm import ActiveNorm
from hydranet.models.layers.normalize import IMAGENET_MEAN, IMAGENET_STD, Normalize
from hydranet.models.pretrained import load_classifier

FIRST_TAP = 1
"""Stage 0 (16 channels at /2) is finer than any decoder here asks for."""

STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""Expansion, channels, blocks, and stride of the first block, by stage (arXiv 1801.04381, table 2)."""


def norm(channels: int) -> ActiveNorm:
    """BatchNorm and ReLU6."""
    return ActiveNorm(channels, nn.ReLU6(inplace=True))


class DepthwiseSeparable(nn.Module):
    """3x3 within channels, then 1x1: the first stage, which expands nothing."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv_dw = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.bn1 = norm(channels)
        self.conv_pw = nn.Conv2d(channels, out, 1, bias=False)
        self.bn2 = ActiveNorm(out)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn2(self.conv_pw(self.bn1(self.conv_dw(x))))


class InvertedResidual(nn.Module):
    """1x1 to more channels, 3x3 within channels, 1x1 to few; the input is added where shapes agree (section 3.3)."""

    def __init__(self, channels: int, out: int, expansion: int, stride: int) -> None:
        super().__init__()
        wide = channels * expansion
        self.conv_pw = nn.Conv2d(channels, wide, 1, bias=False)
        self.bn1 = norm(wide)
        self.conv_dw = nn.Conv2d(wide, wide, 3, stride, padding=1, groups=wide, bias=False)
        self.bn2 = norm(wide)
        self.conv_pwl = nn.Conv2d(wide, out, 1, bias=False)
        self.bn3 = ActiveNorm(out)
        self.residual = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv_dw(self.bn1(self.conv_pw(x))))
        y = self.bn3(self.conv_pwl(y))
        return y + x if self.residual else y


class Classifier(nn.Module):
    """The whole ImageNet network under timm's names, so that its weights fit; the encoder takes its layers from it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem = nn.Conv2d(3, 32, 3, stride=2, padding=1, bias=False)
        self.bn1 = norm(32)
        for _ in range(2):
            nn.Conv2d(8, 8, 1)  # timm draws one to look at it; drawn here, too, so that a seed gives the same weights
        stages, channels = [], 32
        for expansion, out, count, stride in STAGES:
            blocks: list[nn.Module] = []
            for i in range(count):
                step = stride if i == 0 else 1
                if expansion == 1:
                    blocks.append(DepthwiseSeparable(channels, out))
                else:
                    blocks.append(InvertedResidual(channels, out, expansion, step))
                channels = out
            stages.append(nn.Sequential(*blocks))
        self.blocks = nn.Sequential(*stages)
        self.conv_head = nn.Conv2d(320, 1280, 1, bias=False)
        self.bn2 = norm(1280)
        self.classifier = nn.Linear(1280, 1000)
        for module in self.modules():  # as the authors' TensorFlow code begins
            if isinstance(module, nn.Conv2d):
                fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels // module.groups
                nn.init.normal_(module.weight, 0, math.sqrt(2.0 / fan_out))
            elif isinstance(module, nn.Linear):
                bound = 1.0 / math.sqrt(module.out_features)
                nn.init.uniform_(module.weight, -bound, bound)
                nn.init.zeros_(module.bias)


class MobileNetV2(StagedEncoder):
    """MobileNet-v2 (Sandler et al., arXiv 1801.04381), 1.81 M parameters, tapped after each stage from stride 4 on.

    The six taps are l3 to l8 of Nekrasov et al. (arXiv 1809.04766, figure 2): two of them share stride 16, two 32.
    Written out here, and not taken from timm, whose import alone takes eight seconds; the numbers are timm's to the
    last bit (a test compares them), random ones of a seed included.

    weights: "imagenet", a path of safetensors in timm's names, or None for random ones.
    taps:    how many of the six, the finest first; stages after the last one are left out. None = all.
    Raises WeightsError where weights cannot be obtained, SpecError for taps that are none of 1..6.
    """

    features: Features = (
        FeatureSpec(24, 4),
        FeatureSpec(32, 8),
        FeatureSpec(64, 16),
        FeatureSpec(96, 16),
        FeatureSpec(160, 32),
        FeatureSpec(320, 32),
    )

    def __init__(self, weights: str | None = "imagenet", taps: int | None = None) -> None:
        super().__init__()
        every = type(self).features
        kept = len(every) if taps is None else taps
        check_range("encoder.taps", kept, 1, len(every))
        self.features = every[:kept]
        network = Classifier()
        if weights is not None:
            load_classifier(network, "mobilenetv2_100", weights)
        self.normalize = Normalize(IMAGENET_MEAN, IMAGENET_STD)
        self.stem = nn.Sequential(network.conv_stem, network.bn1)
        self.stages = network.blocks[: FIRST_TAP + kept]  # the 1x1 convolution and the classifier are left behind

    def segments(self) -> list[nn.Module]:
        before, others = self.stages[: FIRST_TAP + 1], self.stages[FIRST_TAP + 1 :]
        return [nn.Sequential(self.normalize, *self.stem, *before), *others]
