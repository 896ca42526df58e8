"""A run: it learns, it resumes bit by bit, and it never loses a checkpoint."""

import errno
import os
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

from hydranet.annotations import Annotation, Tag
from hydranet.balancers.uncertainty import Uncertainty
from hydranet.checkpoint import checkpoint
from hydranet.checkpoint.checkpoint import load_model, load_recipe
from hydranet.config.optim import Optim
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.sample import DataError, Sample
from hydranet.core.spec import Part, SpecError
from hydranet.core.task import Loss, Raw
from hydranet.io.atomic import CheckpointError
from hydranet.training.losses import NonFiniteLoss
from hydranet.training.train import train
from toys import Brightness, Glow, Noise, toy_recipe


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return checkpoint.read(folder / checkpoint.STATE)[0]


def full(**changes: object) -> Recipe:
    """Everything that has state: BatchNorm, dropout, EMA, a learned balancer, two sources, augmentation."""
    sources = (Source("a", Noise(), (32, 64)), Source("b", Noise(seed=5, labels=("glow",)), (32, 32), weight=0.5))
    from hydranet.transforms.augment import Augment

    base = toy_recipe(sources, steps=8, dropout=0.3, augment=Augment())
    return replace(base, ema=0.9, balancer=Part(Uncertainty), save_every=1, **changes)


@pytest.mark.parametrize("changes", [{}, {"accumulate": 2}, {"workers": 1}, {"precision": "bf16"}])
@pytest.mark.parametrize("stop", [1, 5])
def test_resume_is_bit_exact(tmp_path: Path, changes: dict[str, object], stop: int) -> None:
    recipe = full(**changes)
    list(train(recipe, tmp_path / "whole"))
    list(islice(train(recipe, tmp_path / "broken"), stop))
    list(train(recipe, tmp_path / "broken", resume=True))
    one, other = weights(tmp_path / "whole"), weights(tmp_path / "broken")
    assert one.keys() == other.keys()
    for name in one:
        assert torch.equal(one[name], other[name]), name


def test_it_learns(tmp_path: Path) -> None:
    found = list(train(toy_recipe(steps=60), tmp_path))
    first, last = (found[i].result.losses for i in (0, -1))
    assert last["bright"] < 0.1 * first["bright"]
    assert found[-1].step == 60


def test_model_file_carries_its_recipe(tmp_path: Path) -> None:
    recipe = toy_recipe()
    list(train(recipe, tmp_path))
    model, found = load_model(tmp_path / "model.safetensors")
    assert found == recipe
    assert not model.training
    assert load_recipe(tmp_path) == load_recipe(tmp_path / "recipe.json") == recipe


def test_a_folder_with_a_run_is_not_overwritten(tmp_path: Path) -> None:
    list(train(toy_recipe(), tmp_path))
    with pytest.raises(CheckpointError, match="already holds a run; go on with resume"):
        next(train(toy_recipe(), tmp_path))


def test_resume_refuses_another_recipe(tmp_path: Path) -> None:
    list(train(toy_recipe(), tmp_path))
    with pytest.raises(CheckpointError, match=r"another recipe \(optim.lr: 0.01 -> 0.1"):
        next(train(toy_recipe(lr=0.1), tmp_path, resume=True))


