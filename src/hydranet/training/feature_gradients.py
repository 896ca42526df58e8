"""The cut between trunk and heads: all task gradients from one backward pass, and one pass on into the trunk."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from hydranet.core.features import Pyramid


@dataclass(frozen=True, eq=False)
class DetachedFeatures:
    """Where heads were separated from the trunk: the trunk's tensors, and for each task its own copies of them."""

    trunk: list[Tensor]
    leaves: dict[str, dict[int, Tensor]]

    def gradient(self, task: str, index: int) -> Tensor | None:
        """The gradient of a task's loss with respect to a tensor of the trunk; None where it does not depend on it."""
        leaf = self.leaves[task].get(index)
        return None if leaf is None else leaf.grad


def detach_features(pyramids: dict[str, Pyramid]) -> tuple[dict[str, Pyramid], DetachedFeatures]:
    """Detached copies of the pyramids, one set for each task, and the way back.

    Gradients asked for at *attached* levels would be wrong, since a finer level depends on a coarser one.
    """
    trunk: list[Tensor] = []
    index: dict[int, int] = {}
    leaves: dict[str, dict[int, Tensor]] = {}
    seen: dict[str, Pyramid] = {}
    for task, pyramid in pyramids.items():
        leaves[task] = {}
        seen[task] = []
        for level in pyramid:
            place = index.setdefault(id(level), len(trunk))
            if place == len(trunk):
                trunk.append(level)
            leaf = level.detach().requires_grad_()
            leaves[task][place] = leaf
            seen[task].append(leaf)
    return seen, DetachedFeatures(trunk, leaves)


def gramian(cuts: Sequence[DetachedFeatures], shares: dict[str, Tensor]) -> Float[Tensor, "t t"]:
    """Inner products of the task gradients, each multiplied by its share; those of several batches add up."""
    tasks = list(shares)
    device = next(iter(shares.values())).device
    matrix = torch.zeros(len(tasks), len(tasks), dtype=torch.float64, device=device)
    for one in cuts:
        for i, a in enumerate(tasks):
            for j, b in enumerate(tasks[: i + 1]):
                product = _inner(one, a, b)
                if product is not None:
                    matrix[i, j] += product * shares[a].double() * shares[b].double()
    return matrix.tril() + matrix.tril(-1).T


def _inner(one: DetachedFeatures, a: str, b: str) -> Tensor | None:
    products = []
    if a in one.leaves and b in one.leaves:
        for index in one.leaves[a].keys() & one.leaves[b].keys():
            left, right = one.gradient(a, index), one.gradient(b, index)
            if left is not None and right is not None:
                products.append(torch.dot(left.flatten().float(), right.flatten().float()).double())
    return torch.stack(products).sum() if products else None


def backward_features(one: DetachedFeatures, trunk: list[Tensor], weights: dict[str, Tensor]) -> None:
    """One backward pass through the trunk with the weighted sum of the task gradients."""
    tensors, gradients = [], []
    for index, level in enumerate(trunk):
        parts = [(weights[t], one.gradient(t, index)) for t in one.leaves if t in weights]
        # In float32: 1 / (number of pixels) is too small a weight for half precision.
        weighted = [weight.float() * g.float() for weight, g in parts if g is not None]
        if weighted and level.requires_grad:
            tensors.append(level)
            gradients.append(torch.stack(weighted).sum(0).to(level.dtype))
    if tensors:
        torch.autograd.backward(tensors, gradients)
