"""What a balancer is: it turns several losses into one objective, or their gradients' inner products into weights."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from hydranet.core.spec import SpecError

Losses = Mapping[str, Tensor]
"""Mean loss by task, float 0-d; a task without a label anywhere in the step is absent."""


class LossBalancer(nn.Module, ABC):
    """Losses to objective. Constructed as `Balancer(tasks, **options)` with the names of all tasks.

    It sees the means over all processes, sources and micro-batches of a step, once a step; the gradient of its
    objective with respect to each mean is that task's weight. Learned weights are parameters, histories are buffers:
    both are saved. A step without a task leaves what is kept about that task alone.
    """

    def __init__(self, tasks: tuple[str, ...]) -> None:
        super().__init__()
        self.tasks = tasks

    @abstractmethod
    def forward(self, losses: Losses) -> Float[Tensor, ""]:
        """The objective of the tasks that are present."""


class GradientBalancer(nn.Module, ABC):
    """Gramian to weights. Constructed as `Balancer(tasks, **options)`.

    The Gramian holds the inner products of the task gradients; heads always get their own gradient, the trunk gets
    the weighted sum. One that learns sets `.grad` of its own parameters in `forward`, which runs once a step.

    at: where the task gradients are compared: at the "cut" between trunk and heads (one backward pass through the
        trunk, whatever the number of tasks) or at the trunk's "parameters", as in the papers (one for each task).
    """

    def __init__(self, tasks: tuple[str, ...], at: Literal["cut", "parameters"] = "cut") -> None:
        super().__init__()
        if at not in ("cut", "parameters"):
            raise SpecError(f"got at={at!r}, expected 'cut' or 'parameters'")
        self.tasks, self.at = tasks, at

    @abstractmethod
    def forward(self, gramian: Float[Tensor, "t t"], losses: Losses) -> Float[Tensor, " t"]:
        """A weight for each task present, in the order of `losses`."""


Balancer = LossBalancer | GradientBalancer
