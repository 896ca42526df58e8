"""What a balancer is that learns its weights from held-out images."""

from abc import abstractmethod
from collections.abc import Collection, Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from hydranet.core.balancer import LossBalancer, Losses
from hydranet.core.spec import SpecError, unknown


class HeldOutBalancer(LossBalancer):
    """Learns its weights from images the step does not train on; `hydranet.training.meta_gradients` measures what `learn` is told.

    every:      steps between two looks at held-out images, >= 1.
    held_out:   names of sources that serve for this alone; none = in these steps half of the step's own images,
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

    def learn(self, slopes: Mapping[str, Tensor]) -> None:
        """Sets the gradients of its parameters from d (held-out loss) / d w_t, for the tasks that have one."""
        weights = self.weights(slopes)
        torch.stack([slope.detach() * weights[name] for name, slope in slopes.items()]).sum().backward()

    def forward(self, losses: Losses) -> Float[Tensor, ""]:
        weights = self.weights(())
        self.step += 1
        return torch.stack([weights[name].detach() * loss for name, loss in losses.items()]).sum()
