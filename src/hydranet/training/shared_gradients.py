"""The trunk's part of a step that balances gradients: their inner products at shared parameters, and the way back."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn

from hydranet.core.balancer import GradientBalancer
from hydranet.core.seeding import seed_generators
from hydranet.training import feature_gradients
from hydranet.training.feature_gradients import DetachedFeatures, Place, parameter_users
from hydranet.training.losses import frozen_buffers
from hydranet.training.step import StepContext

LEAST_WEIGHT = 1e-3
"""With a smaller weight, what a task owns gets its gradient from a pass of its own: half precision would lose it."""

TASKS_PER_STEP = 4
"""So many tasks may be compared at the decoder in every step for about a fifth of a step's time (docs/balancing.md)."""


def comparison_interval(place: Place, tasks: int) -> int:
    """Steps from one comparison of task gradients to the next, where a balancer leaves it open.

    The cost of a comparison grows with the number of tasks; these intervals keep it below a third of a step.
    """
    return -(-tasks // TASKS_PER_STEP) if place == "decoder" else max(tasks, 1)


class SharedGradients:
    """The trunk's part of a step: inner products of the task gradients at shared parameters, and the way back.

    shares: by task present, the factor that makes its gradients at the heads' features those of its mean loss.
    """

    def __init__(
        self,
        step: StepContext,
        balancer: GradientBalancer,
        heads: Sequence[DetachedFeatures],
        shares: dict[str, Tensor],
    ) -> None:
        self.step, self.balancer, self.heads, self.shares = step, balancer, heads, shares
        self.users = step.users or parameter_users(step.model.trunk)
        self.parameters = {n: p for n, p in step.model.trunk.named_parameters() if p.requires_grad}
        self.place: Place = self.users.place(balancer.at)
        if not self._compared():
            self.place = "parameters"

    def _compared(self) -> list[nn.Parameter]:
        return [self.parameters[name] for name in self.users.compared(self.place) if name in self.parameters]

    @contextmanager
    def _levels(self, i: int, frozen: bool) -> Iterator[list[Tensor]]:
        """The trunk's tensors of batch i with their graph: those at hand, or computed again.

        frozen: buffers are put back at the end; backward passes come before it, since they need them as they were.
        """
        if self.step.keep:
            yield self.heads[i].trunk
            return
        seed_generators(self.step.seed + i)
        with frozen_buffers(self.step.model.trunk) if frozen else nullcontext():
            with self.step.autocast():
                levels = feature_gradients.detach_features(self.step.pyramids(i))[1].trunk
            yield levels

    def gramian(self) -> tuple[Tensor, bool]:
        """float64 t t of the tasks present, and whether it was taken in this step or is one of an earlier step."""
        names = tuple(self.shares)
        every = self.balancer.every or comparison_interval(self.place, len(self.users.tasks))
        if (known := self.balancer.recall(names, every)) is not None:
            return known, False
        compared = self._compared()
        sizes = [parameter.numel() for parameter in compared]
        device = self.shares[names[0]].device
        vectors = torch.zeros(len(names), sum(sizes), device=device)
        for i, features in enumerate(self.heads):
            with self._levels(i, frozen=True) as levels:
                for row, name in enumerate(names):
                    gradients = feature_gradients.parameter_gradient(features, levels, name, compared)
                    flat = [gradient.flatten().float() for gradient in gradients]
                    vectors[row] += self.shares[name] * torch.cat([vectors.new_zeros(0), *flat])
        joint = self.step.reduce(vectors)
        products = (joint @ joint.T).double() / self.step.factor**2
        if torch.isfinite(products).all():
            self.balancer.remember(names, products)
        return products, True

    def with_unknown_pairs(self, gramian: Tensor) -> Tensor:
        """The Gramian with NaN between tasks that share nothing where gradients are compared."""
        names = list(self.shares)
        known = [[a == b or self.users.together(a, b, self.place) for b in names] for a in names]
        return torch.where(torch.tensor(known, device=gramian.device), gramian, torch.nan)

    def backward(self, weights: dict[str, Tensor]) -> None:
        """Fills the trunk's gradients: the weighted sum, and for what one task owns, that task's own gradient."""
        owned = {name: self._owned(name) for name in self.shares}
        silent = [name for name in self.shares if owned[name] and abs(float(weights[name])) < LEAST_WEIGHT]
        own: dict[nn.Parameter, Tensor] = {}
        for i, features in enumerate(self.heads):
            with self._levels(i, frozen=False) as levels:
                for name in silent:  # the weighted sum holds too little of it
                    gradients = feature_gradients.parameter_gradient(features, levels, name, owned[name])
                    for parameter, gradient in zip(owned[name], gradients, strict=True):
                        own[parameter] = own.get(parameter, torch.zeros_like(gradient)) + self.shares[name] * gradient
                scaled = {name: weight * self.shares[name] for name, weight in weights.items()}
                feature_gradients.backward_features(features, levels, scaled)
        for name in self.shares:
            for parameter in owned[name]:
                if name in silent:
                    parameter.grad = own[parameter]
                elif parameter.grad is not None:
                    parameter.grad /= weights[name]

    def _owned(self, task: str) -> list[nn.Parameter]:
        return [self.parameters[name] for name in self.users.owned(task) if name in self.parameters]
