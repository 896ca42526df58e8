"""Recipes as JSON, overrides, and what is said about mistakes."""

import json
from dataclasses import replace

import pytest
import torch

from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.spec import Part, SpecError, override, to_json
from hydranet.transforms.augment import Augment
from toys import Brightness, Glow, Noise, ToyEncoder, toy_recipe


def test_round_trip() -> None:
    recipe = toy_recipe()
    assert Recipe.from_json(recipe.to_json()) == recipe


@pytest.mark.parametrize(
    ("setting", "key", "value"),
    [
        ("optim.lr=1e-3", ("optim", "lr"), 1e-3),
        ("tasks.bright.name=dark", ("tasks", 0, "name"), "dark"),
        ("data.noise.weight=2", ("data", 0, "weight"), 2),
        ("data.0.size=[64, 64]", ("data", 0, "size"), [64, 64]),
        ("ema=none", ("ema",), None),
        ("encoder.dropout=0.5", ("encoder", "dropout"), 0.5),
        ("optim.factors.heads=3", ("optim", "factors", "heads"), 3),
        ("data.noise.augment.scale=[1, 2]", ("data", 0, "augment", "scale"), [1, 2]),
        ('data.noise.augment={"noise": 0.1}', ("data", 0, "augment", "noise"), 0.1),
    ],
)
def test_override(setting: str, key: tuple, value: object) -> None:
    tree = override(to_json(toy_recipe()), [setting])
    for part in key:
        tree = tree[part]
    assert tree == value


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("optim.lrr=1", "no key in 'optim' is called 'lrr'; did you mean 'lr'"),
        ("optm.lr=1", "no key of the recipe is called 'optm'; did you mean 'optim'"),
        ("data.nose.weight=1", "did you mean 'noise'"),
        ("steps", "expected key=value"),
        ("steps.x=1", "'steps' holds 6, which has no 'x' inside"),
        ("encoder.dropuot=1", "did you mean 'dropout'"),
        ("data.noise.augment.scal=1", "no key in 'data.noise.augment' is called 'scal'; did you mean 'scale'"),
        ("ema.x=1", "'ema' holds None, which has no 'x' inside"),
        ("steps=0", "got steps=0, expected a whole number >= 1"),
        ("batch=5 ", None),
        ("precision=fp8", "expected auto, fp32, bf16 or fp16"),
        ("data.noise.size=[30, 64]", "multiples of 4"),
        ("accumulate=3", "batch 4 cannot be split into 3 equal micro-batches"),
    ],
)
def test_wrong_override(setting: str, said: str | None) -> None:
    if said is None:
        assert toy_recipe().changed([setting]).batch == 5
        return
    with pytest.raises(SpecError, match=said):
        toy_recipe().changed([setting])


def test_an_augmentation_of_one_source_begins_as_by_default() -> None:
    changed = toy_recipe().changed(["data.noise.augment.scale=[1, 2]", "data.noise.augment.flip=0"])
    assert changed.data[0].augment == Augment(scale=(1, 2), flip=0)
    assert changed.augment == toy_recipe().augment


def test_a_recipe_names_parts_only() -> None:
    tree = json.loads(toy_recipe().to_json())
    for path, said in (("os.system", "no part of a recipe"), ("no.such.Thing", "is not hydranet's code")):
        tree["encoder"] = {"class": path, "part": True}
        with pytest.raises(SpecError, match=said):
            Recipe.from_json(json.dumps(tree))


def test_part_checks_its_options_at_once() -> None:
    with pytest.raises(SpecError, match="no option of ToyEncoder is called 'nrom'; did you mean 'norm'"):
        Part(ToyEncoder, nrom=True)
    assert Part(torch.optim.AdamW, weight_decay=0.1).options == {"weight_decay": 0.1}


def test_not_json() -> None:
    with pytest.raises(SpecError, match="line 2 is not JSON"):
        Recipe.from_json("{\n oops")


def test_names_are_unique() -> None:
    twice = (Source("a", Noise(), (32, 32)), Source("a", Noise(), (32, 32)))
    with pytest.raises(SpecError, match="every name once"):
        replace(toy_recipe(), data=twice)
    with pytest.raises(SpecError, match="every name once"):
        replace(toy_recipe(), tasks=(Brightness("x"), Glow("x"))).build()


def test_difference_names_keys() -> None:
    assert toy_recipe().difference(toy_recipe(lr=0.5)) == ["optim.lr: 0.01 -> 0.5"]


def test_none_is_a_difference() -> None:
    on = toy_recipe()
    off = replace(on, data=(replace(on.data[0], labels={"glow": None}),))
    assert on.difference(off) == ["data.noise.labels.glow: None -> None"]
