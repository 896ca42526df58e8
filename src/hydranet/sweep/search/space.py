"""What is searched: recipes that differ in some of their settings, drawn by chance without repetition."""

import inspect
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from hydranet.config.recipe import Recipe
from hydranet.core.spec import Part, SpecError
from hydranet.evaluation.report import digest
from hydranet.sweep.axes import combinations
from hydranet.sweep.plan import PLAIN, label_of, run_stem

T = TypeVar("T")

WIDTHS = (0.5, 1.0, 2.0)
"""Of the recipe's own width, where a decoder has one."""

MULTIPLE = 16
"""Widths are multiples of it: processors compute in vectors."""

STRUCTURES = ("hard_sharing", "split_decoders", "mtan", "cross_task_attention")
"""Sharing structures that take every encoder and cost little more than one encoder."""


@dataclass(frozen=True)
class Point:
    """A recipe of the space. label: its settings as the table shows them.    name: of its runs and files."""

    label: str
    settings: Mapping[str, str]
    recipe: Recipe

    @property
    def name(self) -> str:
        """Without letters that a shell minds; two recipes never have the same."""
        return f"{run_stem(self.settings)}-{digest(self.recipe.to_json())}"


def usual_space(recipe: Recipe) -> dict[str, tuple[str, ...]]:
    """What is searched where the user says nothing: the decoder's width, and what tasks share."""
    space: dict[str, tuple[str, ...]] = {}
    if "width" in recipe.decoder.takes:
        usual = inspect.signature(recipe.decoder.cls).parameters["width"].default
        width = int(recipe.decoder.options.get("width", usual))
        widths = dict.fromkeys(max(round(width * share / MULTIPLE), 1) * MULTIPLE for share in WIDTHS)
        space["decoder.width"] = tuple(map(str, widths))
    space["sharing"] = STRUCTURES
    return space


@dataclass(frozen=True)
class NoPoint:
    """Settings that make no recipe, and why."""

    label: str
    reason: str


def points(recipe: Recipe, values: Mapping[str, Sequence[str]], seed: int) -> Iterator[Point | NoPoint]:
    """The recipe itself, then every other combination of the values in an order that `seed` determines, each once.

    values: as `sweep.axes.axes` gives them; keys with a single value hold for all, the recipe itself included.
    Raises SpecError where a single value is none of the recipe, and for a recipe with stages, whose steps are fixed.
    """
    if recipe.stages:
        raise SpecError(f"recipe {recipe.name!r} has stages, expected none to search with fewer steps; take stages=[]")
    fixed = recipe.changed(f"{key}={one[0]}" for key, one in values.items() if len(one) == 1)
    varied = {key: several for key, several in values.items() if len(several) > 1}
    if not varied:
        raise SpecError("got no setting with several values, expected some to search among: decoder.width=32,64")
    first = Point(PLAIN, {}, fixed)
    yield first
    known = {_network(fixed)}
    drawn = combinations(varied)
    random.Random(seed).shuffle(drawn)
    for chosen in drawn:
        label = label_of(chosen)
        try:
            made = fixed.changed(f"{key}={value}" for key, value in chosen.items())
        except SpecError as error:
            yield NoPoint(label, str(error))
            continue
        if _network(made) not in known:
            known.add(_network(made))
            yield Point(label, chosen, made)


def _network(recipe: Recipe) -> str:
    """What a recipe trains, as text: equal where options that are stated are the defaults of others."""
    return replace(
        recipe,
        name="same",
        encoder=_whole(recipe.encoder),
        decoder=_whole(recipe.decoder),
        sharing=_whole(recipe.sharing),
    ).to_json()


def _whole(part: Part[T]) -> Part[T]:
    """The part with each of its options stated."""
    known = inspect.signature(part.cls).parameters.values()
    usual = {one.name: one.default for one in known if one.name in part.takes and one.default is not one.empty}
    return Part(part.cls, **{**usual, **part.options})
