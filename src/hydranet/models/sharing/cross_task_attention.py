"""Attention between tasks' features, after PAD-Net (Xu et al., CVPR 2018, arXiv 1805.04409), on every level, light."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from hydranet.core.checks.ranges import check_range
from hydranet.core.features import Features, FeatureSpec, MakeDecoder, MakeEncoder, Pyramid, Reads, Trunk


class Exchange(nn.Module):
    """One level: F_t = relu(A_t x), then F_t + sigmoid(G_t F_t) * mean over the other tasks s of M_s F_s.

    All three are 1x1 convolutions. PAD-Net (equation 3) has a message for each pair of tasks and direction; here a task
    sends one message to all, so that cost grows with the number of tasks and not with its square.
    """

    def __init__(self, tasks: Sequence[str], channels: int, width: int) -> None:
        super().__init__()
        self.own = nn.ModuleDict({task: nn.Conv2d(channels, width, 1) for task in tasks})
        self.gate = nn.ModuleDict({task: nn.Conv2d(width, width, 1) for task in tasks})
        self.message = nn.ModuleDict({task: nn.Conv2d(width, width, 1, bias=False) for task in tasks})

    def forward(self, x: Tensor, tasks: Sequence[str]) -> list[Tensor]:
        own = {task: torch.relu(layer(x)) for task, layer in self.own.items()}
        if len(own) == 1:
            return [own[task] for task in tasks]
        messages = {task: layer(own[task]) for task, layer in self.message.items()}
        whole = torch.stack(list(messages.values())).sum(0)
        return [
            own[task] + torch.sigmoid(self.gate[task](own[task])) * (whole - messages[task]) / (len(own) - 1)
            for task in tasks
        ]


class CrossTaskAttention(Trunk):
    """One encoder and one decoder; tasks that read the decoder get features of their own, which see the other tasks'.

    width: channels of a task's own features on every level.
    A task that is asked for alone costs the features of all, since they send messages; heads of others are not run.
    """

    def __init__(self, reads: Mapping[str, Reads], encoder: MakeEncoder, decoder: MakeDecoder, width: int = 64) -> None:
        check_range("sharing.width", width, 1, 8192)
        super().__init__()
        self.reads = dict(reads)
        self.encoder = encoder()
        named = [task for task, read in self.reads.items() if read == "decoder"]
        self.decoder = decoder(self.encoder.features) if named else None
        levels = self.decoder.features if self.decoder is not None else ()
        self.exchange = nn.ModuleList(Exchange(named, level.channels, width) for level in levels)
        own: Features = tuple(FeatureSpec(width, level.stride) for level in levels)
        self.features: dict[str, Features] = {
            task: own if read == "decoder" else self.encoder.features for task, read in self.reads.items()
        }

    def shared(self, image: Tensor) -> Pyramid:
        return self.encoder(image)

    def branch(self, features: Pyramid, tasks: Sequence[str]) -> dict[str, Pyramid]:
        named = [task for task in tasks if self.reads[task] == "decoder"]
        own: dict[str, Pyramid] = {task: [] for task in named}
        if self.decoder is not None and named:
            for level, exchange in zip(self.decoder(features), self.exchange, strict=True):
                for task, made in zip(named, exchange(level, named), strict=True):
                    own[task].append(made)
        return {task: own.get(task, features) for task in tasks}
