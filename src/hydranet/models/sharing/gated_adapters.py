"""A gated adapter for each task: what all share, and a small correction of it, of which a task takes what helps it."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from hydranet.core.checks.ranges import check_range
from hydranet.core.features import MakeDecoder, MakeEncoder, Pyramid, Reads, Trunk

OPEN_AT_FIRST = 0.1
"""Gates at the start: nearly hard sharing, but with a gradient for what lies behind the gate."""


class GatedAdapter(nn.Module):
    """One task on one level: x + g * B relu(A x), with a gate g per channel.

    A and B are 1x1 convolutions by way of a few channels (residual adapters in parallel, Rebuffi, Bilen and Vedaldi,
    arXiv 1803.10082, equation 4; there without a gate and for whole domains).
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.narrow = nn.Conv2d(channels, width, 1)
        self.wide = nn.Conv2d(width, channels, 1)
        self.gate = nn.Parameter(torch.full((channels, 1, 1), OPEN_AT_FIRST))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.gate * self.wide(torch.relu(self.narrow(x)))


class GatedAdapters(Trunk):
    """One encoder and one decoder; each task that reads the decoder sees its levels through adapters of its own.

    width: channels inside an adapter.
    Tasks that read the encoder's levels take them as they are. A run of hard sharing is a start for it (`start=`): its
    encoder and decoder have the same names.
    """

    def __init__(self, reads: Mapping[str, Reads], encoder: MakeEncoder, decoder: MakeDecoder, width: int = 16) -> None:
        check_range("sharing.width", width, 1, 8192)
        super().__init__()
        self.reads = dict(reads)
        self.encoder = encoder()
        named = [task for task, read in self.reads.items() if read == "decoder"]
        self.decoder = decoder(self.encoder.features) if named else None
        levels = self.decoder.features if self.decoder is not None else ()
        self.adapters = nn.ModuleDict(
            {task: nn.ModuleList(GatedAdapter(level.channels, width) for level in levels) for task in named}
        )
        self.features = {
            task: levels if read == "decoder" else self.encoder.features for task, read in self.reads.items()
        }

    def shared(self, image: Tensor) -> Pyramid:
        return self.encoder(image)

    def branch(self, features: Pyramid, tasks: Sequence[str]) -> dict[str, Pyramid]:
        named = [task for task in tasks if self.reads[task] == "decoder"]
        levels = self.decoder(features) if self.decoder is not None and named else []
        own = {task: [adapter(level) for adapter, level in zip(self._of(task), levels, strict=True)] for task in named}
        return {task: own.get(task, features) for task in tasks}

    def _of(self, task: str) -> nn.ModuleList:
        adapters = self.adapters[task]
        assert isinstance(adapters, nn.ModuleList)
        return adapters
