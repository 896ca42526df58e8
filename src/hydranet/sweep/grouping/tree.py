"""The tree of branches under a budget in which tasks that are alike stay together the longest."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from hydranet.core.spec import SpecError

EXACT = 6
"""Up to so many tasks every tree is looked at; of more only those along clusterings of each stage."""

Groups = tuple[tuple[str, ...], ...]
Apart = Mapping[tuple[str, str], float]
"""How unlike two tasks are, 0 or more, by pair in the order of the tasks; pairs that are absent are alike."""


@dataclass(frozen=True)
class Stage:
    """A part that can be shared or be there several times.

    cost: of each copy, in the unit of the budget.    users: the tasks that need it; groups without one have no copy.
    """

    apart: Apart
    cost: float
    users: frozenset[str]


@dataclass(frozen=True)
class TreeChoice:
    """A tree, how unlike the tasks are that share its stages, and what it costs."""

    tree: tuple[Groups, ...]
    apart: float
    cost: float


def best_tree(tasks: Sequence[str], stages: Sequence[Stage], fixed: float, budget: float) -> TreeChoice:
    """The tree of cost <= budget with the smallest D = sum over stages and groups of (1 / T) sum_i max_j apart(i, j).

    i and j are tasks of one group, T is the number of tasks; a task that is alone in its group adds nothing. Of two
    trees with equal D it is the cheaper one. This is the criterion of Vandenhende et al. (BMVC 2020, arXiv 1904.02920)
    with the mean over tasks instead of groups. Lu et al. (CVPR 2017, arXiv 1611.05377) weigh cost against likeness from
    the last stage to the first, one stage at a time; here all stages are chosen together, within the budget.

    fixed: what costs the same in every tree, such as heads.
    Raises SpecError where even the tree without a branch costs more than the budget.
    """
    names = tuple(tasks)
    least = fixed + sum(stage.cost for stage in stages if stage.users)
    if least > budget * (1 + 1e-9):
        raise SpecError(
            f"got budget {budget:g}, expected at least {least:.4g}, what the network without branches costs"
        )
    partitions = list(_partitions(names)) if len(names) <= EXACT else _clusterings(names, stages)
    finer = {one: [other for other in partitions if _within(other, one)] for one in partitions}
    front: dict[Groups, list[TreeChoice]] = {(names,): [TreeChoice((), 0.0, fixed)]}
    for index, stage in enumerate(stages):
        added = {one: (_apart(one, stage, len(names)), stage.cost * _copies(one, stage)) for one in partitions}
        grown: dict[Groups, list[TreeChoice]] = {}
        for before, choices in front.items():
            for after in finer[before]:
                apart, cost = added[after]
                rest = sum(later.cost * _copies(after, later) for later in stages[index + 1 :])
                grown.setdefault(after, []).extend(
                    TreeChoice((*one.tree, after), one.apart + apart, one.cost + cost)
                    for one in choices
                    if one.cost + cost + rest <= budget * (1 + 1e-9)
                )
        front = {groups: _not_beaten(choices) for groups, choices in grown.items() if choices}
    return min((one for choices in front.values() for one in choices), key=_rank)


def _rank(one: TreeChoice) -> tuple[float, float, tuple[Groups, ...]]:
    return round(one.apart, 9), one.cost, one.tree


def _not_beaten(choices: list[TreeChoice]) -> list[TreeChoice]:
    """Those than which none is both as good and as cheap."""
    kept: list[TreeChoice] = []
    for one in sorted(choices, key=lambda choice: (choice.cost, *_rank(choice))):
        if not kept or one.apart < kept[-1].apart - 1e-12:
            kept.append(one)
    return kept


def _apart(groups: Groups, stage: Stage, tasks: int) -> float:
    total = 0.0
    for group in groups:
        for i in group:
            total += max((_between(stage.apart, i, j) for j in group if j != i), default=0.0)
    return total / tasks


def _between(apart: Apart, one: str, other: str) -> float:
    return apart.get((one, other), apart.get((other, one), 0.0))


def _copies(groups: Groups, stage: Stage) -> int:
    return sum(1 for group in groups if stage.users & set(group))


def _within(finer: Groups, coarser: Groups) -> bool:
    return all(any(set(group) <= set(wider) for wider in coarser) for group in finer)


def _partitions(names: tuple[str, ...]) -> Iterator[Groups]:
    """Every way to put the tasks into groups; groups and tasks in the order of the tasks."""
    if not names:
        yield ()
        return
    *before, last = names
    for groups in _partitions(tuple(before)):
        for place, group in enumerate(groups):
            yield (*groups[:place], (*group, last), *groups[place + 1 :])
        yield (*groups, (last,))


def _clusterings(names: tuple[str, ...], stages: Sequence[Stage]) -> list[Groups]:
    """For each stage the groupings that come up when the two nearest groups are joined again and again.

    The distance of two groups is the largest of their tasks' (complete linkage).
    """
    chosen: dict[Groups, None] = {}
    for stage in stages:
        groups: Groups = tuple((name,) for name in names)
        chosen[groups] = None
        while len(groups) > 1:
            pairs = [(i, j) for j in range(len(groups)) for i in range(j)]
            i, j = min(pairs, key=lambda pair: _linkage(groups[pair[0]], groups[pair[1]], stage.apart))
            merged = tuple(name for name in names if name in groups[i] or name in groups[j])
            rest = [group for place, group in enumerate(groups) if place not in (i, j)]
            groups = tuple(sorted((merged, *rest), key=lambda group: names.index(group[0])))
            chosen[groups] = None
    return list(chosen)


def _linkage(one: Sequence[str], other: Sequence[str], apart: Apart) -> float:
    return max((_between(apart, a, b) for a in one for b in other), default=math.inf)
