"""hydranet recipe show: every field with value, default and meaning; hydranet env: what a report of a fault needs."""

import json
from dataclasses import fields
from pathlib import Path

import pytest

from commands import hydranet, refused
from hydranet.config.describe import describe, meanings_of
from hydranet.config.optim import Optim
from hydranet.config.recipe import Recipe
from hydranet.config.schedule import Cosine, OneCycle
from hydranet.config.source import Source
from hydranet.config.stages import Stage
from hydranet.config.teacher import Teacher
from hydranet.transforms.augment import Augment
from toys import toy_recipe

NAMED = {"steps"}
"""Fields that say it by their name."""


def test_every_field_of_a_recipe_has_its_value_and_default() -> None:
    rows = {row.key: row for row in describe(toy_recipe(steps=7))}
    assert {field.name for field in fields(Recipe)} <= set(rows)
    assert (rows["steps"].value, rows["steps"].default, rows["steps"].changed) == ("7", "1000", True)
    assert (rows["name"].default, rows["ema"].value, rows["ema"].changed) == ("needed", "none", False)
    assert rows["encoder.norm"].value == "true"
    assert rows["decoder.width"].default == "6"
    assert rows["data.noise.weight"].value == "1.0"
    assert "micro-batches per step" in rows["accumulate"].meaning
    assert rows["accumulate"].meaning.endswith("each micro-batch has its own statistics.")
    assert rows["workers"].meaning == "processes that load data."
    assert rows["save_every"].meaning == rows["evaluate_every"].meaning == "steps between; 0 = at the end only."


def test_every_shown_key_is_one_that_overrides_take() -> None:
    recipe = toy_recipe()
    plain = [row for row in describe(recipe) if row.value in ("true", "false") or row.value.replace(".", "").isdigit()]
    assert len(plain) > 20
    for row in plain:
        changed = recipe.changed([f"{row.key}={row.value}"])
        assert {one.key: one.value for one in describe(changed)}[row.key] == row.value


@pytest.mark.parametrize("kind", [Recipe, Source, Optim, Stage, Teacher, Augment, OneCycle, Cosine])
def test_every_field_of_a_recipe_says_what_it_means(kind: type) -> None:
    assert not {field.name for field in fields(kind)} - set(meanings_of(kind)) - NAMED


def test_the_command_shows_recipes_and_refuses_unknown_ones(tmp_path: Path) -> None:
    ended = hydranet("recipe", "show", "demo", "optim.lr=0.5", "--json")
    assert ended.code == 0, ended.err
    rows = {row["key"]: row for row in json.loads(ended.out)}
    assert (rows["optim.lr"]["value"], rows["optim.lr"]["changed"]) == ("0.5", True)
    few = hydranet("recipe", "show", "demo", "--changed", "--json")
    assert few.code == 0, few.err
    kept = {row["key"] for row in json.loads(few.out)}
    assert kept == {key for key, row in rows.items() if row["changed"] or row["default"] == "needed"} - {"optim.lr"} | (
        {"optim.lr"} & kept
    )
    assert "save_every" in hydranet("recipe", "show", "demo").out
    refused(hydranet("recipe", "show", "demmo"), "did you mean 'demo'")


def test_env_names_versions_and_processor_and_no_user() -> None:
    ended = hydranet("env", "--json")
    assert ended.code == 0, ended.err
    rows = json.loads(ended.out)
    assert {"hydranet", "python", "processor", "torch", "numpy", "onnxruntime", "openvino"} <= set(rows)
    assert "python" in hydranet("env").out


def test_shells_can_complete() -> None:
    ended = hydranet("--help")
    assert "--install-completion" in ended.out
    assert hydranet("--version").out.strip()
