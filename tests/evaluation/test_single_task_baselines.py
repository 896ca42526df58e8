"""The retention table: single-task recipes of equal budget, costs measured side by side, refusals."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from commands import RECIPES, hydranet
from hydranet.core.spec import SpecError
from hydranet.evaluation.compare import NotComparable
from hydranet.evaluation.report import Report
from hydranet.evaluation.single_task_baselines import SHARED, kept, variants
from hydranet.models.profile import costs
from hydranet.models.summary import count, parts
from toys import toy_recipe


def test_every_task_alone_has_the_budget_of_all() -> None:
    recipe = toy_recipe()
    found = variants(recipe)
    assert list(found) == [SHARED, *(task.name for task in recipe.tasks)]
    for name, variant in found.items():
        assert (variant.steps, variant.batch, variant.seed) == (recipe.steps, recipe.batch, recipe.seed)
        if name != SHARED:
            assert [task.name for task in variant.tasks] == [name]
            assert all(source.name in {s.name for s in recipe.data} for source in variant.data)


def test_one_task_has_nothing_to_share() -> None:
    recipe = variants(toy_recipe())["glow"]
    with pytest.raises(SpecError, match="has one task, expected at least two"):
        variants(recipe)


def test_a_task_that_no_source_labels_is_refused() -> None:
    recipe = toy_recipe()
    blind = tuple(replace(source, labels={"glow": None}) for source in recipe.data)
    with pytest.raises(SpecError, match="no source in data labels 'glow'"):
        variants(replace(recipe, data=blind))


def test_costs_add_up_over_separate_networks() -> None:
    found = variants(toy_recipe())
    models = {name: recipe.build() for name, recipe in found.items()}
    alone = [model for name, model in models.items() if name != SHARED]
    spent = costs({SHARED: [models[SHARED]], "separate": alone}, (32, 64), rounds=1)
    assert spent["separate"].parameters == sum(map(count, alone)) > spent[SHARED].parameters
    assert spent["separate"].macs == sum(parts(model, (32, 64))[-1].macs for model in alone)
    weights = sum(t.numel() * t.element_size() for t in models[SHARED].state_dict().values())
    assert spent[SHARED].memory_bytes > weights
    assert spent[SHARED].network_ms > 0


def report(value: float, better: str, images: int = 3) -> Report:
    return Report("m", {"s": {"t": {"x": value}}}, {"s": {"t": {"images": images}}}, {"t": ("x", better)})


@pytest.mark.parametrize(("better", "share"), [("higher", 0.5), ("lower", 2.0)])
def test_share_kept_follows_the_direction(better: str, share: float) -> None:
    (row,) = kept({SHARED: report(0.2, better), "t": report(0.4, better)})
    assert row.share == pytest.approx(share)
    (nothing,) = kept({SHARED: report(0.0, "lower"), "t": report(0.4, "lower")})
    assert math.isnan(nothing.share)


def test_reports_of_other_images_are_refused() -> None:
    with pytest.raises(NotComparable, match=r"s/t\.images: 4 / 3"):
        kept({SHARED: report(0.2, "higher"), "t": report(0.4, "higher", images=4)})


def test_the_command_trains_what_is_missing_and_prints_both_tables(tmp_path: Path) -> None:
    file = tmp_path / "retention_recipes.py"
    file.write_text(RECIPES)
    first = hydranet("retention", f"{file}:toy", "--out", tmp_path / "out")
    assert first.code == 0, first.err
    assert "separate, all" in first.out
    assert "kept" in first.out
    before = (tmp_path / "out" / SHARED / "model.safetensors").stat().st_mtime_ns
    again = hydranet("retention", f"{file}:toy", "--out", tmp_path / "out")
    assert again.code == 0, again.err
    assert (tmp_path / "out" / SHARED / "model.safetensors").stat().st_mtime_ns == before
    assert "| shared |" in (tmp_path / "out" / "retention.md").read_text()
    other = hydranet("retention", f"{file}:toy", "seed=5", "--out", tmp_path / "out")
    assert other.code == 1
    assert "holds another recipe" in other.err
