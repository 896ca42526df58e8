"""Every recipe names data, builds its network, and comes back from its JSON as it was; without any data at hand."""

import pytest
import torch

from hydranet import find
from hydranet.checkpoint import without_pretrained
from hydranet.recipe import Recipe

NAMES = [found.name for found in find.members("recipes")]


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_is_whole(name: str) -> None:
    recipe = find.recipe(name)
    assert recipe.name
    assert recipe.validation
    assert Recipe.from_json(recipe.to_json()) == recipe
    model = without_pretrained(recipe).build().eval()
    with torch.no_grad():
        raw = model(torch.zeros(1, 3, 64, 64, dtype=torch.uint8))
    assert raw.keys() == {task.name for task in recipe.tasks}
