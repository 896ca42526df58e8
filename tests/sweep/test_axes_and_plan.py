"""Settings with several values, and the runs they make."""

from dataclasses import replace

import pytest

from hydranet.balancers.uniform import Uniform
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.spec import SpecError
from hydranet.evaluation.single_task_baselines import single_task_recipes, with_equal_compute
from hydranet.models.sharing.hard import HardSharing
from hydranet.sweep.axes import axes, combinations
from hydranet.sweep.plan import SINGLE, plan
from toys import Noise, toy_recipe

SIZE = (32, 64)


def half_labeled() -> Recipe:
    """A third of the images are labeled for one task, the others for both."""
    both, one = Source("both", Noise(labels=("bright", "glow")), SIZE, weight=2.0), Source("one", Noise(), SIZE)
    return replace(toy_recipe((both, replace(one, labels={"glow": None}))), batch=6, steps=10)


def test_values_are_split_at_commas_outside_of_brackets_and_quotes() -> None:
    found = axes(["balancer=uniform,upgrad", "seed=1..3", "optim.lr=1e-3", "a=[1,2],[3]", 'b="x,y"', "c=0-59"])
    assert found == {
        "balancer": ("uniform", "upgrad"),
        "seed": ("1", "2", "3"),
        "optim.lr": ("1e-3",),
        "a": ("[1,2]", "[3]"),
        "b": ('"x,y"',),
        "c": ("0-59",),
    }


def test_every_choice_of_one_value_per_key() -> None:
    assert combinations({"a": "12", "b": "xy"}) == [
        {"a": "1", "b": "x"},
        {"a": "1", "b": "y"},
        {"a": "2", "b": "x"},
        {"a": "2", "b": "y"},
    ]
    assert combinations({}) == [{}]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (["lr"], "expected key=value"),
        (["a=1", "a=2"], "got a twice; give all its values at once: a=1,2"),
        (["a=1,,2"], "empty value"),
        (["a=1,1"], "every value once"),
        (["seed=2..0"], "the smaller one first"),
        (["seed=0..99999999"], "at most 10,000 numbers"),
        (["a=0..999", "b=0..999"], "make 1,000,000 runs"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: list[str], sentence: str) -> None:
    with pytest.raises(SpecError, match=sentence):
        axes(settings)


def test_runs_of_a_plan_are_the_overridden_recipe_seed_by_seed() -> None:
    recipe = toy_recipe()
    made = plan(recipe, ["balancer=uniform,uncertainty", "seed=0..1", "optim.lr=1e-3"])
    assert [trial.name for trial in made.trials] == [
        "balancer-uniform-s0",
        "balancer-uncertainty-s0",
        "balancer-uniform-s1",
        "balancer-uncertainty-s1",
    ]
    wanted = recipe.changed(["balancer=uncertainty", "seed=1", "optim.lr=1e-3"])
    assert made.trials[-1].recipe == wanted
    assert [group.label for group in made.groups] == ["balancer=uniform", "balancer=uncertainty"]
    assert made.baseline == "balancer=uniform"
    assert plan(recipe, ["balancer=uniform,uncertainty"], baseline="uncertainty").baseline == "balancer=uncertainty"


def test_names_of_runs_stay_apart_and_are_safe_in_a_shell() -> None:
    made = plan(toy_recipe(), ["name=a,b", "optim.lr=1e-3,0.01"])
    rates = ("lr-1e-3-s0", "lr-0.01-s0")
    assert [trial.name for trial in made.trials] == [f"name-{name}-{rate}" for name in "ab" for rate in rates]
    same = plan(toy_recipe(), ["start=/a;b,/a b"])
    assert len({trial.name for trial in same.trials}) == 2
    assert all(set(trial.name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_") for trial in same.trials)


def test_single_task_networks_see_as_many_labeled_images_per_step() -> None:
    recipe = half_labeled()
    singles = single_task_recipes(recipe)
    assert {name: (one.batch, one.steps, len(one.data)) for name, one in singles.items()} == {
        "bright": (6, 10, 2),
        "glow": (4, 10, 1),
    }
    assert all(one.balancer.cls is Uniform for one in singles.values())
    shared = with_equal_compute(recipe, singles.values())
    assert shared.steps * shared.batch == pytest.approx(sum(one.steps * one.batch for one in singles.values()), abs=3)


def test_single_task_networks_do_not_depend_on_the_balancer() -> None:
    made = plan(half_labeled(), ["balancer=uniform,rlw", "seed=0,5"], baseline=SINGLE, equal="both")
    names = [trial.name for trial in made.trials]
    assert names[:2] == ["single-bright-s0", "single-glow-s0"]
    assert len(names) == 2 * (2 + 2 * 2)
    by_name = {trial.name: trial for trial in made.trials}
    images, compute, *_ = made.groups
    assert (images.equal, compute.equal) == ("images", "compute")
    assert images.singles == compute.singles == {s: {t: f"single-{t}-s{s}" for t in ("bright", "glow")} for s in (0, 5)}
    singles = sum(by_name[name].images for name in images.singles[0].values())
    assert by_name[images.runs[0]].images == 60
    assert by_name[compute.runs[0]].images == pytest.approx(singles, abs=3)


def test_where_every_image_has_one_label_equal_images_are_equal_compute() -> None:
    sources = tuple(Source(task, Noise(labels=(task,)), SIZE) for task in ("bright", "glow"))
    made = plan(toy_recipe(sources), [], baseline=SINGLE, equal="both")
    assert [trial.name for trial in made.trials] == ["single-bright-s0", "single-glow-s0", "run-s0"]
    assert [group.runs[0] for group in made.groups] == ["run-s0", "run-s0"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"settings": ["balancer=uniform", "seed=a"]}, "got seed=a, expected whole numbers"),
        ({"settings": ["balanser=uniform,rlw"]}, "did you mean 'balancer'"),
        ({"settings": ["balancer=uniform,rlw"], "baseline": "upgrad"}, "expected 'single' or one combination"),
        ({"settings": [], "equal": "time"}, "expected one of images, compute, both"),
    ],
)
def test_what_a_plan_refuses(options: dict, sentence: str) -> None:
    with pytest.raises(SpecError, match=sentence):
        plan(toy_recipe(), **options)


def test_single_task_networks_are_plain_whatever_is_shared() -> None:
    made = plan(half_labeled(), ["sharing=hard_sharing,split_decoders,mtan"], baseline=SINGLE, equal="compute")
    assert [trial.name for trial in made.trials[:2]] == ["single-bright-s0", "single-glow-s0"]
    assert len(made.trials) == 2 + 3
    assert {trial.recipe.sharing.cls for trial in made.trials[:2]} == {HardSharing}


def test_a_recipe_without_validation_or_with_one_task_is_refused() -> None:
    with pytest.raises(SpecError, match="has no validation"):
        plan(replace(toy_recipe(), validation=()), ["seed=0..2"])
    one = single_task_recipes(toy_recipe())["glow"]
    with pytest.raises(SpecError, match="has one task, expected at least two"):
        plan(one, ["seed=0..2"], baseline=SINGLE)
    blind = tuple(replace(source, labels={"glow": None}) for source in toy_recipe().data)
    with pytest.raises(SpecError, match="no source in data labels 'glow'"):
        single_task_recipes(replace(toy_recipe(), data=blind))
