"""Task gradients at the features that heads read, and on from there to the parameters that tasks share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from hydranet.core.features import Pyramid, Trunk

Place = Literal["decoder", "parameters"]
"""Where task gradients are compared: at the parameters behind `Trunk.shared`, or at all of the trunk's."""


@dataclass(frozen=True, eq=False)
class DetachedFeatures:
    """Where heads were separated from the trunk: the trunk's tensors, and for each task its own copies of them."""

    trunk: list[Tensor]
    leaves: dict[str, dict[int, Tensor]]

    def gradient(self, task: str, index: int) -> Tensor | None:
        """The gradient of a task's loss with respect to a tensor of the trunk; None where it does not depend on it."""
        leaf = self.leaves[task].get(index)
        return None if leaf is None else leaf.grad

    def gradients(self, task: str, levels: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Those of the trunk's tensors (perhaps computed again) that a task's loss depends on, and its gradients."""
        if task not in self.leaves:
            return [], []
        pairs = [(level, self.gradient(task, i)) for i, level in enumerate(levels) if level.requires_grad]
        used = [(level, gradient.to(level.dtype)) for level, gradient in pairs if gradient is not None]
        return [level for level, _ in used], [gradient for _, gradient in used]


def detach_features(pyramids: dict[str, Pyramid]) -> tuple[dict[str, Pyramid], DetachedFeatures]:
    """Detached copies of the pyramids, one set for each task, and the way back.

    Gradients asked for at *attached* levels would be wrong, since a finer level depends on a coarser one.
    """
    trunk: list[Tensor] = []
    index: dict[int, int] = {}
    leaves: dict[str, dict[int, Tensor]] = {}
    copies: dict[str, Pyramid] = {}
    for task, pyramid in pyramids.items():
        leaves[task] = {}
        copies[task] = []
        for level in pyramid:
            place = index.setdefault(id(level), len(trunk))
            if place == len(trunk):
                trunk.append(level)
            leaf = level.detach().requires_grad_()
            leaves[task][place] = leaf
            copies[task].append(leaf)
    return copies, DetachedFeatures(trunk, leaves)


def backward_features(features: DetachedFeatures, levels: Sequence[Tensor], weights: Mapping[str, Tensor]) -> None:
    """One backward pass through the trunk with the weighted sum of the task gradients.

    levels: the trunk's tensors of `features`, perhaps computed again.
    """
    tensors, gradients = [], []
    for index, level in enumerate(levels):
        parts = [(weights[t], features.gradient(t, index)) for t in features.leaves if t in weights]
        # In float32: 1 / (number of pixels) is too small a weight for half precision.
        weighted = [weight.float() * g.float() for weight, g in parts if g is not None]
        if weighted and level.requires_grad:
            tensors.append(level)
            gradients.append(torch.stack(weighted).sum(0).to(level.dtype))
    if tensors:
        torch.autograd.backward(tensors, gradients)


def parameter_gradient(
    features: DetachedFeatures, levels: Sequence[Tensor], task: str, parameters: Sequence[nn.Parameter]
) -> list[Tensor]:
    """The gradient of one task's loss at some of the trunk's parameters, zeros where it does not depend on them.

    The graph is kept for the next task. Autograd goes no deeper than the parameters asked for.
    """
    outputs, gradients = features.gradients(task, levels)
    if not outputs or not parameters:
        return [torch.zeros_like(p) for p in parameters]
    given = torch.autograd.grad(outputs, list(parameters), gradients, retain_graph=True, allow_unused=True)
    return [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, given, strict=True)]


@dataclass(frozen=True)
class ParameterUsers:
    """Which tasks use which of a trunk's parameters, by the parameter's name.

    anywhere:  through the whole trunk.    in_branch: behind `Trunk.shared`.
    """

    anywhere: Mapping[str, frozenset[str]]
    in_branch: Mapping[str, frozenset[str]]
    tasks: frozenset[str]

    def owned(self, task: str) -> list[str]:
        """The parameters that this task alone uses, where the network has several tasks."""
        alone = frozenset({task})
        return [name for name, users in self.anywhere.items() if users == alone] if len(self.tasks) > 1 else []

    def compared(self, place: Place) -> list[str]:
        """The parameters at which task gradients are compared: those of the place that several tasks use."""
        users = self.in_branch if place == "decoder" else self.anywhere
        return [name for name, tasks in users.items() if len(tasks) > 1]

    def place(self, at: str) -> Place:
        """What "auto" means: the decoder where it holds parameters that every task uses, else all parameters."""
        if at == "auto":
            common = any(tasks == self.tasks for tasks in self.in_branch.values())
            return "decoder" if common and len(self.tasks) > 1 else "parameters"
        return "decoder" if at == "decoder" else "parameters"

    def together(self, first: str, second: str, place: Place) -> bool:
        """Whether two tasks share a parameter at all, so that a cosine between their gradients means something."""
        users = self.in_branch if place == "decoder" else self.anywhere
        return any({first, second} <= tasks for tasks in users.values())


def parameter_users(trunk: Trunk) -> ParameterUsers:
    """Finds out by running the trunk once per task on a small image; nothing about it changes."""
    parameters = dict(trunk.named_parameters())
    frozen = [p for p in parameters.values() if not p.requires_grad]
    training, size = trunk.training, 2 * max(level.stride for levels in trunk.features.values() for level in levels)
    anywhere: dict[str, set[str]] = {name: set() for name in parameters}
    in_branch: dict[str, set[str]] = {name: set() for name in parameters}
    trunk.eval()
    try:
        for parameter in frozen:
            parameter.requires_grad_(True)
        with torch.enable_grad():
            like = next(iter(parameters.values()))
            features = trunk.shared(torch.full((1, 3, size, size), 0.5, device=like.device, dtype=like.dtype))
            apart = [feature.detach().requires_grad_() for feature in features]
            for task in trunk.features:
                for users, given in ((anywhere, features), (in_branch, apart)):
                    for name in _reached(trunk.branch(given, [task])[task], parameters):
                        users[name].add(task)
    finally:
        for parameter in frozen:
            parameter.requires_grad_(False)
        trunk.train(training)
    return ParameterUsers(
        {name: frozenset(tasks) for name, tasks in anywhere.items()},
        {name: frozenset(tasks) for name, tasks in in_branch.items()},
        frozenset(trunk.features),
    )


def _reached(pyramid: Pyramid, parameters: Mapping[str, nn.Parameter]) -> list[str]:
    levels = [level for level in pyramid if level.requires_grad]
    if not levels or not parameters:
        return []
    ones = [torch.ones_like(level) for level in levels]
    given = torch.autograd.grad(levels, list(parameters.values()), ones, retain_graph=True, allow_unused=True)
    return [name for name, gradient in zip(parameters, given, strict=True) if gradient is not None]
