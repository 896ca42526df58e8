"""Parameters and multiply-accumulates of a network, counted per part: what is shared, and what each head adds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from hydranet.models.hydranet import HydraNet


@dataclass(frozen=True)
class PartInfo:
    """One line of the table.

    depth: indentation.    parameters: learned numbers.
    macs:  multiply-accumulates of convolutions and matrix products for one image (1 MAC = 2 FLOP).
    """

    name: str
    kind: str
    depth: int
    parameters: int
    macs: int


def count(module: nn.Module) -> int:
    """The number of learned parameters."""
    return sum(parameter.numel() for parameter in module.parameters())


@torch.no_grad()
def parts(model: HydraNet, size: tuple[int, int]) -> list[PartInfo]:
    """The tree of parts: trunk and its children, then each head, then the whole network."""
    training = model.training
    device = next(model.parameters()).device
    counter = FlopCounterMode(display=False)
    with counter:
        model.eval()(torch.zeros(1, 3, *size, device=device))
    model.train(training)
    flops = {name.partition(".")[2]: sum(ops.values()) for name, ops in counter.get_flop_counts().items()}
    lines = [_line("trunk (shared)", model.trunk, 0, flops.get("trunk", 0))]
    lines += [_line(n, m, 1, flops.get(f"trunk.{n}", 0)) for n, m in model.trunk.named_children()]
    heads = [(n, model.heads[n], flops.get(f"heads.{n}", 0)) for n in model.tasks]
    lines += [_line(f"head {name}", head, 0, macs) for name, head, macs in heads]
    return [*lines, PartInfo("whole network", type(model).__name__, 0, count(model), counter.get_total_flops() // 2)]


@torch.no_grad()
def alone(model: HydraNet, size: tuple[int, int]) -> list[PartInfo]:
    """What each task costs when it is the only one asked for: `model(image, tasks=(name,))`.

    Parameters are those of the layers that such a call runs.
    """
    training = model.training
    image = torch.zeros(1, 3, *size, device=next(model.parameters()).device)
    model.eval()
    lines = []
    for name in model.tasks:
        used: dict[int, int] = {}
        hooks = [layer.register_forward_hook(_note(used)) for layer in model.modules()]
        counter = FlopCounterMode(display=False)
        with counter:
            model(image, tasks=(name,))
        for hook in hooks:
            hook.remove()
        kind = type(model.heads[name]).__name__
        lines.append(PartInfo(name, kind, 0, sum(used.values()), counter.get_total_flops() // 2))
    model.train(training)
    return lines


@torch.no_grad()
def macs(model: HydraNet, size: tuple[int, int], tasks: Sequence[str]) -> int:
    """Multiply-accumulates of one image, where only these tasks are asked for."""
    training = model.training
    counter = FlopCounterMode(display=False)
    with counter:
        model.eval()(torch.zeros(1, 3, *size, device=next(model.parameters()).device), tasks=list(tasks))
    model.train(training)
    return counter.get_total_flops() // 2


def _note(used: dict[int, int]) -> Callable[..., None]:
    """A hook that notes the parameters of the layers that run, by identity: a shared one counts once."""

    def hook(layer: nn.Module, *_: object) -> None:
        used.update({id(parameter): parameter.numel() for parameter in layer.parameters(recurse=False)})

    return hook


def _line(name: str, module: nn.Module, depth: int, flops: int) -> PartInfo:
    return PartInfo(name, type(module).__name__, depth, count(module), flops // 2)
