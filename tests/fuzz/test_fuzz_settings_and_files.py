"""Damaged and odd recipes, overrides, manifests, reports, caches and logs end as a result or as one sentence.

Seeded; HYDRANET_FUZZ=20 tries twenty times as many inputs, HYDRANET_FUZZ_SEED=7 others.
"""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hydranet.config.recipe import Recipe
from hydranet.core.spec import flatten, to_json
from hydranet.deploy.manifest import Manifest
from hydranet.evaluation.report import Report
from hydranet.io.run_log import LOG, read_all
from hydranet.recipes.demo import demo
from mutations import ODD, SEED, TIMES, broken, mutated, result_or_sentence

FIXTURES = Path(__file__).parents[1] / "fixtures" / "v0_1"


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return demo().changed(["encoder.weights=null"])


def test_recipes(recipe: Recipe) -> None:
    rng, tree = random.Random(1 + SEED), json.loads(recipe.to_json())
    for _ in range(250 * TIMES):
        text = json.dumps(mutated(tree, rng))
        result_or_sentence(lambda text=text: Recipe.from_json(text), text)  # type: ignore[misc]
    for _ in range(50 * TIMES):
        text = broken(recipe.to_json(), rng)
        result_or_sentence(lambda text=text: Recipe.from_json(text), text)  # type: ignore[misc]


def test_overrides(recipe: Recipe) -> None:
    rng, keys = random.Random(2 + SEED), list(flatten(to_json(recipe)))
    words = [json.dumps(one) for one in ODD] + ["uncertainty", "cosine", "none", "1e999", "--", "=", "[", "0x1", "１"]
    for _ in range(250 * TIMES):
        key = rng.choice(keys)
        key = rng.choice([key, key.rpartition(".")[0], key + ".x", broken(key or "a", rng)])
        setting = f"{key}={rng.choice(words)}" if rng.random() < 0.95 else key
        result_or_sentence(lambda setting=setting: recipe.changed([setting]), setting)  # type: ignore[misc]


@pytest.mark.parametrize("kind", ["manifest", "report"])
def test_manifests_and_reports(kind: str) -> None:
    path = FIXTURES / ("export/manifest.json" if kind == "manifest" else "run/report.json")
    rng, tree = random.Random(3 + SEED), json.loads(path.read_text())
    parse: Callable[[str], Any] = Manifest.from_json if kind == "manifest" else Report.from_json

    def used(text: str) -> None:
        made = parse(text)
        if isinstance(made, Report):
            made.to_json()
            made.to_csv()
        else:
            made.to_json()
            _ = (made.image_shape, made.thresholds, [made.outputs_of(task) for task in made.heads])

    for _ in range(250 * TIMES):
        text = broken(path.read_text(), rng) if rng.random() < 0.3 else json.dumps(mutated(tree, rng))
        result_or_sentence(lambda text=text: used(text), text)  # type: ignore[misc]


def test_logs(tmp_path: Path) -> None:
    rng = random.Random(4 + SEED)
    line = {"step": 1, "losses": {"a": 1.0}, "parts": {"a": {"b": 1.0}}, "weights": {}, "cosines": {}, "lr": 0.1}
    for _ in range(100 * TIMES):
        texts = [json.dumps(mutated(line, rng)) for _ in range(3)]
        (tmp_path / LOG).write_bytes("\n".join([*texts, broken(json.dumps(line), rng)]).encode("utf-8", "replace"))
        lines, left_out = read_all(tmp_path)
        assert len(lines) + left_out >= 3
        assert all(isinstance(one["step"], int) for one in lines)
