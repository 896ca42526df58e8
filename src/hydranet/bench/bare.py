"""The network alone: frames to raw outputs, without decoding. What decoding costs is the difference."""

import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.utils import _pytree as pytree

from hydranet.deploy.manifest import IMAGE, Input, Manifest, Output
from hydranet.export.graph import ExportGraph, Shape, example
from hydranet.models.hydranet import HydraNet


class Bare(ExportGraph):
    """uint8 b h w 3 frames to all raw tensors that depend on the image."""

    def __init__(self, model: HydraNet, shape: Shape) -> None:
        super().__init__(model, shape)
        # grids of points and strides are constants, which an exported graph would have to copy out for nothing
        (first,) = example(shape)
        with torch.no_grad():
            leaves = [self._leaves(image) for image in (first, 255 - first)]
        self.moving = [i for i, (a, b) in enumerate(zip(*leaves, strict=True)) if not torch.equal(a, b)]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Images alone: nothing is decoded."""
        return (IMAGE,)

    def forward(self, image: UInt8[Tensor, "b h w 3"], *_: Tensor) -> tuple[Tensor, ...]:
        leaves = self._leaves(image)
        return tuple(leaves[i] for i in self.moving)

    def _leaves(self, image: Tensor) -> list[Tensor]:
        raw = self.model(image.permute(0, 3, 1, 2).float() / 255.0)
        return [leaf for leaf in pytree.tree_leaves(raw) if isinstance(leaf, Tensor)]


def manifest(graph: Bare, name: str) -> Manifest:
    """Names "raw.t0", "raw.t1", ...; no heads, since nobody can read these arrays without a task."""
    shape = graph.shape
    with torch.no_grad():
        raw = graph(*example(shape))
    outputs = {
        f"raw.t{i}": Output(str(array.dtype).removeprefix("torch."), tuple(array.shape)) for i, array in enumerate(raw)
    }
    return Manifest(name=f"{name} without decoding", input=Input(shape.size), heads={}, outputs=outputs)
