"""Parameters, multiply-accumulates and time of a network per part: what is shared, and what branches and heads add."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from hydranet.models.hydranet import HydraNet
from hydranet.models.part_costs import median_ms, parts_of, spent_in

WHOLE = "whole network"


@dataclass(frozen=True)
class PartInfo:
    """One line of the table.

    depth: indentation.    parameters: learned numbers.
    macs:  multiply-accumulates of convolutions and matrix products for one image (1 MAC = 2 FLOP).
    ms:    the median time of one image in eager PyTorch with channels last; None = not measured.
    """

    name: str
    kind: str
    depth: int
    parameters: int
    macs: int
    ms: float | None = None


def count(module: nn.Module) -> int:
    """The number of learned parameters."""
    return sum(parameter.numel() for parameter in module.parameters())


@torch.no_grad()
def parts(model: HydraNet, size: tuple[int, int], rounds: int = 0) -> list[PartInfo]:
    """The tree of parts: trunk, its children and their branches, then each head, then the whole network.

    rounds: how often each is timed; 0 = not at all.
    """
    training = model.training
    image = torch.zeros(1, 3, *size, device=next(model.parameters()).device)
    made = parts_of(model.eval())
    modules = {path: list(module.modules()) for path, (module, _) in made.items()}
    counter = FlopCounterMode(display=False)
    with counter:
        flops, _ = spent_in(modules, counter.get_total_flops, lambda: model(image))
    times = _times(model, image, {**modules, WHOLE: [model]}, rounds) if rounds else {}
    model.train(training)
    lines = [
        PartInfo(_name(path), type(module).__name__, depth, count(module), int(flops[path]) // 2, times.get(path))
        for path, (module, depth) in made.items()
    ]
    whole = counter.get_total_flops() // 2
    return [*lines, PartInfo(WHOLE, type(model).__name__, 0, count(model), whole, times.get(WHOLE))]


@torch.no_grad()
def alone(model: HydraNet, size: tuple[int, int], rounds: int = 0) -> list[PartInfo]:
    """What each task costs when it is the only one asked for: `model(image, tasks=(name,))`.

    Parameters are those of the layers that such a call runs.    rounds: as in `parts`.
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
        ms = _times(model, image, {WHOLE: [model]}, rounds, (name,))[WHOLE] if rounds else None
        lines.append(PartInfo(name, kind, 0, sum(used.values()), counter.get_total_flops() // 2, ms))
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


def _name(path: str) -> str:
    """What the table calls a part."""
    kind, _, rest = path.partition(".")
    if kind == "heads":
        return f"head {rest}"
    return rest.rpartition(".")[2] if rest else "trunk (shared)"


def _times(
    model: HydraNet,
    image: Tensor,
    modules: Mapping[str, Collection[nn.Module]],
    rounds: int,
    tasks: Sequence[str] | None = None,
) -> dict[str, float]:
    """Milliseconds by part. The network's weights are put in channels-last order and back."""
    model.to(memory_format=torch.channels_last)
    fed = image.contiguous(memory_format=torch.channels_last)
    wait = (lambda: torch.cuda.synchronize(image.device)) if image.is_cuda else (lambda: None)
    try:
        return median_ms(modules, lambda: model(fed, tasks=tasks), rounds, wait)
    finally:
        model.to(memory_format=torch.contiguous_format)
