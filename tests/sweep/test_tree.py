"""The tree of branches under a budget: brute force, hand-made cases, and costs of networks that are built."""

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from hydranet.core.spec import Part, SpecError
from hydranet.models import summary
from hydranet.models.decoders.lw_refinenet import LightWeightRefineNet
from hydranet.models.encoders.mobilenetv2 import MobileNetV2
from hydranet.models.sharing.branched import Branched, checked_tree
from hydranet.sweep.grouping.stage_costs import stage_costs
from hydranet.sweep.grouping.tree import EXACT, Groups, Stage, best_tree
from toys import Brightness, toy_recipe


def partitions(names: Sequence[str]) -> Iterator[frozenset[frozenset[str]]]:
    """By labels: task i is in the group of a number; another way than that of the code under test."""
    seen = set()
    for labels in itertools.product(range(len(names)), repeat=len(names)):
        groups = frozenset(frozenset(n for n, k in zip(names, labels, strict=True) if k == label) for label in labels)
        if groups not in seen:
            seen.add(groups)
            yield groups


def worth(tree: Sequence[frozenset[frozenset[str]]], stages: Sequence[Stage], tasks: int) -> tuple[float, float]:
    apart = cost = 0.0
    for groups, stage in zip(tree, stages, strict=True):
        for group in groups:
            cost += stage.cost if group & stage.users else 0
            for i in group:
                apart += max([stage.apart[min(i, j), max(i, j)] for j in group if j != i], default=0.0) / tasks
    return apart, cost


def random_stages(names: str, count: int, rng: random.Random) -> list[Stage]:
    pairs = list(itertools.combinations(names, 2))
    return [
        Stage({pair: rng.random() for pair in pairs}, rng.choice([0.1, 0.2, 0.3]), frozenset(names))
        for _ in range(count)
    ]


@pytest.mark.parametrize("seed", range(6))
def test_it_is_the_best_of_all_trees(seed: int) -> None:
    rng = random.Random(seed)
    names = "abcd"[: 3 + seed % 2]
    stages = random_stages(names, 3, rng)
    if seed == 5:
        stages[-1] = replace(stages[-1], users=frozenset("ab"))
    every = list(partitions(names))
    budget, fixed = rng.uniform(1.0, 2.0), 0.1
    known = []
    for tree in itertools.product(every, repeat=3):
        nested = all(any(g <= w for w in before) for before, after in itertools.pairwise(tree) for g in after)
        apart, cost = worth(tree, stages, len(names))
        if nested and cost + fixed <= budget:
            known.append((apart, cost + fixed))
    found = best_tree(names, stages, fixed, budget)
    assert found.apart == pytest.approx(min(known)[0])
    apart, cost = worth([frozenset(map(frozenset, groups)) for groups in found.tree], stages, len(names))
    assert (found.apart, found.cost) == pytest.approx((apart, cost + fixed))
    assert found.cost <= budget
    assert checked_tree(found.tree, list(names), 2) == found.tree


def test_those_who_are_unlike_part_first() -> None:
    """c is unlike both from the second stage on; the budget pays for one more copy of the last two stages."""
    unlike = {("a", "b"): 0.1, ("a", "c"): 0.9, ("b", "c"): 0.9}
    alike = dict.fromkeys(unlike, 0.0)
    stages = [Stage(apart, 0.3, frozenset("abc")) for apart in (alike, unlike, unlike)]
    whole = (("a", "b", "c"),)
    chosen = best_tree("abc", stages, 0.1, 1.6)
    assert chosen.tree == (whole, (("a", "b"), ("c",)), (("a", "b"), ("c",)))
    assert (chosen.apart, chosen.cost) == pytest.approx((2 * 0.2 / 3, 1.6))
    assert best_tree("abc", stages, 0.1, 1.0).tree == (whole,) * 3
    with pytest.raises(SpecError, match=r"got budget 0\.9, expected at least 1, what the network without"):
        best_tree("abc", stages, 0.1, 0.9)


def test_of_equal_trees_the_cheapest() -> None:
    stages = [Stage({("a", "b"): 0.0}, 0.5, frozenset("ab"))] * 2
    assert best_tree("ab", stages, 0.0, 9.0).tree == ((("a", "b"),),) * 2


def test_many_tasks_take_no_time() -> None:
    names = "abcdefghij"
    assert len(names) > EXACT
    apart = {(i, j): 0.1 if (i in "abcde") == (j in "abcde") else 1.0 for i, j in itertools.combinations(names, 2)}
    stages = [Stage(apart, 1 / 7, frozenset(names))] * 7
    chosen = best_tree(names, stages, 0.0, 2.0)
    assert chosen.tree == ((tuple("abcde"), tuple("fghij")),) * 7
    assert chosen.apart == pytest.approx(0.7)


def test_costs_are_those_of_the_network_that_is_built() -> None:
    tasks = (Brightness("one"), Brightness("two"), Brightness("three", reads="encoder"))
    recipe = replace(
        toy_recipe(), tasks=tasks, encoder=Part(MobileNetV2, weights=None), decoder=Part(LightWeightRefineNet, width=16)
    )
    names, size = ("one", "two", "three"), (64, 96)
    spent = stage_costs(recipe.build(), size, "macs")
    assert sum(spent.stages) + spent.heads == pytest.approx(1.0)
    users = [frozenset(names)] * 6 + [frozenset(names[:2])]
    stages = [
        Stage({("one", "two"): 0.2, ("one", "three"): 0.9, ("two", "three"): 0.9}, share, who)
        for share, who in zip(spent.stages, users, strict=True)
    ]
    chosen = best_tree(names, stages, spent.heads, 1.3)
    branched = replace(recipe, sharing=Part(Branched, tree=chosen.tree)).build()
    whole = summary.macs(recipe.build(), size, names)
    assert summary.macs(branched, size, names) / whole == pytest.approx(chosen.cost, rel=1e-6)
    assert 1.0 < chosen.cost <= 1.3
    timed = stage_costs(recipe.build(), size, "latency")
    assert sum(timed.stages) + timed.heads == pytest.approx(1.0)
    assert min(*timed.stages, timed.heads) > 0


def test_groups_are_in_the_order_of_the_tasks() -> None:
    stages = [Stage({("b", "a"): 0.5, ("b", "c"): 0.5, ("a", "c"): 0.0}, 1.0, frozenset("abc"))]
    expected: Groups = (("b",), ("a", "c"))
    assert best_tree("bac", stages, 0.0, 2.0).tree == (expected,)
