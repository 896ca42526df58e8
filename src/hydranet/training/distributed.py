"""Several processes as one: sums over `torch.distributed`, started by torchrun; nothing happens in a single process."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar
from zlib import crc32

import torch
import torch.distributed as dist
from torch import Tensor, nn

from hydranet.core.batch import Batch
from hydranet.models.layers.sync_norm import SyncNorm

T = TypeVar("T")


@dataclass(frozen=True)
class ProcessGroup:
    """This process's rank among `world` processes."""

    rank: int = 0
    world: int = 1

    @staticmethod
    def init(device: str) -> "ProcessGroup":
        """Joins the group that torchrun describes in the environment (gloo on CPUs, nccl on GPUs), if there is one."""
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            return ProcessGroup()
        if not dist.is_initialized():
            dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
        return ProcessGroup(dist.get_rank(), dist.get_world_size())

    @staticmethod
    def device(name: str) -> str:
        """This process's own device: "cuda" becomes the GPU that torchrun gave it."""
        local = os.environ.get("LOCAL_RANK")
        if name != "cuda" or local is None:
            return name
        torch.cuda.set_device(int(local))
        return f"cuda:{local}"

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over all processes, in place."""
        if self.world > 1:
            dist.all_reduce(tensor)
        return tensor

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process: a decision that all of them take at the same step."""
        return bool(self.sum(torch.tensor(float(flag), device=self._device())) > 0) if self.world > 1 else flag

    def all_equal(self, value: int) -> bool:
        """Whether a number is the same in every process."""
        if self.world == 1:
            return True
        pair = torch.tensor([value, -value], dtype=torch.int64, device=self._device())
        dist.all_reduce(pair, dist.ReduceOp.MAX)
        return int(pair[0]) == -int(pair[1])

    def agree(self, trunk: nn.Module, batches: Sequence[Batch]) -> None:
        """Lets synchronized norms use common statistics in a step whose batches are alike in all processes.

        Where sizes or tasks differ, a process would wait for a forward pass that another one does not make: in such a
        step each uses its own statistics.
        """
        norms = [module for module in trunk.modules() if isinstance(module, SyncNorm)]
        if norms and self.world > 1:
            plan = [(tuple(batch.image.shape[2:]), sorted(batch.asked)) for batch in batches if batch.asked]
            together = self.all_equal(crc32(repr(plan).encode()))
            for norm in norms:
                norm.together = together

    def wait(self) -> None:
        """Returns once every process has called it."""
        self.any(False)

    @staticmethod
    def _device() -> str:
        """Where nccl wants its tensors; gloo takes them from the CPU."""
        return "cuda" if dist.get_backend() == "nccl" else "cpu"

    def equalize(self, model: nn.Module) -> None:
        """Gives every process the weights and buffers of the first process."""
        if self.world > 1:
            for tensor in model.state_dict().values():
                dist.broadcast(tensor, 0)

    def sum_gradients(self, model: nn.Module) -> None:
        """Adds gradients up, once, after the backward pass.

        Losses were divided by counts over all processes, so the sum is the gradient of the joint batch. A parameter
        without a gradient on any process keeps None: no weight decay or momentum moves the head of an absent task.
        """
        if self.world == 1:
            return
        parameters = list(model.parameters())
        used = self.sum(torch.tensor([float(p.grad is not None) for p in parameters], device=parameters[0].device))
        chosen = [p for p, count in zip(parameters, used.tolist(), strict=True) if count]
        for parameter in chosen:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        if chosen:
            flat = self.sum(torch.cat([p.grad.flatten() for p in chosen if p.grad is not None]))
            for parameter, part in zip(chosen, flat.split([p.numel() for p in chosen]), strict=True):
                parameter.grad = part.view_as(parameter)


def gather(processes: ProcessGroup, value: T) -> list[T]:
    """The value of every process, in the order of their ranks; it is pickled."""
    if processes.world == 1:
        return [value]
    values: list[T] = [value] * processes.world
    dist.all_gather_object(values, value)
    return values
