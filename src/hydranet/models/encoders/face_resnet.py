"""The residual network of dlib's face recognition: it has seen three million faces, where ImageNet's have seen few."""

from pathlib import Path

import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from hydranet.core.checks.ranges import check_range
from hydranet.core.features import Features, FeatureSpec, StagedEncoder
from hydranet.models.face_weights import FACES, STAGES
from hydranet.models.layers.normalize import Normalize
from hydranet.models.pretrained import WeightsError, cached

MEAN = (122.782 / 255, 117.001 / 255, 104.298 / 255)
"""Of its training images in RGB, 0..1; they were divided by no deviation."""


class Residual(nn.Module):
    """Two 3x3 convolutions, added to their input (arXiv 1512.03385, figure 2); there is no norm.

    With stride 2 the input is averaged, and channels that it does not have are zero: there is no projection.
    """

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride, padding=0 if stride == 2 else 1)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1)
        self.stride, self.more = stride, out - channels

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == 2:
            y, x = self.conv1(F.pad(x, (0, 1, 0, 1))), F.avg_pool2d(x, 2)
        else:
            y = self.conv1(x)
        if self.more:
            x = F.pad(x, (0, 0, 0, 0, 0, self.more))
        return F.relu(x + self.conv2(F.relu(y)))


class Stem(nn.Module):
    """7x7 with stride 2, then the greatest of 3x3 with stride 2; as many cells as a quarter of the image's sides."""

    def __init__(self, out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, out, 7, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv(F.pad(x, (2, 3, 2, 3))))
        return F.max_pool2d(F.pad(x, (0, 1, 0, 1)), 3, 2)


class FaceResNet(StagedEncoder):
    """The 29 convolutions of dlib's `face_recognition_resnet_model_v1` (King, 2017), 5.6 M parameters, strides 4 to 64.

    Its batch norms are part of the convolutions, so nothing moves while it is trained further, and small batches of
    crops cost it nothing. Here borders are padded so that levels are exact fractions of the image; there they are cut.

    weights: "faces" = dlib's, which `hydranet weights get face_resnet` fetches; a path of safetensors; or None for
             random ones.
    taps:    how many of the five levels, the finest first; blocks after the last one are left out. None = all.
    Raises WeightsError where weights cannot be obtained, SpecError for taps that are none of 1..5.
    """

    features: Features = tuple(FeatureSpec(channels, 4 * 2**level) for level, (channels, _) in enumerate(STAGES))

    def __init__(self, weights: str | None = "faces", taps: int | None = None) -> None:
        super().__init__()
        every = type(self).features
        kept = len(every) if taps is None else taps
        check_range("encoder.taps", kept, 1, len(every))
        self.features = every[:kept]
        self.normalize = Normalize(MEAN, (1.0, 1.0, 1.0))
        self.stem = Stem(STAGES[0][0])
        stages, before = [], STAGES[0][0]
        for level, (channels, count) in enumerate(STAGES):
            blocks = []
            for block in range(count):
                blocks.append(Residual(before, channels, 2 if level and not block else 1))
                before = channels
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        if weights is None:
            for parameter in self.parameters():
                if parameter.ndim > 1:
                    nn.init.kaiming_normal_(parameter, nonlinearity="relu")
                else:
                    nn.init.zeros_(parameter)
        else:
            self._fill(weights)
        self.stages = self.stages[:kept]

    def segments(self) -> list[nn.Module]:
        first, *others = self.stages
        return [nn.Sequential(self.normalize, self.stem, first), *others]

    def _fill(self, weights: str) -> None:
        file = cached(FACES) if weights == "faces" else Path(weights).expanduser()
        if not file.is_file():
            way = f"run `hydranet weights get {FACES}`" if weights == "faces" else "give a .safetensors file, 'faces'"
            raise WeightsError(f"no weights at {file}; {way} or None")
        try:
            self.load_state_dict({**self.normalize.state_dict(prefix="normalize."), **load_file(file)})
        except (SafetensorError, RuntimeError) as error:
            reason = "; ".join(line.strip() for line in str(error).splitlines()[:2])
            raise WeightsError(
                f"{file} holds no weights of FaceResNet ({reason:.160}); delete it, get it again"
            ) from error
