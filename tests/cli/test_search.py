"""hydranet search: what is measured, what is trained, what wins, and that it goes on where it stopped."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from commands import hydranet, refused
from export_toys import SIZE, every_recipe
from hydranet.bench import latency
from hydranet.bench.compare import Pace
from hydranet.bench.latency import Target, frame_ms
from hydranet.checkpoint.checkpoint import load_recipe
from hydranet.config.recipe import Recipe
from hydranet.core.spec import Part, SpecError
from toys import ToyStages, toy_recipe

SPACE = ("decoder.width=2,6,30", "sharing=hard_sharing,split_decoders,cross_stitch")


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Times without measuring: the decoder's width in ms, twice that for split decoders; cross-stitch does not run."""
    asked: list[str] = []

    def times(recipes: Mapping[str, Recipe], target: Target, *_: object) -> Iterator[tuple[str, float | str]]:
        for name, recipe in recipes.items():
            asked.append(name)
            kind = recipe.sharing.cls.__name__
            width = float(recipe.decoder.options.get("width", 6))
            yield name, "no such operator" if kind == "CrossStitch" else width * (2 if kind == "SplitDecoders" else 1)

    monkeypatch.setattr(latency, "frame_ms", times)
    return asked


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "toy.json"
    path.write_text(replace(toy_recipe(steps=4), encoder=Part(ToyStages)).to_json())
    return path


WORDS = ("--latency-ms", 15, "--rungs", 2, "--keep", 2, "--networks", 9, "--out", "made")


def test_from_a_recipe_to_the_winner(recipe: Path, measured: list[str]) -> None:
    ended = hydranet("search", recipe, *SPACE, *WORDS)
    assert ended.code == 0, ended.err
    assert "take more than 15 ms per frame" in ended.out
    assert "no such operator" in ended.out
    tree = json.loads(Path("made/search.json").read_text())
    by_label = {one["label"]: one for one in tree["networks"]}
    assert {one["ms"] for one in by_label.values()} == {2.0, 4.0, 6.0, 12.0}
    assert tree["too_slow"] == 2
    assert tree["steps"] == [2, 4]
    first = by_label["the recipe as it is"]
    assert first["delta_m"] == [0.0, 0.0]
    halves = [one for one in by_label.values() if one["delta_m"][1] is not None and one is not first]
    assert len(by_label) == 4
    ranked = sorted(by_label.values(), key=lambda one: (-one["delta_m"][0], one["ms"]))[:2]
    assert all(one in ranked for one in halves), "the best half of the first round goes on"
    final = [one for one in ranked if one["delta_m"][1] is not None]
    best = max(final, key=lambda one: (one["delta_m"][1], -one["ms"]))
    assert tree["winner"] == best["label"]
    report = json.loads(Path(f"made/round-2/{best['name']}/report.json").read_text())
    base = json.loads(Path(f"made/round-2/{first['name']}/report.json").read_text())
    gains = [
        100 * (b["mae"] - a["mae"]) / b["mae"]
        for a, b in ((report["scores"]["held-out"][t], base["scores"]["held-out"][t]) for t in ("bright", "glow"))
    ]
    assert best["delta_m"][1] == pytest.approx(sum(gains) / 2)
    winner = load_recipe(Path("made/winner.json"))
    assert (winner.name, winner.steps) == ("toy-searched", 4)
    page = Path("made/search.html").read_text()
    assert page.count("<svg") == 2
    assert "stroke-dasharray" in page
    assert hydranet("train", "made/winner.json", "--out", "whole").code == 0


def test_it_goes_on_where_it_was_stopped(recipe: Path, measured: list[str]) -> None:
    ended = hydranet("search", recipe, *SPACE, *WORDS)
    assert ended.code == 0, ended.err
    result, often = Path("made/search.json").read_text(), len(measured)
    Path("made/search.json").unlink()
    for run in Path("made/round-2").glob("*/report.json"):
        run.unlink()
    again = hydranet("search", recipe, *SPACE, *WORDS)
    assert again.code == 0, again.err
    assert len(measured) == often, "times are kept"
    assert "4 runs, 4 of them finished" in again.out
    assert Path("made/search.json").read_text() == result
    refused(hydranet("search", recipe, *SPACE, *WORDS, "--threads", 1), "holds times of another target")


def test_what_cannot_be_is_refused(recipe: Path, measured: list[str]) -> None:
    refused(hydranet("search", recipe, *SPACE, "--latency-ms", 1, "--rungs", 1), "the fastest of 6 networks takes 2 ms")
    refused(hydranet("search", recipe, "decodr.width=1,2", "--rungs", 1), "decodr")
    refused(
        hydranet("search", recipe, *SPACE, "--latency-ms", "nan"), "got --latency-ms=nan, expected a number above 0"
    )
    refused(hydranet("search", recipe, *SPACE, "seed=0..2"), "got several seeds, expected one")
    refused(hydranet("search", recipe, *SPACE), "got 3 rungs, the last of 4 steps, expected at least 9 steps")
    refused(hydranet("search", recipe, *SPACE, "--rungs", 1, "--runtime", "tensorrt"), "runtime")
    refused(
        hydranet("search", recipe, *SPACE, "--rungs", 1, "--precision", "bf16", "--runtime", "onnx"), "got precision"
    )


@pytest.mark.slow  # it exports two networks and opens a process for each
def test_times_are_those_of_the_runtime(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    classification, *others = every_recipe().tasks[:4]
    heavy = replace(classification, hidden=(4096, 4096))  # some ten times the time: a busy machine must not matter
    whole = replace(every_recipe(), name="whole", tasks=(heavy, *others))
    small = replace(whole, name="small", tasks=(classification,))
    broken = whole.changed(["sharing=branched"])
    recipes = {"whole": whole, "small": small, "broken": broken}
    times = dict(frame_ms(recipes, Target("onnx", "fp32", SIZE, 1), tmp_path, Pace(rounds=3, frames=2, threads=1)))
    assert isinstance(times["broken"], str)
    assert "no chain of stages" in times["broken"]
    assert 0 < float(times["small"]) < float(times["whole"])
    assert not (tmp_path / "whole").exists()


def test_a_precision_that_a_runtime_lacks_is_refused() -> None:
    with pytest.raises(SpecError, match="got precision 'bf16', expected one of fp32, int8 in onnx"):
        Target("onnx", "bf16", (64, 64))
