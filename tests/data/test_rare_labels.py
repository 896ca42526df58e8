"""Labels that few images have: init makes a task of them, and single-task networks learn from their sources."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from commands import hydranet
from dataset_folders import noise, write
from foreign_layouts import STREET
from hydranet.annotations import Quantity
from hydranet.checkpoint import resolve
from hydranet.config.source import Source
from hydranet.core.sample import DataError, Sample
from hydranet.data.recognize import Answers, recognize
from hydranet.data.some_samples import LOOKED_AT, offered, some_samples
from hydranet.datasets.table import Table
from hydranet.datasets.together import Together
from hydranet.evaluation.single_task_baselines import single_task_recipes
from hydranet.io.columns import NumberColumn, TagColumn
from toys import Noise, toy_recipe

COUNT = 60


def test_a_folder_of_labels_for_few_of_the_images(tmp_path: Path) -> None:
    dice = np.random.default_rng(0)
    for i in range(COUNT):
        write(tmp_path / f"data/images/{i}.jpg", noise(channels=3))
        write(tmp_path / f"data/depth/{i}.png", dice.integers(500, 9000, noise().shape, dtype=np.uint16))
        if i in (1, 4, 6):
            write(tmp_path / f"data/masks/{i}.png", np.full(noise().shape, i % 3, np.uint8))
    (tmp_path / "data/classes.txt").write_text("\n".join(STREET))
    ended = hydranet("init", tmp_path / "data", "--unit", "mm", "--out", tmp_path / "mine.py")
    assert ended.code == 0, ended.err
    recipe = resolve.recipe(str(tmp_path / "mine.py"))
    assert {task.name: task.classes for task in recipe.tasks} == {"depth": (), "semantic": STREET}


def ages(root: Path, known: dict[int, float]) -> Table:
    """Images of a person each, of whom few say their age."""
    for i in range(COUNT):
        write(root / f"images/{i}.png", noise(channels=3))
    rows = "".join(f"{i}.png,{'ab'[i % 2]},{known.get(i, '')}\n" for i in range(COUNT))
    (root / "labels.csv").write_text(f"image,sex,age\n{rows}")
    return Table(str(root), labels={"sex": TagColumn("sex", ("a", "b")), "age": NumberColumn("age")})


def test_a_column_that_few_rows_fill(tmp_path: Path) -> None:
    dataset = ages(tmp_path, {7: 30.0})
    assert offered(dataset) == {"sex", "age"}
    samples = some_samples(dataset, "ages")
    filled = [one.labels["age"] for one in samples if "age" in one.labels]
    assert [float(one.value) for one in filled if isinstance(one, Quantity)] == [30.0]
    assert len(filled) == 1
    assert len(some_samples(ages(tmp_path / "all", dict.fromkeys(range(COUNT), 1.0)), "ages")) == LOOKED_AT


def test_a_label_that_no_image_has_is_said(tmp_path: Path) -> None:
    ages(tmp_path / "ages", {})
    ended = hydranet("init", tmp_path / "ages", "--column", "age=number", "--out", tmp_path / "mine.py")
    assert ended.code == 0, ended.err
    assert "not learned: label 'age' is in none of the images that were looked at" in ended.out


@dataclass(frozen=True)
class Odd(Noise):
    """Every second image has labels; the last but one is broken."""

    def __getitem__(self, index: int) -> Sample:
        if index == self.count - 2:
            raise DataError("broken")
        sample = super().__getitem__(index)
        return sample if index % 2 else sample.but(labels={})


def test_a_source_that_labels_every_second_image_teaches_single_task_networks() -> None:
    odd = Source("odd", Odd(count=96), (32, 64), on_error="skip")
    recipe = replace(toy_recipe((Source("noise", Noise(), (32, 64)), odd)), batch=4)
    alone = single_task_recipes(recipe)
    assert {name: [source.name for source in one.data] for name, one in alone.items()} == {
        "bright": ["noise", "odd"],
        "glow": ["noise", "odd"],
    }
    assert [one.batch for one in alone.values()] == [4, 4]


@pytest.mark.parametrize(("few", "many"), [("depth", "masks"), ("masks", "depth")])
def test_labels_of_some_of_the_images_make_no_source_of_their_own(few: str, many: str, tmp_path: Path) -> None:
    """Split apart, an image that scores one task would train the other."""
    made = {"depth": np.full(noise().shape, 2000, np.uint16), "masks": np.eye(*noise().shape, dtype=np.uint8)}
    for i in range(8):
        write(tmp_path / f"images/{i}.jpg", noise(channels=3))
        write(tmp_path / f"{many}/{i}.png", made[many])
        if i in (1, 4):
            write(tmp_path / f"{few}/{i}.png", made[few])
    (found,) = recognize(tmp_path, Answers(unit="mm", classes={"": ("road", "car")}))
    assert isinstance(found.dataset, Together)
    by_name = {sample.key: set(sample.labels) for sample in map(found.dataset.__getitem__, range(8))}
    assert by_name["images/1.jpg"] == {"depth", "semantic"}
    assert len(by_name["images/0.jpg"]) == 1
