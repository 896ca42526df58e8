"""A network as a tree to draw: what goes in, the parts that tasks share, and the heads, each with shapes and costs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from hydranet.models.hydranet import HydraNet
from hydranet.models.summary import parts

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Node:
    """A part of a network.

    kind: its class.    parameters, macs: as in `summary.PartInfo`.
    outputs: the shape of each tensor that it gave for one image, without the batch axis, in the order given.
    """

    name: str
    kind: str
    parameters: int
    macs: int
    outputs: tuple[Shape, ...]


@dataclass(frozen=True)
class Architecture:
    """A network.

    size: height and width of the image.    trunk: what tasks share, in the order of its parts.    heads: by task.
    """

    size: tuple[int, int]
    trunk: tuple[Node, ...]
    heads: tuple[Node, ...]
    whole: Node


@torch.no_grad()
def architecture(model: HydraNet, size: tuple[int, int]) -> Architecture:
    """The tree of a network for one image of `size` (height, width)."""
    outputs: dict[str, tuple[Shape, ...]] = {}
    modules = {**dict(model.trunk.named_children()), **{f"head {name}": head for name, head in model.heads.items()}}
    hooks = [module.register_forward_hook(_note(outputs, name)) for name, module in modules.items()]
    lines = parts(model, size)
    for hook in hooks:
        hook.remove()
    shown = [one for one in lines if one.depth < 2]  # branches are not drawn
    nodes = {one.name: Node(one.name, one.kind, one.parameters, one.macs, outputs.get(one.name, ())) for one in shown}
    heads = tuple(node for name, node in nodes.items() if name.startswith("head "))
    trunk = tuple(node for name, node in nodes.items() if name in dict(model.trunk.named_children()))
    return Architecture(size, trunk, heads, nodes["whole network"])


def _note(outputs: dict[str, tuple[Shape, ...]], name: str) -> Callable[..., None]:
    """A hook that keeps the shapes of what a module gave when it ran last."""

    def hook(module: nn.Module, given: Any, output: Any) -> None:
        outputs[name] = tuple(_shapes(output))

    return hook


def _shapes(output: Any) -> Iterator[Shape]:
    for leaf in pytree.tree_leaves(output):
        if isinstance(leaf, Tensor):
            yield tuple(leaf.shape[1:])
