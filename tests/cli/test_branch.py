"""hydranet branch: from a run to a tree that goes on from its weights."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from commands import hydranet, refused
from hydranet.checkpoint.checkpoint import load_model, load_recipe
from hydranet.checkpoint.warm_start import load_pretrained
from hydranet.config.recipe import Recipe
from hydranet.core.spec import Part
from hydranet.models.sharing.branched import Branched
from hydranet.models.sharing.grouped import Grouped
from toys import Brightness, Glow, ToyStages, toy_recipe


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    monkeypatch.chdir(tmp_path)
    tasks = (Brightness("bright"), Glow("glow"))
    made = replace(toy_recipe(steps=4), tasks=tasks, encoder=Part(ToyStages))
    Path("toy.json").write_text(made.to_json())
    return made


def test_from_a_run_to_a_tree_that_goes_on(recipe: Recipe) -> None:
    assert hydranet("train", "toy.json").code == 0
    ended = hydranet("branch", "runs/toy", "--budget", "1,1.5,9", "--images", 12, "--steps", 2)
    assert ended.code == 0, ended.err
    assert ended.out.count("answers as runs/toy does, bit by bit") == 3
    known = json.loads(Path("runs/toy-branched/branch.json").read_text())
    assert [one["stage"] for one in known["stages"]] == ["stage 0", "stage 1", "decoder"]
    for one in known["stages"]:
        ((first, second, affinity),) = one["affinity"]
        assert (first, second) == ("bright", "glow")
        three = [one[kind][0][2] for kind in ("gradient", "contribution", "error")]
        assert affinity == pytest.approx(sum(three) / 3)
    together, apart = [["bright", "glow"]], [["bright"], ["glow"]]
    assert known["trees"]["1"]["tree"] == [together] * 3
    assert known["trees"]["9"]["tree"] == [apart] * 3
    assert known["trees"]["1.5"]["cost"] <= 1.5
    assert "<svg" in Path("runs/toy-branched/branch.html").read_text()
    path = Path("runs/toy-branched/budget-1.5.json")
    branched = load_recipe(path)
    assert branched.sharing.cls is Branched
    assert (branched.start, branched.steps) == ("runs/toy", 2)
    old, new = load_model("runs/toy")[0], branched.build().eval()
    load_pretrained(new, branched)
    image = torch.rand(2, 3, 32, 64)
    assert all(torch.equal(answer, new(image)[task]) for task, answer in old(image).items())
    assert hydranet("train", path).code == 0
    assert load_model("runs/toy-branched-1_5")[1] == branched


def test_latency_is_measured(recipe: Recipe) -> None:
    assert hydranet("train", "toy.json", "steps=1").code == 0
    ended = hydranet("branch", "runs/toy", "--budget", "9", "--cost", "latency", "--out", "made")
    assert ended.code == 0, ended.err
    assert json.loads(Path("made/branch.json").read_text())["trees"]["9"]["cost"] > 1


def test_what_means_nothing_is_refused(recipe: Recipe) -> None:
    assert hydranet("train", "toy.json", "steps=1").code == 0
    refused(hydranet("branch", "runs/toy", "--cost", "money"), r"no way \(--cost\) is called 'money'")
    refused(hydranet("branch", "runs/toy", "--budget", "much"), "got --budget 'much', expected numbers above 0")
    refused(hydranet("branch", "runs/toy", "--budget", "0.5"), "got budget 0.5, expected at least 1, what the network")
    grouped = replace(recipe, name="grouped", sharing=Part(Grouped), steps=1)
    Path("grouped.json").write_text(grouped.to_json())
    assert hydranet("train", "grouped.json").code == 0
    refused(hydranet("branch", "runs/grouped"), "got a trunk Grouped, expected one encoder and one decoder")
    one = replace(recipe, name="one", tasks=recipe.tasks[:1], steps=1)
    Path("one.json").write_text(one.to_json())
    assert hydranet("train", "one.json").code == 0
    refused(hydranet("branch", "runs/one"), "runs/one has one task, expected at least two")
