"""Steps after a graph: found by name among files that are steps, their options checked, whoever says them."""

import pkgutil

import numpy as np
import pytest

from fakes import FAKES
from hydranet import postprocess as folder
from hydranet.annotations import Annotation, Boxes, ClassMap
from hydranet.core.sample import DataError
from hydranet.core.step import Option
from hydranet.postprocess.steps import kind_after, known_steps, postprocess, step_named

ODD = (float("nan"), float("inf"), -1, 1e300, 10**400, True, "1", None, [1])
"""What a manifest of somebody else might hold as an option."""


@pytest.fixture(params=known_steps())
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def inputs(name: str) -> list[Annotation]:
    return [FAKES[kind](np.random.default_rng(seed), 48, 64) for kind in step_named(name).kinds for seed in range(3)]


def test_suppression_is_a_step_and_other_files_are_none() -> None:
    files = {one.name for one in pkgutil.iter_modules(folder.__path__)}
    assert "nms" in known_steps()
    assert {"steps", "padding", "distance"} <= files - set(known_steps())


@pytest.mark.parametrize("foreign", ["padding", "os", "..config", "hydranet.postprocess.nms", "", "steps\nx"])
def test_no_other_name_is_imported(foreign: str) -> None:
    with pytest.raises(DataError, match=r"^got step .*, expected one of .*nms.*; update hydranet$"):
        postprocess(FAKES[Boxes](np.random.default_rng(0), 9, 9), {foreign: {}})


def test_defaults_are_in_range_and_kinds_are_what_it_says(name: str) -> None:
    step = step_named(name)
    assert step.checked({}, name) == {key: one.default for key, one in step.options.items()}
    for one in inputs(name):
        assert type(postprocess(one, {name: {}})) is step.kinds[type(one)] is kind_after(type(one), {name: {}})


def test_odd_options_are_one_sentence(name: str) -> None:
    for option, one in step_named(name).options.items():
        for odd in ODD:
            if isinstance(odd, int | float) and not isinstance(odd, bool) and one.low <= odd <= one.high:
                continue
            with pytest.raises(DataError, match=rf"^got {name}\.{option}=.*, expected a (whole )?number from "):
                kind_after(next(iter(step_named(name).kinds)), {name: {option: odd}})  # type: ignore[dict-item]
    with pytest.raises(DataError, match=rf"^got option 'no_such' of step '{name}', expected one of "):
        postprocess(inputs(name)[0], {name: {"no_such": 1.0}})


def test_any_option_in_range_gives_an_answer(name: str) -> None:
    """Whatever a hostile manifest says within the ranges: least, greatest and between, every option at once."""
    step, rng = step_named(name), np.random.default_rng(0)
    for _ in range(10):
        for one in inputs(name):
            chosen = {}
            for option, about in step.options.items():
                value = rng.choice([about.low, about.high, about.default, rng.uniform(about.low, about.high)])
                chosen[option] = float(np.round(value)) if about.whole else float(value)
            assert type(postprocess(one, {name: chosen})) is step.kinds[type(one)]


def test_whole_numbers_are_whole() -> None:
    assert Option(1, 0, 5, whole=True).checked(3.0, "x") == 3
    assert Option(1, 0, 5, whole=True).checked(np.int64(3), "x") == 3
    with pytest.raises(DataError, match=r"^got x=2.5, expected a whole number from 0 to 5$"):
        Option(1, 0, 5, whole=True).checked(2.5, "x")


def test_a_step_that_does_not_take_a_kind_says_so() -> None:
    with pytest.raises(DataError, match=r"^got step 'nms' for a ClassMap, expected it for Boxes only; update"):
        kind_after(ClassMap, {"nms": {}})
