"""Weights that are no numbers are never saved; the last good checkpoint stays."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from commands import hydranet, refused
from hydranet.checkpoint import checkpoint
from hydranet.checkpoint.checkpoint import NotFinite, load_model
from hydranet.config.optim import Optim
from hydranet.core.spec import Part
from hydranet.training.losses import NonFiniteLoss
from hydranet.training.run import Run
from hydranet.training.train import train
from toys import toy_recipe


class Decays(torch.optim.SGD):
    """Its weight decay grows without end, as a wrong schedule of it would; the losses of the step are finite."""

    def step(self, closure: object = None) -> None:  # type: ignore[override]
        super().step()
        self.count = getattr(self, "count", 0) + 1
        if self.count == 4:
            next(p for group in self.param_groups for p in group["params"]).data.fill_(torch.inf)


def test_infinite_weights_after_a_finite_loss(tmp_path: Path) -> None:
    recipe = replace(toy_recipe(), optim=Optim(algorithm=Part(Decays)), save_every=1)
    with pytest.raises(NotFinite, match=r"after step 4, .* numbers of model trunk.* nothing was saved; lower optim.lr"):
        list(train(recipe, tmp_path / "run"))
    assert checkpoint.load_state(tmp_path / "run")[1]["step"] == 3
    for tensor in load_model(tmp_path / "run")[0].state_dict().values():
        assert torch.isfinite(tensor).all()


def test_a_rate_that_is_far_too_high(tmp_path: Path) -> None:
    recipe = replace(toy_recipe(lr=1e6, steps=40), save_every=1)
    with pytest.raises((NonFiniteLoss, NotFinite)):
        list(train(recipe, tmp_path / "run"))
    folder = tmp_path / "run"
    for part in checkpoint.load_state(folder)[0].values() if (folder / checkpoint.STATE).is_file() else ():
        assert all(torch.isfinite(tensor).all() for tensor in part.values())


def test_a_balancer_may_not_know_yet(tmp_path: Path) -> None:
    from hydranet.balancers.dwa import DWA

    run = Run(replace(toy_recipe(), balancer=Part(DWA)))
    run.save(tmp_path)
    assert checkpoint.load_state(tmp_path)[1]["step"] == 0


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16", "auto"])
@pytest.mark.parametrize("balancer", ["uniform", "uncertainty"])
def test_every_precision_trains_by_the_command_line(
    recipes: Path, tmp_path: Path, precision: str, balancer: str
) -> None:
    command = ("train", f"{recipes}:toy", f"precision={precision}", f"balancer={balancer}", "--out", tmp_path / "run")
    ended = hydranet(*command)
    assert ended.code == 0, ended.err


def test_an_overflowed_norm_in_half_precision_is_left_out(recipes: Path, tmp_path: Path) -> None:
    """The scaler skips such a step; the log has null there."""
    run = tmp_path / "run"
    ended = hydranet("train", f"{recipes}:toy", "precision=fp16", "optim.lr=1e3", "steps=30", "--out", run)
    if ended.code:
        refused(ended, "(lower optim.lr|not finite)")
