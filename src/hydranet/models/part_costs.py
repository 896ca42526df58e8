"""What goes by while a part of a network runs, multiplications or time; also where layers are called one by one."""

import statistics
import time
from collections.abc import Callable, Collection, Mapping

from torch import nn

from hydranet.models.hydranet import HydraNet


def parts_of(model: HydraNet) -> dict[str, tuple[nn.Module, int]]:
    """By path, each part that a table shows, and its depth: the trunk, its children, their branches, the heads."""
    made: dict[str, tuple[nn.Module, int]] = {"trunk": (model.trunk, 0)}
    for name, child in model.trunk.named_children():
        made[f"trunk.{name}"] = child, 1
        if isinstance(child, nn.ModuleDict):
            made |= {f"trunk.{name}.{branch}": (module, 2) for branch, module in child.items()}
    return made | {f"heads.{name}": (model.heads[name], 0) for name in model.tasks}


def spent_in(
    parts: Mapping[str, Collection[nn.Module]], read: Callable[[], float], work: Callable[[], object]
) -> tuple[dict[str, float], dict[str, list[nn.Module]]]:
    """How much `read` grows while modules of each part run within `work`, and the modules that ran for themselves.

    A module inside another one of its part that runs already adds nothing; so parts that are never called as a whole,
    such as the columns of cross-stitch, are the sum of their layers.
    """
    spent, outermost = dict.fromkeys(parts, 0.0), {name: dict[nn.Module, None]() for name in parts}
    deep, began = dict.fromkeys(parts, 0), dict.fromkeys(parts, 0.0)
    of: dict[nn.Module, list[str]] = {}
    for name, modules in parts.items():
        for module in modules:
            of.setdefault(module, []).append(name)

    def enter(module: nn.Module, _given: object) -> None:
        for name in of[module]:
            if not deep[name]:
                outermost[name][module] = None
                began[name] = read()
            deep[name] += 1

    def leave(module: nn.Module, _given: object, _made: object) -> None:
        for name in of[module]:
            deep[name] -= 1
            if not deep[name]:
                spent[name] += read() - began[name]

    hooks = [hook for m in of for hook in (m.register_forward_pre_hook(enter), m.register_forward_hook(leave))]
    try:
        work()
    finally:
        for hook in hooks:
            hook.remove()
    return spent, {name: list(modules) for name, modules in outermost.items()}


def median_ms(
    parts: Mapping[str, Collection[nn.Module]], work: Callable[[], object], rounds: int, wait: Callable[[], None]
) -> dict[str, float]:
    """The median time of each part over some rounds, in milliseconds; the first round is not counted.

    Only modules that run for themselves are watched, so that watching takes no time of its own.
    wait: until the device has done what it was given.
    """

    def now() -> float:
        wait()
        return 1e3 * time.perf_counter()

    _, outermost = spent_in(parts, now, work)
    times = [spent_in(outermost, now, work)[0] for _ in range(rounds)]
    return {name: statistics.median(one[name] for one in times) for name in parts}