def test_full_disk_keeps_the_last_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = toy_recipe(steps=6)
    run = train(recipe, tmp_path)
    list(islice(run, 3))
    before = (tmp_path / checkpoint.STATE).read_bytes()

    def full_disk(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(CheckpointError, match="No space left on device; the last good file was kept"):
        next(run)
    monkeypatch.undo()
    assert (tmp_path / checkpoint.STATE).read_bytes() == before
    assert not list(tmp_path.glob("*.partial"))
    assert [p.step for p in train(recipe, tmp_path, resume=True)] == [3, 4, 5, 6]


def test_divergence_stops_with_task_step_and_source(tmp_path: Path) -> None:
    wild = Optim(lr=1e6, algorithm=Part(torch.optim.SGD), clip=None)
    with pytest.raises(NonFiniteLoss, match=r"step \d+: the loss of .* is not finite .*noise:.*lower optim.lr"):
        list(train(replace(toy_recipe(steps=50), optim=wild), tmp_path))


class Torn(Noise):
    """A data set whose seventh file is broken."""

    def __getitem__(self, index: int) -> Sample:
        if index == 6:
            raise DataError("broken image 6.png")
        return super().__getitem__(index)


@pytest.mark.parametrize("workers", [0, 1])
def test_broken_file_ends_in_one_sentence(tmp_path: Path, workers: int) -> None:
    recipe = replace(toy_recipe((Source("noise", Torn(), (32, 64)),)), workers=workers)
    with pytest.raises(DataError, match=r"^noise, item 6: broken image 6.png$"):
        list(train(recipe, tmp_path))


def test_damaged_and_foreign_checkpoints(tmp_path: Path) -> None:
    list(train(toy_recipe(), tmp_path / "run"))
    with pytest.raises(CheckpointError, match="no run or model at"):
        load_model(tmp_path / "nowhere")
    other = toy_recipe().changed(["decoder.width=10"])
    data = checkpoint.pack(torch.nn.Linear(2, 2).state_dict(), {"recipe": other.to_json()})
    (tmp_path / "foreign.safetensors").write_bytes(data)
    with pytest.raises(CheckpointError, match=r"does not fit this recipe \(.* missing: .*not of this network"):
        load_model(tmp_path / "foreign.safetensors")
    tensors, header = checkpoint.read(tmp_path / "run" / checkpoint.MODEL)
    tensors["heads.glow.layer.weight"].view(-1)[2] = float("nan")
    (tmp_path / "run" / checkpoint.MODEL).write_bytes(checkpoint.pack(tensors, header))
    with pytest.raises(CheckpointError, match=r"damaged: 1 of the 6 numbers of heads.glow.layer.weight are not finite"):
        load_model(tmp_path / "run")
    (tmp_path / "run" / checkpoint.MODEL).write_bytes(b"not a model")
    with pytest.raises(CheckpointError, match="damaged or no safetensors file"):
        load_model(tmp_path / "run")


@dataclass(frozen=True)
class Root(Glow):
    """Its loss is finite and its gradient is not."""

    def loss(self, raw: Raw, label: Annotation) -> Loss:
        nothing = (raw.float() * 0).sum()
        return Loss(nothing.sqrt(), torch.tensor(1.0))


def test_a_gradient_that_is_not_finite_is_never_saved(tmp_path: Path) -> None:
    recipe = replace(toy_recipe(steps=1), tasks=(Root("glow"),), save_every=1)
    with pytest.raises(NonFiniteLoss, match="step 0: the losses of glow are finite, their gradient is not"):
        list(train(recipe, tmp_path))
    assert not (tmp_path / checkpoint.MODEL).exists()


@dataclass(frozen=True)
class Kind(Brightness):
    """Which animal it is; it learns to say 1."""

    kind: ClassVar[type[Annotation]] = Tag

    def loss(self, raw: Raw, label: Annotation) -> Loss:
        return Loss(((raw.float()[:, 0] - 1) ** 2).sum(), torch.tensor(float(len(raw))))


@dataclass(frozen=True)
class Cats(Noise):
    """Noise of which somebody says that all of it is a cat."""

    def __getitem__(self, index: int) -> Sample:
        sample = super().__getitem__(index)
        return sample.but(labels={**sample.labels, "kind": Tag(np.asarray(0))})

    @property
    def classes(self) -> dict[str, tuple[str, ...]]:
        return {"kind": ("cat", "dog")}


def test_a_run_says_what_it_did_not_use_also_after_a_resume(tmp_path: Path) -> None:
    base = toy_recipe((Source("noise", Cats(), (32, 64)),), steps=4)
    recipe = replace(base, tasks=(*base.tasks, Kind("kind", ("cat", "dog"))), save_every=1, validation=())
    whole = list(train(recipe, tmp_path / "whole"))[-1].run
    assert whole.first_look.lines() == [
        "classes of noise, kind: all 2 of equal name",
        "recipe 'toy' is not scored: it has no validation sources",
    ]
    assert whole.omissions().sentences() == ["task kind: 1 class never seen, in no label of 4 steps (dog)"]
    list(islice(train(recipe, tmp_path / "broken"), 2))
    resumed = list(train(recipe, tmp_path / "broken", resume=True))[-1].run
    assert resumed.observed == whole.observed
    assert resumed.observed.classes == {"kind": (16, 0)}
    assert resumed.observed.learned == {"bright": 4, "glow": 4, "kind": 4}


def test_a_task_that_nobody_labels_ends_a_run_before_it_begins(tmp_path: Path) -> None:
    recipe = toy_recipe((Source("noise", Noise(labels=("bright",)), (32, 64)),))
    with pytest.raises(
        SpecError, match=r"no source labels task 'glow'; noise offers bright; map one with Source.labels"
    ):
        next(train(recipe, tmp_path))
