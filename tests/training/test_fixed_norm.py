"""Statistics of BatchNorm that stay as they were: what is trained is what is used after training."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from hydranet.checkpoint import checkpoint
from hydranet.config.recipe import Recipe
from hydranet.core.spec import SpecError
from hydranet.training.run import Run
from hydranet.training.train import train
from toys import toy_recipe

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("first") / "run"
    list(train(toy_recipe(), folder))
    return folder


def fixed(first: Path) -> Recipe:
    return replace(toy_recipe(), fixed_norm=True, start=str(first))


def test_statistics_of_the_trunk_stay_and_everything_else_learns(first: Path, tmp_path: Path) -> None:
    list(train(fixed(first), tmp_path / "run"))
    before, after = (checkpoint.read(run / checkpoint.MODEL)[0] for run in (first, tmp_path / "run"))
    of_norms = [name for name in before if name.startswith("trunk.") and name.endswith(STATISTICS)]
    assert of_norms
    assert {name for name in before if torch.equal(before[name], after[name])} == set(of_norms)


def test_an_image_is_normalized_alike_alone_in_a_batch_and_after_training(first: Path) -> None:
    run = Run(fixed(first))
    image = torch.rand(4, 3, 32, 64, generator=torch.Generator().manual_seed(0))
    trunk = run.model.trunk.train()
    with torch.no_grad():
        together, alone = trunk(image, ("bright",))["bright"], trunk(image[:1], ("bright",))["bright"]
        ended = run.evaluated().trunk(image, ("bright",))["bright"]
    for one, of_four, after in zip(alone, together, ended, strict=True):
        torch.testing.assert_close(one, of_four[:1])
        torch.testing.assert_close(after, of_four)


def test_a_run_goes_on_with_the_same_statistics(first: Path, tmp_path: Path) -> None:
    list(train(fixed(first), tmp_path / "whole"))
    for progress in train(fixed(first), tmp_path / "run"):
        if progress.step == 3:
            break
    list(train(fixed(first), tmp_path / "run", resume=True))
    assert (tmp_path / "run" / checkpoint.MODEL).read_bytes() == (tmp_path / "whole" / checkpoint.MODEL).read_bytes()


def test_statistics_move_first_and_stay_then(tmp_path: Path) -> None:
    """Without weights to begin with, too; a run that was stopped before, at or after that step ends the same."""
    recipe = replace(toy_recipe(), fixed_norm=True, fixed_norm_after=2, save_every=1)
    moved = []
    for progress in train(recipe, tmp_path / "whole"):
        state = progress.run.model.state_dict()
        moved.append({name: state[name].clone() for name in state if name.endswith("running_mean") and "trunk" in name})
    changed = [not all(torch.equal(a[name], b[name]) for name in a) for a, b in pairwise(moved)]
    assert moved[0]
    assert changed == [True] + [False] * (recipe.steps - 2)
    for stop in (1, 2, 3):
        for progress in train(recipe, tmp_path / f"{stop}"):
            if progress.step == stop:
                break
        list(train(recipe, tmp_path / f"{stop}", resume=True))
        whole, resumed = (tmp_path / name / checkpoint.MODEL for name in ("whole", f"{stop}"))
        assert resumed.read_bytes() == whole.read_bytes()


def test_what_is_refused(first: Path) -> None:
    with pytest.raises(SpecError, match="without statistics of images, expected weights that were trained"):
        Run(replace(toy_recipe(), fixed_norm=True))
    with pytest.raises(SpecError, match="got sync_norm and fixed_norm, expected one"):
        replace(fixed(first), sync_norm=True)
    with pytest.raises(SpecError, match="got fixed_norm_after=2 without fixed_norm; set fixed_norm=true, or this to 0"):
        replace(toy_recipe(), fixed_norm_after=2)
