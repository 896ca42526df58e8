"""Several processes as one: sums over `torch.distributed`, started by torchrun; nothing happens in a single process."""

import os
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn


@dataclass(frozen=True)
class Processes:
    """This process's rank among `world` processes."""

    rank: int = 0
    world: int = 1

    @staticmethod
    def joined(device: str) -> "Processes":
        """Joins the group that torchrun describes in the environment (gloo on CPUs, nccl on GPUs), if there is one."""
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            return Processes()
        if not dist.is_initialized():
            dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
        return Processes(dist.get_rank(), dist.get_world_size())

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

    def equalise(self, model: nn.Module) -> None:
        """Gives every process the first one's weights and buffers."""
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
