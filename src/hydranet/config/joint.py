"""Joint-task regularization in a recipe: tasks that nobody labeled learn from those that somebody did."""

import math
from dataclasses import dataclass

from hydranet.core.checks.names import check_names
from hydranet.core.spec import Component, SpecError

MOST_CHANNELS = 1024


@dataclass(frozen=True)
class Joint(Component):
    """One code of what all tasks say about an image; with labels in place of some answers it must stay the same.

    Nishi, Kim, Li, Pfister, "Joint-Task Regularization for Partially Labeled Multi-Task Learning", CVPR 2024, arXiv
    2404.01976; `distillation.joint_code` has the loss. It needs no teacher, and costs the heads of all its tasks on all
    images. For tasks that answer with maps.

    tasks:  whose answers the code holds; empty = all that answer with maps.
    weight: factor on its loss, which balancers see as a task of its own, `joint`; 0 = none.
    width:  channels of the code.
    """

    tasks: tuple[str, ...] = ()
    weight: float = 0.0
    width: int = 32

    def __post_init__(self) -> None:
        check_names(self.tasks, "task")
        if len(self.tasks) == 1:
            raise SpecError(f"got joint.tasks={self.tasks}, expected two or more, or none for all that have maps")
        if not 0 <= self.weight < math.inf:
            raise SpecError(f"got joint.weight={self.weight}, expected a number >= 0; 0 = no joint code")
        if not 1 <= self.width <= MOST_CHANNELS:
            raise SpecError(f"got joint.width={self.width}, expected 1 to {MOST_CHANNELS} channels")
