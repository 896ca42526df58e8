"""Any convolutional network of the timm library."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from hydranet.core.checks.ranges import check_range
from hydranet.core.features import FeatureSpec, Pyramid, StagedEncoder
from hydranet.core.spec import SpecError
from hydranet.models.layers.normalize import Normalize
from hydranet.models.pretrained import classifier

FINEST = 4
"""Finer strides are left out: they cost much, and no decoder here asks for them."""


class Timm(StagedEncoder):
    """A network by its timm name, with one level for each stride from 4 up.

    model:   such as "tf_efficientnet_lite0", "resnet50", "convnext_tiny"; `timm.list_models()` lists them.
    weights: "imagenet", a path of safetensors in timm's names, or None for random ones.
    taps:    how many of its levels, the finest first; layers after the last one are left out. None = all.
    Raises SpecError for an unknown name or a network without a pyramid of levels, WeightsError where weights cannot be
    obtained.
    """

    def __init__(
        self, model: str = "tf_efficientnet_lite0", weights: str | None = "imagenet", taps: int | None = None
    ) -> None:
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
        self._chain = False
        self.taps = [str(level["module"]) for level in self.network.feature_info]
        kept = [i for i, stride in enumerate(strides) if stride >= FINEST]
        if taps is not None:
            check_range("encoder.taps", taps, 1, len(kept))
        self.kept = kept[:taps]
        self.network.prune_intermediate_layers(self.kept, prune_norm=True, prune_head=True)
        self.features = tuple(levels[i] for i in self.kept)

    def forward(self, image: Tensor) -> Pyramid:
        pixels = self.normalize(image)
        levels: Pyramid = self.network.forward_intermediates(pixels, indices=self.kept, intermediates_only=True)
        return levels

    def segments(self) -> list[nn.Module]:
        """The network's own layers in their order, cut at the levels.

        Raises SpecError for a network whose layers are no chain: run one after another, they give something else.
        """
        ends = [self.taps[i] for i in self.kept]
        segments: list[nn.Module] = []
        segment: list[nn.Module] = [self.normalize]
        for name, layer in _layers(self.network, self.taps):
            segment.append(layer)
            if name == ends[len(segments)]:
                segments.append(nn.Sequential(*segment))
                segment = []
            if len(segments) == len(ends):
                break
        if not self._chain:
            self._check(segments)
            self._chain = True
        return segments

    @torch.no_grad()
    def _check(self, segments: list[nn.Module]) -> None:
        training, side = self.training, 2 * self.features[-1].stride
        x = torch.linspace(0, 1, 3 * side * side, device=next(self.parameters()).device).reshape(1, 3, side, side)
        self.eval()
        try:
            wanted, levels = self(x), []
            for segment in segments:
                x = segment(x)
                levels.append(x)
            same = len(levels) == len(wanted) and all(map(torch.allclose, levels, wanted))
        except (RuntimeError, TypeError) as error:
            raise SpecError(f"{self._no_chain} ({error})") from error
        finally:
            self.train(training)
        if not same:
            raise SpecError(self._no_chain)

    @property
    def _no_chain(self) -> str:
        name = self.network.pretrained_cfg["architecture"]
        return f"got timm's {name}, whose layers are no chain to be cut into stages; choose resnet50 or MobileNetV2"


def _layers(network: nn.Module, taps: list[str]) -> Iterator[tuple[str, nn.Module]]:
    """Name and module of each layer; a container that holds levels ("blocks" for "blocks.2") is opened."""
    for name, child in network.named_children():
        if any(tap.startswith(f"{name}.") for tap in taps):
            yield from ((f"{name}.{inner}", layer) for inner, layer in child.named_children())
        else:
            yield name, child
