"""Every recipe names data, builds its network, and comes back from its JSON as it was; without any data at hand."""

import pytest
import torch

from hydranet.checkpoint import resolve
from hydranet.checkpoint.checkpoint import without_pretrained
from hydranet.config import catalog
from hydranet.config.recipe import Recipe
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.data.reader import Reader

NAMES = [found.name for found in catalog.members("recipes")]


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_is_whole(name: str) -> None:
    recipe = resolve.recipe(name)
    assert recipe.name
    assert recipe.validation
    assert Recipe.from_json(recipe.to_json()) == recipe
    model = without_pretrained(recipe).build().eval()
    with torch.no_grad():
        raw = model(torch.zeros(1, 3, 64, 64, dtype=torch.uint8))
    assert raw.keys() == {task.name for task in recipe.tasks}


@pytest.mark.parametrize("name", NAMES)
def test_every_source_serves_the_tasks(name: str) -> None:
    """Names of labels and classes fit; a data set that reads its class list from a file is left out."""
    recipe = resolve.recipe(name)
    for source in (*recipe.data, *recipe.validation):
        try:
            reader = Reader(source, recipe.tasks)
        except DataError as error:
            assert "no data folder" in str(error)  # noqa: PT017  # every other one is a mistake of the recipe
            continue
        assert set(reader.tables) <= {task.name for task in recipe.tasks if task.classes}
        assert all(table.annotated_classes.any() for table in reader.tables.values())


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("seed=-1", "got seed=-1, expected a whole number >= 0"),
        ("workers=-1", "got workers=-1, expected a whole number >= 0; 0 = the training process loads"),
        ("save_every=-5", "got save_every=-5, .*0 = at the end only"),
        ("evaluate_every=-5", "got evaluate_every=-5, .*0 = at the end only"),
        ("ema=1", "got ema=1, expected a decay above 0 and below 1, such as 0.998; null = none"),
        ("ema=-0.1", "got ema=-0.1, expected a decay"),
        ("ema=NaN", "got ema=nan, expected a finite number"),
        ("optim.lr=0", "got optim.lr=0, expected a number > 0, such as 1e-3"),
        ("optim.lr=-1e-3", "got optim.lr=-0.001, expected a number > 0"),
        ("optim.lr=nan", "got optim.lr=nan, expected a number > 0"),
        ("optim.lr=Infinity", "got optim.lr=inf, expected a number > 0"),
        ("optim.clip=-1", "got optim.clip=-1, expected a number > 0, such as 10; null = no clipping"),
        ("optim.factors.encoder=-1", "got optim.factors.encoder=-1, expected a number >= 0"),
        ("data.0.weight=nan", "weight nan, expected a number > 0; or take it out"),
    ],
)
def test_numbers_that_cannot_be_are_refused(setting: str, sentence: str) -> None:
    with pytest.raises(SpecError, match=sentence):
        resolve.recipe("demo").changed([setting])


def test_numbers_that_switch_off_stay() -> None:
    off = resolve.recipe("demo").changed(
        ["ema=0.0", "optim.clip=null", "save_every=0", "workers=0", "optim.factors.encoder=0"]
    )
    assert (off.ema, off.optim.clip, off.save_every, off.workers) == (0.0, None, 0, 0)
