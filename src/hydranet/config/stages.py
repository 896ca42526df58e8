"""A run in stages, as a recipe states it: which parts learn when, how fast, and how much each task counts."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hydranet.config.schedule import Schedule
from hydranet.core.checks.names import check_name
from hydranet.core.spec import Component, SpecError, unknown


@dataclass(frozen=True)
class Stage(Component):
    """Some steps of a run.

    name:     its key in overrides (stages.NAME.steps=100), and the folder of the network as it was at its end.
    freeze:   parts that stay bit-identical in this stage, by pattern: "trunk", "trunk.encoder.*", "heads.depth".
    tasks:    the only tasks that are computed and learned; empty = all.
    lr:       a factor on the learning rate, or one for each part ({"encoder": 0.1}), on top of optim.factors.
    weights:  {task: factor > 0} on the weight that the balancer gives.
    schedule: instead of the recipe's. Whichever is used restarts with the stage and runs over its steps.
    """

    name: str
    steps: int
    freeze: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    lr: float | Mapping[str, float] = 1.0
    weights: Mapping[str, float] = field(default_factory=dict)
    schedule: Schedule | None = None

    def __post_init__(self) -> None:
        check_name(self.name, "stage")
        if self.steps < 1:
            raise SpecError(f"stage {self.name!r} got steps={self.steps}, expected a whole number >= 1; or take it out")
        for what, given in (("freeze", self.freeze), ("tasks", self.tasks)):
            if isinstance(given, str):
                raise SpecError(f"stage {self.name!r} got {what}={given!r}, expected a tuple; add ,")
        factors = {"lr": {"lr": self.lr} if isinstance(self.lr, int | float) else self.lr, "weights": self.weights}
        for what, values in factors.items():
            wrong = {key: value for key, value in values.items() if not 0 < value < math.inf}
            if wrong:
                cure = "freeze the part" if what == "lr" else "leave the task out of `tasks`"
                raise SpecError(f"stage {self.name!r} got {what} {wrong}, expected numbers > 0; to switch off, {cure}")

    def rate(self, part: str) -> float:
        """The factor on the learning rate of a part of the network."""
        return self.lr.get(part, 1.0) if isinstance(self.lr, Mapping) else self.lr


def check(stages: Sequence[Stage], steps: int, tasks: Sequence[str]) -> None:
    """Raises SpecError where stages contradict each other or their recipe."""
    names = [stage.name for stage in stages]
    if len(set(names)) != len(names):
        raise SpecError(f"got stages {names}, expected every name once; rename one (Stage.name)")
    total = sum(stage.steps for stage in stages)
    if stages and total != steps:
        lengths = " + ".join(f"{stage.name} {stage.steps}" for stage in stages)
        raise SpecError(
            f"the stages take {total} steps ({lengths}), the recipe {steps}; set steps={total} or change one"
        )
    for stage in stages:
        for name in (*stage.tasks, *stage.weights):
            if name not in tasks:
                raise SpecError(unknown(name, tasks, f"task (in stage {stage.name!r})"))
