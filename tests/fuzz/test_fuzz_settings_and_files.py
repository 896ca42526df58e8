"""Damaged and odd recipes, overrides, manifests, reports, caches and logs end as a result or as one sentence.

Seeded; HYDRANET_FUZZ=20 tries twenty times as many inputs.
"""

import copy
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hydranet.config.recipe import Recipe
from hydranet.core.errors import UserError
from hydranet.core.spec import flatten, to_json
from hydranet.deploy.manifest import Manifest
from hydranet.evaluation.report import Report
from hydranet.io.run_log import LOG, read_all
from hydranet.recipes.demo import demo

FIXTURES = Path(__file__).parents[1] / "fixtures" / "v0_1"
TIMES = int(os.environ.get("HYDRANET_FUZZ", "1"))
ODD: tuple[Any, ...] = (
    None, True, -1, 0, 10**6, 2**70, 1e308, -1e-9, float("nan"), float("inf"), "", "a/../b", "\0", "x" * 300, "[/b]",
    [], {}, [1], [[]], {"a": 1}, {"class": "os.system"}, {"class": 3}, {"class": "torch.nn.modules.linear.Linear"},
)  # fmt: skip


def places(tree: Any, at: tuple = ()) -> list[tuple]:
    """The paths of all values in a JSON tree."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [at, *(path for key, value in items for path in places(value, (*at, key)))]


def odd(rng: random.Random) -> Any:
    """One of the odd values, as a value of its own: it may be changed next."""
    return copy.deepcopy(rng.choice(ODD))


def mutated(tree: Any, rng: random.Random) -> Any:
    """A copy with one to three values replaced, taken out, or put elsewhere."""
    tree = json.loads(json.dumps(tree))
    for _ in range(rng.randint(1, 3)):
        path = rng.choice([one for one in places(tree) if one] or [()])
        if not path:
            return odd(rng)
        node = tree
        for key in path[:-1]:
            node = node[key]
        kind = rng.random()
        if kind < 0.7:
            node[path[-1]] = odd(rng)
        elif kind < 0.85:
            del node[path[-1]]
        elif isinstance(node, dict):
            node[rng.choice(["extra", "class", "name", "", "part"])] = odd(rng)
    return tree


def broken(text: str, rng: random.Random) -> str:
    """A text that is cut, has a letter changed, or is repeated."""
    place = rng.randrange(len(text))
    return rng.choice([text[:place], text[:place] + rng.choice('{}[]",:0e\0é') + text[place + 1 :], text + text])


def result_or_sentence(work: Callable[[], object], given: object) -> None:
    """Any error but a sentence of ours fails the test, with the input that led to it."""
    try:
        work()
    except UserError as error:
        sentence = str(error)
    except Exception as error:
        raise AssertionError(f"{type(error).__name__}: {error} for {str(given)[:2000]}") from error
    else:
        return
    assert sentence.strip(), given
    assert "Traceback" not in sentence


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return demo().changed(["encoder.weights=null"])


def test_recipes(recipe: Recipe) -> None:
    rng, tree = random.Random(1), json.loads(recipe.to_json())
    for _ in range(250 * TIMES):
        text = json.dumps(mutated(tree, rng))
        result_or_sentence(lambda text=text: Recipe.from_json(text), text)  # type: ignore[misc]
    for _ in range(50 * TIMES):
        text = broken(recipe.to_json(), rng)
        result_or_sentence(lambda text=text: Recipe.from_json(text), text)  # type: ignore[misc]


def test_overrides(recipe: Recipe) -> None:
    rng, keys = random.Random(2), list(flatten(to_json(recipe)))
    words = [json.dumps(one) for one in ODD] + ["uncertainty", "cosine", "none", "1e999", "--", "=", "[", "0x1", "１"]
    for _ in range(250 * TIMES):
        key = rng.choice(keys)
        key = rng.choice([key, key.rpartition(".")[0], key + ".x", broken(key or "a", rng)])
        setting = f"{key}={rng.choice(words)}" if rng.random() < 0.95 else key
        result_or_sentence(lambda setting=setting: recipe.changed([setting]), setting)  # type: ignore[misc]


@pytest.mark.parametrize("kind", ["manifest", "report"])
def test_manifests_and_reports(kind: str) -> None:
    path = FIXTURES / ("export/manifest.json" if kind == "manifest" else "run/report.json")
    rng, tree = random.Random(3), json.loads(path.read_text())
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
    rng = random.Random(4)
    line = {"step": 1, "losses": {"a": 1.0}, "parts": {"a": {"b": 1.0}}, "weights": {}, "cosines": {}, "lr": 0.1}
    for _ in range(100 * TIMES):
        texts = [json.dumps(mutated(line, rng)) for _ in range(3)]
        (tmp_path / LOG).write_bytes("\n".join([*texts, broken(json.dumps(line), rng)]).encode("utf-8", "replace"))
        lines, left_out = read_all(tmp_path)
        assert len(lines) + left_out >= 3
        assert all(isinstance(one["step"], int) for one in lines)
