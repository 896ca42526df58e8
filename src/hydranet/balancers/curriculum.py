"""Weights that follow a plan over the steps of a run (Bengio et al., "Curriculum learning", ICML 2009)."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from hydranet.core.balancer import LossBalancer, Losses
from hydranet.core.checks.ranges import check_range
from hydranet.core.spec import SpecError, unknown

Plan = Sequence[Sequence[float]]
"""(step, weight) pairs in the order of steps."""


class Curriculum(LossBalancer):
    """sum_t w_t(k) L_t, where w_t(k) at step k is read off a line through the task's (step, weight) pairs.

    plan: {task: [(step, weight), ...]}, steps counted from 0 and growing, weights >= 0. Before the first pair its
          weight holds, after the last one its weight; a task without a plan weighs 1. One task after the others:
          {"depth": [(0, 0), (500, 1)]} lets depth in slowly, while the others have the network to themselves.
    A task that weighs 0 teaches nothing, but optimizers with weight decay still shrink its head.
    Raises SpecError for an unknown task, steps that do not grow, or a weight that is none.
    """

    scale = "sensitive"

    def __init__(self, tasks: tuple[str, ...], plan: Mapping[str, Plan] | None = None) -> None:
        super().__init__(tasks)
        self.plan = {name: [(float(at), float(w)) for at, w in _pairs(name, p)] for name, p in (plan or {}).items()}
        for name, pairs in self.plan.items():
            if name not in tasks:
                raise SpecError(unknown(name, tasks, "task (in the balancer's plan)"))
            steps = [at for at, _ in pairs]
            if sorted(set(steps)) != steps or steps[0] < 0:
                raise SpecError(f"got steps {steps} in the plan of {name!r}, expected growing numbers from 0")
            for _, weight in pairs:
                check_range(f"balancer.plan.{name}", weight, 0)
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))
        self.step: Tensor

    def weight(self, task: str, step: int) -> float:
        """The task's weight at a step."""
        pairs = self.plan.get(task)
        if pairs is None:
            return 1.0
        before = [pair for pair in pairs if pair[0] <= step]
        after = [pair for pair in pairs if pair[0] > step]
        if not before or not after:
            return before[-1][1] if before else after[0][1]
        (start, low), (end, high) = before[-1], after[0]
        return low + (high - low) * (step - start) / (end - start)

    def forward(self, losses: Losses) -> Tensor:
        step = int(self.step)
        objective = torch.stack([self.weight(name, step) * loss for name, loss in losses.items()]).sum()
        self.step += 1
        return objective


def _pairs(name: str, plan: Plan) -> Plan:
    if not plan or any(isinstance(pair, str) or len(pair) != 2 for pair in plan):
        raise SpecError(f"got the plan {plan!r} of {name!r}, expected pairs (step, weight), such as [[0, 0], [500, 1]]")
    return plan
