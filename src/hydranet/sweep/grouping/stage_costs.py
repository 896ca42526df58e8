"""What each stage of a hard-shared network costs, in networks."""

import copy
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from hydranet.core.features import Pyramid
from hydranet.models.hydranet import HydraNet
from hydranet.training.stage_affinity import shared_parts

ROUNDS = 15
"""Interleaved turns of every stage, of which the median counts."""


@dataclass(frozen=True)
class StageCosts:
    """Shares of a network's whole cost: of each stage of the encoder, of the decoder if there is one, and of heads."""

    stages: tuple[float, ...]
    heads: float


@torch.no_grad()
def stage_costs(model: HydraNet, size: tuple[int, int], way: str) -> StageCosts:
    """What the parts of a network cost for one image.

    way: "macs", multiply-accumulates; or "latency", the median time of interleaved eager runs on this machine.
    Raises SpecError for a network that is not hard-shared, as `shared_parts` says.
    """
    model = copy.deepcopy(model).eval().to(memory_format=torch.channels_last)  # the caller's stays as it is
    encoder, decoder = shared_parts(model)
    stride = max(level.stride for level in encoder.features)
    height, width = (-(-side // stride) * stride for side in size)
    x = torch.rand(1, 3, height, width, device=next(model.parameters()).device)
    works: list[Callable[[], object]] = []
    levels: Pyramid = []
    for segment in encoder.segments():
        works.append(_work(segment, x))
        x = segment(x)
        levels.append(x)
    if decoder is not None:
        works.append(_work(decoder, levels))
    made = decoder(levels) if decoder is not None else levels
    reads = {task: made if model.tasks[task].reads == "decoder" else levels for task in model.tasks}
    works.append(lambda: model.answer(reads))
    spent = [float(_macs(work)) for work in works] if way == "macs" else _median_s(works)
    whole = sum(spent)
    return StageCosts(tuple(value / whole for value in spent[:-1]), spent[-1] / whole)


def _work(module: nn.Module, given: Tensor | Pyramid) -> Callable[[], object]:
    return lambda: module(given)


def _macs(work: Callable[[], object]) -> int:
    counter = FlopCounterMode(display=False)
    with counter:
        work()
    return counter.get_total_flops() // 2


def _median_s(works: Sequence[Callable[[], object]]) -> list[float]:
    times: list[list[float]] = [[] for _ in works]
    for work in works:
        work()
    for _ in range(ROUNDS):
        for mine, work in zip(times, works, strict=True):
            began = time.perf_counter()
            work()
            mine.append(time.perf_counter() - began)
    return [statistics.median(mine) for mine in times]
