"""The best set of networks under a budget: each task is answered by the best network that has it."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from hydranet.core.spec import SpecError


@dataclass(frozen=True)
class Candidate:
    """A network that was trained, or whose losses were estimated.

    losses: of the tasks it answers, lower is better, in units that may be added over tasks.
    cost:   in any unit, that of the budget; above 0.
    """

    name: str
    losses: Mapping[str, float]
    cost: float

    def __post_init__(self) -> None:
        if not self.losses or not all(map(math.isfinite, self.losses.values())):
            raise SpecError(f"network {self.name!r} has losses {dict(self.losses)}, expected a finite number per task")
        if not 0 < self.cost < math.inf:
            raise SpecError(f"network {self.name!r} has cost {self.cost}, expected a finite number above 0")


@dataclass(frozen=True)
class Choice:
    """The networks to use, which of them answers each task, and what that loses and costs in all."""

    networks: tuple[Candidate, ...]
    answers: Mapping[str, str]
    loss: float
    cost: float

    @property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """The tasks by the network that answers them."""
        names = dict.fromkeys(self.answers.values())
        return tuple(tuple(task for task, by in self.answers.items() if by == name) for name in names)


def best_set(candidates: Iterable[Candidate], tasks: Sequence[str], budget: float) -> Choice:
    """The set of networks of total cost <= budget with the smallest sum over tasks of the best loss.

    Branch and bound (Standley et al., section 6): networks are taken or left out one after another, the cheaper of two
    equal sets wins; a branch is given up where even all networks that are still affordable cannot beat the best set so
    far. The result is the optimum, not an approximation. Raises SpecError where no set has all tasks.
    """
    search = _Search(sorted(candidates, key=lambda one: (one.cost, one.name)), tuple(tasks), budget)
    search.descend(0, (), 0.0, {})
    if search.best is None:
        least = _cheapest(search.candidates, tasks)
        cure = (
            f"the cheapest set with all tasks costs {least:.4g}" if math.isfinite(least) else "a task is in no network"
        )
        raise SpecError(f"got budget {budget:g} for the tasks {', '.join(tasks)}, expected more: {cure}")
    return search.best


@dataclass
class _Search:
    candidates: Sequence[Candidate]
    tasks: tuple[str, ...]
    budget: float
    best: Choice | None = None
    _slack: float = field(default=1e-9, repr=False)

    def descend(self, start: int, taken: tuple[Candidate, ...], cost: float, losses: Mapping[str, float]) -> None:
        """Tries every set that adds networks from `start` on to those taken."""
        self._consider(taken, cost, losses)
        left = self.budget - cost + self._slack
        open_ones = [i for i in range(start, len(self.candidates)) if self.candidates[i].cost <= left]
        reach = dict(losses)  # what all networks that are still affordable could bring
        for i in open_ones:
            _improve(reach, self.candidates[i].losses)
        if any(task not in reach for task in self.tasks):
            return
        if self.best is not None and sum(reach[task] for task in self.tasks) >= self.best.loss - self._slack:
            return
        for i in open_ones:
            one = self.candidates[i]
            if any(loss < losses.get(task, math.inf) for task, loss in one.losses.items()):  # else it adds cost alone
                added = dict(losses)
                _improve(added, one.losses)
                self.descend(i + 1, (*taken, one), cost + one.cost, added)

    def _consider(self, taken: tuple[Candidate, ...], cost: float, losses: Mapping[str, float]) -> None:
        if any(task not in losses for task in self.tasks):
            return
        loss = sum(losses[task] for task in self.tasks)
        if self.best is None or loss < self.best.loss - self._slack:
            answers = {task: min(_having(taken, task), key=lambda one: one.losses[task]).name for task in self.tasks}
            used = tuple(one for one in taken if one.name in answers.values())
            self.best = Choice(used, answers, loss, sum(one.cost for one in used))


def _having(networks: Iterable[Candidate], task: str) -> list[Candidate]:
    return [one for one in networks if task in one.losses]


def _improve(losses: dict[str, float], others: Mapping[str, float]) -> None:
    for task, loss in others.items():
        losses[task] = min(loss, losses.get(task, math.inf))


def _cheapest(candidates: Sequence[Candidate], tasks: Sequence[str]) -> float:
    """The least cost of a set that has all tasks; infinite where there is none."""
    least: dict[frozenset[str], float] = {frozenset(): 0.0}
    for one in candidates:
        for covered, cost in list(least.items()):
            more = covered | (one.losses.keys() & set(tasks))
            least[more] = min(least.get(more, math.inf), cost + one.cost)
    return least.get(frozenset(tasks), math.inf)
