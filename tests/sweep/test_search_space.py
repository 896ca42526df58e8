"""The space of a search and successive halving, by numbers that can be computed by hand."""

import math
from dataclasses import replace

import pytest

from hydranet.core.spec import Part, SpecError
from hydranet.models.decoders.lw_refinenet import LightWeightRefineNet
from hydranet.models.sharing.split import SplitDecoders
from hydranet.sweep.axes import axes
from hydranet.sweep.plan import PLAIN
from hydranet.sweep.search import halving
from hydranet.sweep.search.space import NoPoint, Point, points, usual_space
from toys import ToyStages, toy_recipe


def test_each_round_costs_about_the_same() -> None:
    ladder = halving.rungs(90, 9, 3, 3)
    assert [(rung.steps, rung.networks) for rung in ladder] == [(10, 9), (30, 3), (90, 1)]
    assert len({rung.steps * rung.networks for rung in ladder}) == 1
    assert [(rung.steps, rung.networks) for rung in halving.rungs(8, 5, 2, 2)] == [(4, 5), (8, 3)]
    with pytest.raises(SpecError, match="got 3 rungs, the last of 8 steps, expected at least 9 steps"):
        halving.rungs(8, 9, 3, 3)


def test_the_best_and_the_front() -> None:
    scores = {"slow": 3.0, "quick": 1.0, "middle": 1.0, "good": 3.0, "failed": math.nan, "poor": -1.0}
    ms = {"slow": 9.0, "quick": 1.0, "middle": 2.0, "good": 5.0, "failed": 0.5, "poor": 8.0}
    assert halving.best(scores, ms, 3) == ["good", "slow", "quick"]
    assert halving.front(scores, ms) == ["quick", "good"]


def test_the_space_holds_each_recipe_once_and_the_first_is_the_recipe_itself() -> None:
    recipe = replace(toy_recipe(), encoder=Part(ToyStages))
    values = axes(["steps=9", "decoder.width=6,8", "sharing=hard_sharing,split_decoders,branched,wrong"])
    drawn = list(points(recipe, values, 0))
    made = [one for one in drawn if isinstance(one, Point)]
    assert (made[0].label, made[0].recipe) == (PLAIN, recipe.changed(["steps=9"]))
    assert len(made) == len({one.name for one in made}) == 6, "width 6 with hard sharing is the recipe itself"
    assert {one.recipe.steps for one in made} == {9}
    assert sorted(one.label for one in drawn if isinstance(one, NoPoint)) == [
        "decoder.width=6 sharing=wrong",
        "decoder.width=8 sharing=wrong",
    ]
    assert [one.label for one in points(recipe, values, 0)] == [one.label for one in drawn]
    assert [one.label for one in points(recipe, values, 1)] != [one.label for one in drawn]


def test_what_is_searched_where_nothing_is_named() -> None:
    recipe = replace(toy_recipe(), decoder=Part(LightWeightRefineNet, width=64), sharing=Part(SplitDecoders))
    space = usual_space(recipe)
    assert space["decoder.width"] == ("32", "64", "128")
    assert "split_decoders" in space["sharing"]
    assert usual_space(replace(recipe, decoder=Part(LightWeightRefineNet)))["decoder.width"] == ("128", "256", "512")


def test_what_means_nothing_is_refused() -> None:
    with pytest.raises(SpecError, match="got no setting with several values"):
        list(points(toy_recipe(), {"steps": ("3",)}, 0))
    with pytest.raises(SpecError, match="colour"):
        list(points(toy_recipe(), {"colour": ("3",), "batch": ("2", "4")}, 0))
