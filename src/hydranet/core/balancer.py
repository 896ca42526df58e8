"""What a balancer is: it turns several losses into one objective, or their gradients' inner products into weights."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hydranet.core.spec import SpecError, unknown

Losses = Mapping[str, Tensor]
"""Mean loss by task, float 0-d; a task without a label anywhere in the step is absent."""


class LossBalancer(nn.Module, ABC):
    """Losses to objective. Constructed as `Balancer(tasks, **options)` with the names of all tasks.

    It sees the means over all processes, sources and micro-batches of a step, once per step; the gradient of its
    objective with respect to each mean is that task's weight. Learned weights are parameters, histories are buffers:
    both are saved. A step without a task leaves the state of that task unchanged.
    """

    def __init__(self, tasks: tuple[str, ...]) -> None:
        super().__init__()
        self.tasks = tasks

    @abstractmethod
    def forward(self, losses: Losses) -> Float[Tensor, ""]:
        """The objective of the tasks that are present."""


class MetaBalancer(LossBalancer):
    """Learns its weights from images the step does not train on; `training.meta_gradients` measures what `update` gets.

    every:      steps between two looks at held-out images, >= 1.
    held_out:   names of sources used only for this; none = in these steps half of the step's own images,
                before they are trained on.
    primary:    the tasks whose held-out losses count; none = all.
    look_ahead: rate of the step of gradient descent after which the held-out loss is taken; 0 = before it.
    exact:      slopes from a backward pass for each task; False = from two forward passes, whatever their number.
    """

    look_ahead: float = 0.0
    exact: bool = True

    def __init__(
        self, tasks: tuple[str, ...], every: int, held_out: tuple[str, ...] = (), primary: tuple[str, ...] = ()
    ) -> None:
        super().__init__(tasks)
        if every < 1:
            raise SpecError(f"got every={every}, expected a number of steps >= 1")
        for name in primary:
            if name not in tasks:
                raise SpecError(unknown(name, tasks, "task (in the balancer's primary)"))
        self.every, self.held_out, self.primary = every, tuple(held_out), tuple(primary) or tasks
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))
        self.step: Tensor

    @abstractmethod
    def weights(self, live: Collection[str]) -> dict[str, Tensor]:
        """The weight of every task; only the parameters of `live` tasks are to learn from it."""

    def update(self, slopes: Mapping[str, Tensor]) -> None:
        """Sets the gradients of its parameters from d (held-out loss) / d w_t, for the tasks that have one."""
        weights = self.weights(slopes)
        torch.stack([slope.detach() * weights[name] for name, slope in slopes.items()]).sum().backward()

    def forward(self, losses: Losses) -> Float[Tensor, ""]:
        weights = self.weights(())
        self.step += 1
        return torch.stack([weights[name].detach() * loss for name, loss in losses.items()]).sum()


class GradientBalancer(nn.Module, ABC):
    """Gramian to weights. Constructed as `Balancer(tasks, **options)`.

    The Gramian holds the inner products of the task gradients; heads always get their own gradient, the trunk gets
    the weighted sum. A balancer that learns sets `.grad` of its own parameters in `forward`, which runs once per step.

    at: where the task gradients are compared: at the "cut", the features that heads read (one backward pass through
        the trunk, whatever the number of tasks), or at the trunk's "parameters", as in the papers (one for each task).
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
