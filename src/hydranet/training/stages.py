"""A run in stages: what learns when, how fast, and how much each task counts.

Everything is a function of the step number, so a run resumes in the middle of a stage as exactly as anywhere else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.utils.hooks import RemovableHandle

from hydranet.config.schedule import Schedule
from hydranet.config.stages import Stage
from hydranet.core.balancer import Balancer, GradientBalancer, Losses
from hydranet.core.batch import Batch
from hydranet.core.spec import SpecError, unknown
from hydranet.models.freeze import Frozen
from hydranet.models.hydranet import HydraNet


class Staging:
    """The stages of one run, applied to its network and balancer. Without stages a run is one stage of all its steps.

    stage, first: the current stage and its first step.    tasks: those that it computes.    frozen: its frozen parts.
    Raises SpecError for a stage that freezes a part that does not exist, or in which nothing can learn.
    """

    def __init__(
        self, stages: Sequence[Stage], steps: int, schedule: Schedule, model: HydraNet, balancer: Balancer
    ) -> None:
        self.named = bool(stages)
        self.stages = tuple(stages) or (Stage("whole", steps),)
        self.schedule, self.model, self.balancer = schedule, model, balancer
        self._hook: RemovableHandle | None = None
        self.stage: Stage | None = None
        parts = {"encoder", "decoder", "heads", "balancer", *(name for name, _ in model.trunk.named_children())}
        for stage in self.stages:
            for part in stage.lr if isinstance(stage.lr, Mapping) else ():
                if part not in parts:
                    raise SpecError(unknown(part, parts, f"part of the network (in stages.{stage.name}.lr)"))
            self._freeze(stage)
            self.frozen.undo()

    def _freeze(self, stage: Stage) -> None:
        try:
            self.frozen = Frozen(self.model, stage.freeze)
        except SpecError as error:
            raise SpecError(f"stage {stage.name!r}: {error}") from error
        chosen = stage.tasks or tuple(self.model.tasks)
        shared = _learns(self.model.trunk)
        self.tasks = frozenset(name for name in chosen if shared or _learns(self.model.heads[name]))
        if not self.tasks:
            raise SpecError(f"stage {stage.name!r} freezes all that {', '.join(chosen)} could learn; freeze less")

    def at(self, step: int) -> tuple[Stage, int]:
        """The stage of a step, and the first step of that stage."""
        first = 0
        for stage in self.stages[:-1]:
            if step < first + stage.steps:
                return stage, first
            first += stage.steps
        return self.stages[-1], first

    def enter(self, step: int, average: Mapping[str, Tensor]) -> bool:
        """Freezes and unfreezes where `step` is in another stage than at the last call; returns whether it was.

        average: the averaged weights, where the run has them. Frozen parts take them over, because the averaged
        weights are the ones that are evaluated and shipped: so heads learn from the features they are shipped with.
        """
        stage, self.first = self.at(step)
        if stage is self.stage:
            return False
        self.frozen.undo()
        self._freeze(stage)
        self.stage = stage
        if self._hook:
            self._hook.remove()
        self._hook = weigh(self.balancer, stage.weights) if stage.weights else None
        own = self.model.state_dict()
        with torch.no_grad():
            for name in self.frozen.names & average.keys():
                own[name].copy_(average[name])
        return True

    def ended(self, step: int) -> str:
        """The name of the stage that ends with the `step`-th step, if it is not the last one; else an empty text."""
        stage, first = self.at(step - 1)
        return stage.name if step == first + stage.steps and stage is not self.stages[-1] else ""

    def rate(self, step: int, part: str = "") -> float:
        """The factor on the learning rate of a part of the network in a step."""
        stage, first = self.at(step)
        return stage.rate(part) * (stage.schedule or self.schedule).factor(step - first, stage.steps)

    def batch(self, batch: Batch) -> Batch:
        """A batch with the labels and distillation targets of the stage's tasks only; the others are not computed."""
        if batch.asked <= self.tasks:
            return batch
        labels = {name: label for name, label in batch.labels.items() if name in self.tasks}
        distillation = tuple(
            distilled_target for distilled_target in batch.distillation if distilled_target.task in self.tasks
        )
        return replace(
            batch, labels=labels, rows={name: batch.rows[name] for name in labels}, distillation=distillation
        )

    def describe(self) -> str:
        """The current stage in one line."""
        if self.stage is None:
            return "no stage yet"
        parameters = [p.numel() * p.requires_grad for p in self.model.parameters()]
        frozen = f"; frozen: {', '.join(self.stage.freeze)}" if self.stage.freeze else ""
        tasks = ", ".join(name for name in self.model.tasks if name in self.tasks)
        return (
            f"stage {self.stage.name}: {self.stage.steps} steps of {tasks}{frozen}; "
            f"{sum(parameters):,} parameters learn"
        )


def _learns(module: torch.nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in module.parameters())


def weigh(balancer: Balancer, factors: Mapping[str, float]) -> RemovableHandle:
    """Multiplies the weights that a balancer gives by factors, until `remove()`; its inputs and state stay the same."""

    def losses(_: torch.nn.Module, given: tuple[Losses]) -> tuple[Losses]:
        # the value of each loss as it is, its gradient times the factor
        return ({n: loss.detach() + factors.get(n, 1.0) * (loss - loss.detach()) for n, loss in given[0].items()},)

    def weights(_: torch.nn.Module, given: tuple[Tensor, Losses], weights: Tensor) -> Tensor:
        return weights * weights.new_tensor([factors.get(name, 1.0) for name in given[1]])

    if isinstance(balancer, GradientBalancer):
        return balancer.register_forward_hook(weights)
    return balancer.register_forward_pre_hook(losses)
