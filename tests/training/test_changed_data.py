"""Files come and go while a run is stopped, or after it: what it learned from is not what it is scored on."""

import json
import warnings
from pathlib import Path

import pytest

from commands import hydranet
from dataset_folders import noise, write
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.spec import Part
from hydranet.data import run_images
from hydranet.datasets.masks import Masks
from hydranet.datasets.split import Split
from hydranet.models.decoders.lw_refinenet import LightWeightRefineNet
from hydranet.models.encoders.mobilenetv2 import MobileNetV2
from hydranet.tasks.semantic.task import Semantic
from hydranet.training.train import train
from toys import STILL

NAMES = ("road", "car")
COUNT = 12


def image(root: Path, number: int) -> None:
    write(root / f"images/{number}.png", noise(channels=3))
    write(root / f"masks/{number}.png", noise(2))


def split_recipe(root: Path, steps: int = 2) -> Recipe:
    """A network on a folder that is split by lot."""
    for number in range(COUNT):
        image(root, number)
    whole = Masks(str(root), names=NAMES)
    return Recipe(
        name="mine",
        tasks=(Semantic("semantic", NAMES),),
        encoder=Part(MobileNetV2, weights=None),
        decoder=Part(LightWeightRefineNet, width=16),
        data=(Source("mine", Split(whole, similar="apart"), (32, 32)),),
        validation=(Source("mine", Split(whole, "val", similar="apart"), (32, 32)),),
        augment=STILL,
        steps=steps,
        batch=2,
    )


def again(recipe: Recipe) -> Recipe:
    """The same recipe, whose data sets look into their folders anew."""
    return Recipe.from_json(recipe.to_json())


def grow(root: Path, recipe: Recipe) -> set[str]:
    """Adds images until one that trained is held out; these."""
    trained = set(recipe.data[0].dataset.keys())
    for number in range(COUNT, COUNT + 40):
        image(root, number)
        if lost := trained & set(again(recipe).validation[0].dataset.keys()):
            return lost
    raise AssertionError("no split changed")


def test_images_that_a_run_learned_from_are_named_where_they_score_it(tmp_path: Path) -> None:
    recipe = split_recipe(tmp_path / "data")
    (tmp_path / "recipe.json").write_text(recipe.to_json())
    run = tmp_path / "run"
    ended = hydranet("train", tmp_path / "recipe.json", "--out", run)
    assert ended.code == 0, ended.err
    assert run_images.BEFORE not in ended.out
    assert json.loads((run / run_images.FILE).read_text()) == {"mine": list(recipe.data[0].dataset.keys())}
    lost = grow(tmp_path / "data", recipe)
    ended = hydranet("evaluate", run)
    assert ended.code == 0, ended.err
    assert f"{len(lost)} validation image" in ended.out
    assert run_images.BEFORE in " ".join(ended.out.split())
    (entry,) = [
        one for one in json.loads((run / "report.json").read_text())["ledger"] if one["reason"] == run_images.BEFORE
    ]
    assert (entry["what"], entry["where"], entry["count"]) == ("image leaked", "validation mine", len(lost))
    assert set(entry["examples"]) == lost


def test_a_run_that_goes_on_with_other_images_says_so(tmp_path: Path) -> None:
    recipe, run = split_recipe(tmp_path / "data", steps=8), tmp_path / "run"

    def two_steps(resume: bool) -> None:
        for progress in train(again(recipe), run, resume=resume):
            if progress.step % 2 == 0:
                progress.run.save(run)
                return

    two_steps(resume=False)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="source 'mine' had")
        two_steps(resume=True)
    image(tmp_path / "data", COUNT)
    for name in recipe.data[0].dataset.keys()[:2]:
        (tmp_path / "data" / name).unlink()
    with pytest.warns(UserWarning, match=r"source 'mine' had 10 images when this run began and has 9 now"):
        two_steps(resume=True)
    (run / run_images.FILE).unlink()  # as runs of before
    two_steps(resume=True)
