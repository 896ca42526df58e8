"""A latency budget: which variants keep it, which of them is named, and how the command ends."""

import json
import math
from pathlib import Path

import pytest

from commands import RECIPES, hydranet, refused
from hydranet.bench import plan
from hydranet.bench.budget import Budget, BudgetError
from hydranet.bench.result import Result, markdown
from hydranet.bench.row import Row
from hydranet.bench.runner import Opened
from hydranet.core.spec import SpecError

ASKED = tuple((runtime, one) for runtime in ("onnx", "openvino") for one in plan.PRECISIONS)


def row(network: str, runtime: str, precision: str, *whole: float, unchecked: bool = False) -> Row:
    return Row(network, runtime, precision, Opened(10, 5, 0.0), {"whole": list(whole)}, unchecked)


ROWS = [
    row("a", "channels-last", "fp32", 5.0),  # the quickest of all, but only the baseline
    row("a", "onnx", "fp32", 30.0, 90.0, 38.0),
    row("a", "openvino", "fp32", 40.0, 40.0, 40.0),
    row("a", "openvino", "bf16", 20.0),
    row("a", "openvino", "int8", 12.0, unchecked=True),
    row("b", "onnx", "fp32", 41.0),
    row("b", "openvino", "fp32", 50.0),
]


def test_the_quickest_and_the_most_exact_are_named_by_medians() -> None:
    budget = Budget(40.0, ASKED)
    assert [budget.keeps(one) for one in ROWS] == [True, True, True, True, True, False, False]
    assert not budget.keeps(row("a", "onnx", "fp32")), "what was not measured keeps nothing"
    assert budget.reading(ROWS, "a") == (
        "a within 40 ms: quickest openvino int8 (12.0 ms, its accuracy unchecked); most exact onnx fp32 (38.0 ms)"
    )
    assert budget.reading(ROWS, "b") == "b within 40 ms: no variant; the quickest, onnx fp32 (41.0 ms), takes longer"
    assert Budget(25.0, ASKED).reading(ROWS, "a").endswith("most exact openvino bf16 (20.0 ms)")
    assert Budget(15.0, ASKED).reading(ROWS, "a").endswith("most exact openvino int8 (12.0 ms, its accuracy unchecked)")


def test_a_baseline_that_nobody_asked_for_is_no_choice() -> None:
    with pytest.raises(BudgetError, match=r"a within 10 ms: no variant; the quickest, openvino int8 \(12\.0 ms"):
        Budget(10.0, ASKED).check(ROWS, "a")
    Budget(10.0, (*ASKED, plan.BASELINE)).check(ROWS, "a")
    with pytest.raises(BudgetError, match="a within 10 ms: nothing that was asked for could be measured"):
        Budget(10.0, ASKED).check(ROWS[:1], "a")


@pytest.mark.parametrize("wrong", [0.0, -3.0, math.nan, math.inf])
def test_a_time_that_is_none_is_refused(wrong: float) -> None:
    with pytest.raises(SpecError, match=r"got --budget-ms=.*, expected a number above 0"):
        Budget(wrong, ASKED)


def test_every_precision_of_a_runtime_has_its_place() -> None:
    assert {one for offered in plan.OFFERED.values() for one in offered} == set(plan.PRECISIONS)


def test_the_files_say_it_of_every_row() -> None:
    machine = {"processor": "P", "threads": 2, "load_before": 0, "load_after": 0}
    settings = {"size": (32, 64), "frame": "32x64", "images": "x", "rounds": 1, "frames": 1}
    result = Result(machine, settings, {}, ROWS, budget=Budget(40.0, ASKED))
    tree = json.loads(json.dumps(result.tree(), allow_nan=False))
    assert [one["within_budget"] for one in tree["rows"]] == [True, True, True, True, True, False, False]
    assert tree["budget"] == {
        "ms": 40.0,
        "within": {
            "a": {
                "quickest": {"runtime": "openvino", "precision": "int8"},
                "most_exact": {"runtime": "onnx", "precision": "fp32"},
            },
            "b": None,
        },
    }
    lines = markdown(result).splitlines()
    head, line, *rows = lines[2:11]
    assert head.endswith("| within 40 ms |")
    assert line.count("|") == head.count("|") == rows[0].count("|")
    assert [one.rpartition("| ")[2] for one in rows] == ["yes |"] * 5 + ["no |"] * 2
    assert "- a within 40 ms: quickest openvino int8" in markdown(result)
    assert "- b within 40 ms: no variant" in markdown(result)
    without = Result(machine, settings, {}, ROWS)
    assert "within" not in markdown(without)
    assert without.tree()["budget"] is None


def test_the_command_ends_with_1_where_no_variant_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "budget_recipes.py").write_text(RECIPES)
    measured = [row("toy", "channels-last", "fp32", 3.0), row("toy", "onnx", "fp32", 30.0)]
    monkeypatch.setattr("hydranet.cli.bench._measure", lambda *_: measured)
    out = tmp_path / "out"
    words = ("bench", f"{tmp_path / 'budget_recipes.py'}:toy", "--runtimes", "onnx", "--out", out)
    ended = hydranet(*words, "--budget-ms", 30)
    assert ended.code == 0, ended.err
    sentence = "toy within 30 ms: quickest onnx fp32 (30.0 ms); most exact onnx fp32 (30.0 ms)"
    assert sentence in " ".join(ended.out.split())
    assert "within 30 ms" in ended.out
    ended = hydranet(*words, "--budget-ms", 29.9)
    refused(ended, "toy within 29.9 ms: no variant; the quickest, onnx fp32 .30.0 ms., takes longer")
    kept = json.loads((out / "bench.json").read_text())
    assert [one["within_budget"] for one in kept["rows"]] == [True, False], "the tables are there all the same"
    refused(hydranet(*words, "--budget-ms", "nan"), "got --budget-ms=nan, expected a number above 0")
