"""The retention table: single-task networks, costs measured side by side, two meanings of equal."""

import json
from pathlib import Path

from commands import RECIPES, hydranet
from hydranet.evaluation.single_task_baselines import single_task_recipes
from hydranet.models.profile import costs
from hydranet.models.summary import count, parts
from toys import toy_recipe


def test_costs_add_up_over_separate_networks() -> None:
    recipe = toy_recipe()
    shared, alone = recipe.build(), [single.build() for single in single_task_recipes(recipe).values()]
    spent = costs({"shared": [shared], "separate": alone}, (32, 64), rounds=1)
    assert spent["separate"].parameters == sum(map(count, alone)) > spent["shared"].parameters
    assert spent["separate"].macs == sum(parts(model, (32, 64))[-1].macs for model in alone)
    weights = sum(t.numel() * t.element_size() for t in shared.state_dict().values())
    assert spent["shared"].memory_bytes > weights
    assert spent["shared"].network_ms > 0


def test_the_command_trains_what_is_missing_and_prints_both_tables(tmp_path: Path) -> None:
    file = tmp_path / "retention_recipes.py"
    file.write_text(RECIPES)
    first = hydranet("retention", f"{file}:toy", "seed=0..1", "--out", tmp_path / "out")
    assert first.code == 0, first.err
    assert "separate, all" in first.out
    assert "equal compute: as many images in all as through all single-task networks together" in first.out
    table = json.loads((tmp_path / "out" / "sweep.json").read_text())
    rows = {row["equal"]: row for row in table["rows"]}
    assert (rows[""]["images"], rows["images"]["images"], rows["compute"]["images"]) == (48, 24, 48)
    for row in (rows["images"], rows["compute"]):
        for kept in row["kept"]:  # both of the toy's scores are errors: lower is better
            pair = [
                next(s for s in rows[way]["scores"] if s["task"] == kept["task"])["by_seed"]
                for way in ("", row["equal"])
            ]
            assert kept["by_seed"] == {seed: pair[0][seed] / pair[1][seed] for seed in ("0", "1")}
    file_before = tmp_path / "out" / "run-s0" / "model.safetensors"
    before = file_before.stat().st_mtime_ns
    again = hydranet("retention", f"{file}:toy", "seed=0..1", "--out", tmp_path / "out")
    assert again.code == 0, again.err
    assert file_before.stat().st_mtime_ns == before
    text = (tmp_path / "out" / "retention.md").read_text()
    assert "| shared |" in text
    assert "| single-task networks | 2 | 48 |" in text
    other = hydranet("retention", f"{file}:toy", "optim.lr=5e-3", "--out", tmp_path / "out")
    assert other.code == 1
    assert "holds another recipe" in other.err
