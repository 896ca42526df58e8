"""Networks that come with the package: found by name, never instead of a run that lies here."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from commands import hydranet, refused
from hydranet.checkpoint import checkpoint
from hydranet.checkpoint.released import names
from hydranet.deploy.writer import save_image
from hydranet.inference.predictor import Predictor
from toys import toy_recipe

NAME = "toy"


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package with one released network, and a working folder that holds nothing."""
    folder, here = tmp_path / "package" / NAME, tmp_path / "here"
    folder.mkdir(parents=True)
    here.mkdir()
    recipe = toy_recipe()
    checkpoint.save_model(folder, recipe.build(), recipe)
    monkeypatch.setattr(names, "released", lambda: {NAME: folder})
    monkeypatch.setattr(names, "DEFAULT", NAME)
    monkeypatch.chdir(here)
    return folder


def test_a_name_leads_to_the_package_and_a_path_to_itself(toy: Path) -> None:
    assert names.located(NAME) == toy
    assert names.located(Path(NAME)) == toy
    assert names.located(f"./{NAME}") == names.located(f"{NAME}.onnx").with_suffix("") == Path(NAME)
    assert names.located("runs/toy") == Path("runs/toy")


def test_a_run_of_the_same_name_that_lies_here_comes_first(toy: Path) -> None:
    Path(NAME).mkdir()
    assert names.located(NAME) == toy  # an empty folder is no run
    recipe = toy_recipe()
    checkpoint.save_model(Path(NAME), recipe.build(), recipe)
    assert names.located(NAME) == Path(NAME)
    assert not names.is_released(NAME)


def test_results_of_a_released_network_lie_here(toy: Path) -> None:
    assert names.results_of(Path(NAME), "export") == Path("export/toy")
    assert names.results_of(toy, "export") == toy / "export"
    assert names.results_of(toy / "model.safetensors", "export") == toy / "export"


def test_the_name_opens_everywhere(toy: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    by_name, by_path = Predictor(NAME)(image), Predictor(toy)(image)
    assert by_name.keys() == by_path.keys()
    np.testing.assert_array_equal(by_name["glow"].values, by_path["glow"].values)
    assert checkpoint.load_recipe(NAME) == checkpoint.load_recipe(toy)
    assert checkpoint.digest(NAME) == checkpoint.digest(toy)


def test_images_alone_are_looked_at_by_the_network_of_the_package(toy: Path) -> None:
    save_image(Path("a.png"), np.full((40, 60, 3), 90, np.uint8))
    assert hydranet("predict", "a.png", "--draw", "none").code == 0
    assert Path("predictions/a.json").is_file()
    refused(hydranet("predict", NAME), "got the network toy and no images, expected both: hydranet predict toy IMAGES")


def test_without_a_network_in_the_package_one_must_be_named(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "released", dict)
    save_image(Path("a.png"), np.full((40, 60, 3), 90, np.uint8))
    refused(hydranet("predict", "a.png"), "got a.png and no network, expected both: hydranet predict RUN a.png")
