"""What a balancer is: it turns several losses into one objective, or their gradients' inner products into weights."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hydranet.core.spec import SpecError, unknown

Losses = Mapping[str, Tensor]
"""Mean loss by task, float 0-d; a task without a label anywhere in the step is absent."""

At = Literal["auto", "decoder", "parameters"]
"""Where a balancer of gradients compares them."""

Scale = Literal["invariant", "sensitive"]
"""Whether a loss multiplied by a constant leaves the direction of the step as it was, once the balancer settled."""


PAST = 0.7
"""Weight of earlier comparisons in the moving average of Gramians (docs/experiments.md)."""


class LossBalancer(nn.Module, ABC):
    """Losses to objective. Constructed as `Balancer(tasks, **options)` with the names of all tasks.

    It sees the means over all processes, sources and micro-batches of a step, once per step; the gradient of its
    objective with respect to each mean is that task's weight. Learned weights are parameters, histories are buffers:
    both are saved. A step without a task leaves the state of that task unchanged.

    scale: whether it cares for the losses' scale.
    """

    scale: ClassVar[Scale]

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

    The Gramian holds the inner products of the task gradients at parameters that tasks share. Heads, and what one task
    owns in the trunk, always get their own gradient; the rest of the trunk gets the weighted sum. A balancer that
    learns sets `.grad` of its own parameters in `forward`, which runs once per step.

    at:    where gradients are compared: at the "decoder"'s parameters, at all shared "parameters" as in the papers,
           or "auto": at the decoder's where every task passes them, else at all. One backward pass per task through
           that part of the trunk.
    every: steps from one comparison to the next; between them a moving average of the last Gramians counts, which is
           nearer to the step's own than the last one is. None = every step up to four tasks and every second one up
           to eight at the decoder, every T-th step of T tasks at all parameters (docs/balancing.md has the table of
           cost and error).
    Raises SpecError for another word, or every < 1.
    """

    scale: ClassVar[Scale]
    KEPT: ClassVar[tuple[str, ...]] = (
        *("last_gramian", "gramian_taken", "gramian_clock"),
        *("mean_gramian", "gramian_since"),
    )
    """Names of the buffers that hold the last comparisons."""

    def __init__(self, tasks: tuple[str, ...], at: At = "auto", every: int | None = None) -> None:
        super().__init__()
        if at not in get_args(At):
            raise SpecError(f"got at={at!r}, expected one of {', '.join(get_args(At))}")
        if every is not None and every < 1:
            raise SpecError(f"got every={every}, expected a number of steps >= 1, or null for the default of the place")
        self.tasks, self.at, self.every = tasks, at, every
        self.register_buffer("last_gramian", torch.full((len(tasks), len(tasks)), torch.nan))
        self.register_buffer("gramian_taken", torch.zeros(len(tasks), len(tasks), dtype=torch.int64))
        self.register_buffer("gramian_clock", torch.zeros((), dtype=torch.int64))
        self.register_buffer("mean_gramian", torch.full((len(tasks), len(tasks)), torch.nan))
        self.register_buffer("gramian_since", torch.zeros(len(tasks), len(tasks), dtype=torch.int64))
        self.last_gramian: Tensor
        self.gramian_taken: Tensor
        self.gramian_clock: Tensor
        self.mean_gramian: Tensor
        self.gramian_since: Tensor

    def recall(self, names: Sequence[str], every: int) -> Float[Tensor, "t t"] | None:
        """The moving average of these tasks' Gramians; None where the last one is `every` steps old, or not of one
        comparison of them all.

        Inner products of different steps put together need not be those of any vectors.
        """
        places = [self.tasks.index(name) for name in names]
        taken = self.gramian_taken[places][:, places]
        first, last = int(taken.min()), int(taken.max())
        if not first or first != last or int(self.gramian_clock) + 1 - first >= every:
            return None
        self.gramian_clock += 1
        return self.mean_gramian[places][:, places]

    def remember(self, names: Sequence[str], gramian: Float[Tensor, "t t"]) -> None:
        """Keeps a Gramian for the steps until the next comparison; those of absent tasks stay as they were.

        The moving average begins anew where these tasks were not all compared with each other each time since it began:
        a sum of Gramians is one (of the gradients side by side), entries of different sums are none.
        """
        places = torch.tensor([self.tasks.index(name) for name in names], device=self.last_gramian.device)
        block = places[:, None], places
        given = gramian.to(self.last_gramian)
        taken, since = self.gramian_taken[block], self.gramian_since[block]
        goes_on = bool(taken.min() == taken.max() and taken.min() > 0 and since.min() == since.max())
        self.gramian_clock += 1
        self.last_gramian[block] = given
        self.gramian_taken[block] = self.gramian_clock
        self.mean_gramian[block] = PAST * self.mean_gramian[block] + (1 - PAST) * given if goes_on else given
        if not goes_on:
            self.gramian_since[block] = self.gramian_clock

    @abstractmethod
    def forward(self, gramian: Float[Tensor, "t t"], losses: Losses) -> Float[Tensor, " t"]:
        """A weight for each task present, in the order of `losses`."""


class GramianWeighting(GradientBalancer):
    """A method that is a function of the Gramian alone: one formula, `solve`.

    All are scaled to the plain sum: where gradients agree, or where there is one task, its weight is 1 (Nash-MTL: where
    they are orthogonal and of one length), so that a learning rate carries over. A task whose gradient vanishes has no
    say and weighs 1.
    """

    def __init__(self, tasks: tuple[str, ...], at: At = "auto", every: int | None = None) -> None:
        super().__init__(tasks, at, every)
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))
        self.step: Tensor

    @abstractmethod
    def solve(self, gramian: Float[Tensor, "t t"]) -> Float[Tensor, " t"]:
        """Weights from a Gramian (float64, CPU) whose diagonal is positive and 1 on average."""

    @torch.no_grad()
    def forward(self, gramian: Float[Tensor, "t t"], losses: Losses) -> Float[Tensor, " t"]:
        on_cpu = gramian.detach().cpu().double()
        lengths = on_cpu.diagonal()
        alive = lengths > 1e-12 * lengths.max()
        weights = torch.ones(len(lengths))
        if alive.any():
            # No method depends on the common scale, and several have thresholds made for gradients of length 1.
            weights[alive] = self.solve(on_cpu[alive][:, alive] / lengths[alive].mean()).float()
        self.step += 1
        return weights.to(gramian)


Balancer = LossBalancer | GradientBalancer
