"""Light-Weight RefineNet (Nekrasov, Shen, Reid, BMVC 2018, arXiv 1810.03272) as in the two-task arXiv 1809.04766."""

from torch import Tensor, nn

from hydranet.core.checks.ranges import check_range
from hydranet.core.features import Decoder, Features, FeatureSpec, Pyramid
from hydranet.models.layers.channel_scale import ChannelScale


class ChainedResidualPooling(nn.Module):
    """x + sum_i y_i with y_0 = x and y_i = conv_i(maxpool5(y_{i-1})): context from ever larger neighborhoods.

    The 5x5 maximum is taken as 1x5 then 5x1, which gives the same numbers with less work.
    """

    def __init__(self, channels: int, stages: int = 4, grouped: bool = False) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            ChannelScale(channels) if grouped else nn.Conv2d(channels, channels, 1, bias=False) for _ in range(stages)
        )
        self.rows = nn.MaxPool2d((1, 5), stride=1, padding=(0, 2))
        self.columns = nn.MaxPool2d((5, 1), stride=1, padding=(2, 0))

    def forward(self, x: Tensor) -> Tensor:
        pooled = x
        for conv in self.convs:
            pooled = conv(self.columns(self.rows(pooled)))
            x = x + pooled
        return x


class LightWeightRefineNet(Decoder):
    """Taps to one level per stride, each `width` channels, refined from coarse to fine.

    Every tap goes through a 1x1 convolution without bias; taps of one stride are summed with what comes from below,
    then ReLU6 and chained residual pooling (grouped in the finest block), then a 1x1 convolution and bilinear
    enlargement to the next stride.
    """

    def __init__(self, features: Features, width: int = 256) -> None:
        super().__init__()
        check_range("decoder.width", width, 1, 8192)
        self.strides = sorted({tap.stride for tap in features})
        self.taps = [[i for i, tap in enumerate(features) if tap.stride == stride] for stride in self.strides]
        self.features = tuple(FeatureSpec(width, stride) for stride in self.strides)
        self.adapt = nn.ModuleList(nn.Conv2d(tap.channels, width, 1, bias=False) for tap in features)
        self.pool = nn.ModuleList(ChainedResidualPooling(width, grouped=i == 0) for i in range(len(self.strides)))
        self.carry = nn.ModuleList(nn.Conv2d(width, width, 1, bias=False) for _ in self.strides[1:])

    def forward(self, pyramid: Pyramid) -> Pyramid:
        levels: Pyramid = []
        for place in reversed(range(len(self.strides))):
            first, *others = (self.adapt[i](pyramid[i]) for i in self.taps[place])
            x = sum(others, start=first)
            if levels:
                below = self.carry[place](levels[-1])
                x = x + nn.functional.interpolate(below, x.shape[-2:], mode="bilinear", align_corners=False)
            levels.append(self.pool[place](nn.functional.relu6(x)))
        return levels[::-1]
