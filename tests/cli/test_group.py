"""hydranet group: from a recipe to its groups, by training and by looking."""

import json
from pathlib import Path

import pytest

from commands import hydranet, refused
from hydranet.checkpoint.checkpoint import load_recipe
from hydranet.config.source import Source
from hydranet.core.spec import Part
from hydranet.models.sharing.grouped import Grouped
from toys import Noise, toy_recipe


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "toy.json"
    path.write_text(toy_recipe(steps=4).to_json())
    return path


def test_measured(recipe: Path) -> None:
    ended = hydranet("group", recipe, "seed=0..1", "--budget", "1,2", "--out", "found")
    assert ended.code == 0, ended.err
    assert "performance on glow" in ended.out
    found = json.loads(Path("found/group-measured.json").read_text())
    assert found["gains"]["bright"] == {"bright": 0.0}
    reports = {
        (name, seed): json.loads(Path(f"found/{name}-s{seed}/report.json").read_text())["scores"]["held-out"]
        for name in ("bright", "bright+glow")
        for seed in (0, 1)
    }
    alone, both = ([reports[name, seed]["bright"]["mae"] for seed in (0, 1)] for name in ("bright", "bright+glow"))
    gain = sum(100 * (a - b) / a for a, b in zip(alone, both, strict=True)) / 2
    assert found["affinity"]["glow"]["bright"] == pytest.approx(gain)
    assert found["choices"]["1"]["groups"] == [["bright", "glow"]]
    grouped = load_recipe(Path("found/budget-1-measured.json"))
    assert grouped.sharing == Part(Grouped, groups=(("bright", "glow"),))
    assert "<svg" in Path("found/group-measured.svg").read_text()
    again = hydranet("group", recipe, "seed=0..1", "--budget", "1,2", "--out", "found")
    assert "6 runs, 6 of them finished" in again.out


@pytest.mark.parametrize("by", ["lookahead", "cosine"])
def test_looked_at(recipe: Path, by: str) -> None:
    ended = hydranet("group", recipe, "--by", by, "--every", 1, "--budget", 2, "--out", "found")
    assert ended.code == 0, ended.err
    found = json.loads(Path(f"found/group-{by}.json").read_text())
    lines = [json.loads(line) for line in Path("found/shared-s0/affinity.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3]
    mean = sum(line[by]["glow"]["bright"] for line in lines) / 3
    assert found["affinity"]["glow"]["bright"] == pytest.approx(mean)


def test_looks_of_another_number_of_steps_are_none_of_this_command(recipe: Path) -> None:
    for every, used in ((1, [1, 2, 3]), (2, [2])):
        ended = hydranet("group", recipe, "--by", "cosine", "--every", every, "--budget", 2, "--out", "found")
        assert ended.code == 0, ended.err
        looks = {
            line["step"]: line["cosine"]["glow"]["bright"]
            for line in map(json.loads, Path("found/shared-s0/affinity.jsonl").read_text().splitlines())
        }
        mean = sum(looks[step] for step in used) / len(used)
        found = json.loads(Path("found/group-cosine.json").read_text())
        assert found["affinity"]["glow"]["bright"] == pytest.approx(mean)
    assert hydranet("group", recipe, "--by", "cosine", "--every", 2, "--budget", 2, "--out", "seldom").code == 0
    ended = hydranet("group", recipe, "--by", "cosine", "--every", 1, "--budget", 2, "--out", "seldom")
    refused(ended, "got --every 1, but seldom/shared-s0 was looked at every 2 steps; give --every 2, or train it anew")


def test_two_ways_are_compared_and_a_cut_line_is_no_error(recipe: Path) -> None:
    assert hydranet("group", recipe, "--by", "cosine", "--every", 1, "--budget", 2, "--out", "found").code == 0
    with Path("found/shared-s0/affinity.jsonl").open("a") as file:
        file.write('{"step": 3, "looka')
    ended = hydranet("group", recipe, "--by", "lookahead", "--every", 1, "--budget", 2, "--out", "found")
    assert ended.code == 0, ended.err
    assert "rank correlation with cosine, of all pairs: –: fewer than three, or all alike\n" in ended.out
    table = Path("found/group-cosine.json")
    tree = json.loads(table.read_text())
    for settings, words in (
        ({**tree["settings"], "steps": 9}, r"all alike (made with other settings: steps: 9 -> 4)"),
        (None, "all alike (its file does not say with which settings it was made)"),
    ):
        known = {**tree, "settings": settings} if settings else {k: v for k, v in tree.items() if k != "settings"}
        table.write_text(json.dumps(known))
        ended = hydranet("group", recipe, "--by", "lookahead", "--every", 1, "--budget", 2, "--out", "found")
        assert words in ended.out


def test_tasks_that_no_step_can_show_together_are_said_before_training(recipe: Path) -> None:
    apart = (
        Source("one", Noise(labels=("bright",)), (32, 64)),
        Source("other", Noise(seed=2, labels=("glow",)), (32, 64)),
    )
    recipe.write_text(toy_recipe(apart, steps=8, batch=1).to_json())
    call = ("group", recipe, "--by", "cosine", "--every", 1, "--budget", 2, "--out", "found")
    refused(
        hydranet(*call),
        r"no step that is looked at can have labels of both 'bright' and 'glow' \('bright' is labeled by one; 'glow' "
        r"is labeled by other; batch=1, steps=8, --every 1\); take a larger batch",
    )
    assert not Path("found").exists()
    assert hydranet(*call[:2], "batch=2", *call[2:]).code == 0
    # of what was looked at before, the steps that are asked for count
    assert hydranet(*call[:2], "batch=2", "--by", "cosine", "--every", 2, "--budget", 2, "--out", "found").code == 0
    refused(
        hydranet(*call[:2], "batch=2", "--by", "cosine", "--every", 50, "--budget", 2, "--out", "found"),
        r"labels of both 'bright' and 'glow' .*--every 50",
    )
    refused(
        hydranet(*call[:2], "batch=2", "--by", "lookahead", "--every", 8, "--budget", 2, "--out", "elsewhere"),
        r"labels of both 'bright' and 'glow' .*--every 8",
    )


def test_a_task_without_labels_in_the_sources_has_no_partner(recipe: Path) -> None:
    recipe.write_text(toy_recipe((Source("one", Noise(labels=("bright",)), (32, 64)),), steps=8).to_json())
    refused(
        hydranet("group", recipe, "--by", "lookahead", "--every", 1, "--out", "found"),
        r"'bright' is labeled by one; 'glow' is labeled by no source",
    )


def test_what_means_nothing_is_refused(recipe: Path) -> None:
    refused(hydranet("group", recipe, "--by", "magic"), r"no way \(--by\) is called 'magic'")
    refused(hydranet("group", recipe, "--budget", "a lot"), "got --budget 'a lot', expected numbers above 0 by commas")
    refused(hydranet("group", recipe, "batch=2,4"), "got several values for batch, expected one: only seed may vary")
    refused(hydranet("group", recipe, "seed=first"), "got seed=first, expected whole numbers >= 0")
    one = Path("one.json")
    tree = json.loads(recipe.read_text())
    tree["tasks"] = tree["tasks"][:1]
    one.write_text(json.dumps(tree))
    refused(hydranet("group", one), "has 1 tasks, expected 2 to 12 to group")
