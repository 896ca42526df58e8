"""Weights drawn anew in every step (Lin, Ye, Zhang, Tsang, TMLR 2022, arXiv 2111.10603): the baseline to beat."""

from zlib import crc32

import torch
from torch import Tensor

from hydranet.core.balancer import LossBalancer, Losses


class RLW(LossBalancer):
    """Random loss weighting: sum_t w_t L_t, w = n softmax(z), z ~ N(0, 1) for each of the n tasks present.

    A draw is a function of seed, step and the task's name, so it is the same on every process, after a resume and
    whoever else is present.
    """

    scale = "sensitive"

    def __init__(self, tasks: tuple[str, ...], seed: int = 0) -> None:
        super().__init__(tasks)
        self.seed = seed
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))
        self.step: Tensor

    def forward(self, losses: Losses) -> Tensor:
        values = torch.stack(list(losses.values()))
        step = int(self.step)
        drawn = torch.stack([_normal(f"{self.seed} {step} {name}") for name in losses])
        self.step += 1
        return (len(losses) * torch.softmax(drawn, 0).to(values) * values).sum()


def _normal(key: str) -> Tensor:
    return torch.randn((), generator=torch.Generator().manual_seed(crc32(key.encode())))
