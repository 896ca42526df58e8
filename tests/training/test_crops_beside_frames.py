"""Crops of another size in the same steps as frames, down to a single one: it trains, and in the stated shares."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hydranet.checkpoint.checkpoint import load_model
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.spec import Part
from hydranet.data.mixture import Mixture, plan
from hydranet.datasets.scenes.crops import SceneSigns
from hydranet.models.decoders.lw_refinenet import LightWeightRefineNet
from hydranet.models.encoders.mobilenetv2 import MobileNetV2
from hydranet.models.encoders.timm import Timm
from hydranet.tasks.classification.task import Classification
from hydranet.training.train import train
from toys import STILL, Brightness, Noise, toy_recipe

SIGNS = SceneSigns(count=6, size=32)
SHARES = {"frames": 78.0, "signs": 12.0, "rare": 0.8}


def mixed(encoder: Part, hidden: tuple[int, ...] = (16,), **changes: object) -> Recipe:
    """Four images per step, of which about one is a 32x32 crop; the head of the crops has norms of its own."""
    tasks = (Brightness("bright"), Classification("sign", SIGNS.classes["sign"], hidden=hidden, dropout=0.0))
    data = (
        Source("frames", Noise(labels=("bright",)), (32, 64), weight=3.0),
        Source("signs", SIGNS, (32, 32), weight=1.0, augment=STILL),
    )
    recipe = replace(
        toy_recipe(steps=3), tasks=tasks, data=data, encoder=encoder, decoder=Part(LightWeightRefineNet, width=16)
    )
    return replace(recipe, **changes)


def lone_crops(recipe: Recipe) -> int:
    """Steps in which a single crop makes a batch."""
    mixture = Mixture(recipe)
    return sum(
        len(batch.key) == 1 and "sign" in batch.labels for step in range(recipe.steps) for batch in mixture[step]
    )


ENCODERS = {"mobilenet": Part(MobileNetV2, weights=None)}
SLOW = {"timm": Part(Timm, model="tf_efficientnet_lite0", weights=None)}


@pytest.mark.parametrize("name", [*ENCODERS, pytest.param("timm", marks=pytest.mark.slow)])
@pytest.mark.parametrize("sync_norm", [False, True])
def test_a_single_crop_in_a_step_trains(tmp_path: Path, name: str, sync_norm: bool) -> None:
    recipe = mixed((ENCODERS | SLOW)[name], sync_norm=sync_norm)
    assert lone_crops(recipe) >= 1
    for progress in train(recipe, tmp_path / "run"):
        assert all(np.isfinite(list(progress.result.losses.values())))
    model, _ = load_model(tmp_path / "run")
    with torch.no_grad():
        raw = model(torch.zeros(1, 3, 32, 32), ["sign"])["sign"]
    assert raw.isfinite().all()


def test_sources_are_drawn_by_their_weights_however_rare() -> None:
    source, draw = plan(list(SHARES.values()), 5000, seed=3)
    wanted = np.array(list(SHARES.values())) / sum(SHARES.values()) * 5000
    counts = np.bincount(source, minlength=3)
    np.testing.assert_allclose(counts, wanted, atol=3)
    gaps = np.diff(np.flatnonzero(source == 2))
    assert gaps.max() < 3 * 5000 / wanted[2], "the rare one comes at steady intervals"
    assert [draw[source == i].max() + 1 for i in range(3)] == counts.tolist()
