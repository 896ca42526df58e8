"""What networks cost: parameters, multiply-accumulates, time and memory, measured side by side."""

import statistics
import time
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from hydranet.models.hydranet import HydraNet
from hydranet.models.summary import count, parts


@dataclass(frozen=True)
class Cost:
    """One network on one image.

    parameters: learned numbers.    macs: multiply-accumulates (1 MAC = 2 FLOP).
    network_ms: the median time of the network and its decoding, in eager PyTorch with channels last.
    memory_bytes: its weights and buffers and, at the worst moment, its activations.
    """

    parameters: int
    macs: int
    network_ms: float
    memory_bytes: int


class _Peak(TorchDispatchMode):
    """Adds up the storage of every tensor that is alive, and keeps the largest sum."""

    def __init__(self) -> None:
        super().__init__()
        self.alive, self.peak = 0, 0
        self._tracked: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        outputs = func(*args, **(kwargs or {}))
        for tensor in pytree.tree_leaves(outputs):
            if isinstance(tensor, Tensor):
                self._watch(tensor)
        return outputs

    def _watch(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._tracked:
            return
        size = storage.nbytes()
        self._tracked.add(key)
        self.alive += size
        self.peak = max(self.peak, self.alive)
        weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self._tracked.discard(key)
        self.alive -= size


@torch.inference_mode()
def costs(networks: Mapping[str, Sequence[HydraNet]], size: tuple[int, int], *, rounds: int = 15) -> dict[str, Cost]:
    """The cost of each entry; one of several networks is what they cost one after another on the same image.

    The rounds of all entries are interleaved, so that a busy machine slows all of them alike; compare the ratios.
    size: height and width of the image.
    """
    device = next(next(iter(networks.values()))[0].parameters()).device
    image = torch.rand(1, 3, *size, device=device).contiguous(memory_format=torch.channels_last)
    times: dict[str, list[float]] = {name: [] for name in networks}
    for entry in networks.values():
        for model in entry:
            model.eval().to(memory_format=torch.channels_last)
            _run(model, image)
    for _ in range(rounds):
        for name, entry in networks.items():
            began = time.perf_counter()
            for model in entry:
                _run(model, image)
            times[name].append(1e3 * (time.perf_counter() - began))
    return {
        name: Cost(
            sum(count(model) for model in entry),
            sum(parts(model, size)[-1].macs for model in entry),
            statistics.median(times[name]),
            sum(_weights(model) for model in entry) + max(_activations(model, image) for model in entry),
        )
        for name, entry in networks.items()
    }


def _run(model: HydraNet, image: Tensor) -> None:
    height, width = image.shape[-2:]
    camera = image.new_tensor([width, width, width / 2, height / 2]).expand(len(image), 4)
    model.decode(model(image), camera)
    if image.is_cuda:
        torch.cuda.synchronize(image.device)


def _weights(model: HydraNet) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())


def _activations(model: HydraNet, image: Tensor) -> int:
    with _Peak() as peak:
        _run(model, image)
    return peak.peak
