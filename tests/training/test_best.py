"""The best network beside the last one, and an early end: right by hand, and the same after any stop."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from commands import hydranet
from hydranet.checkpoint import checkpoint
from hydranet.config.best_metric import BestMetric, parsed
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.core.errors import SpecError
from hydranet.core.sample import DataError
from hydranet.evaluation.report import Report
from hydranet.io.run_log import LOG, read
from hydranet.training.best import FILE, FOLDER, History, exhausted, keep
from killed_training import KILLED, exit_code, train_until_file
from toys import Noise, toy_recipe


def report(value: float, task: str = "a", better: str = "higher") -> Report:
    how = {"s": {task: {"images": 1}}}
    return Report("run", {"s": {task: {"score": value, "error": -value}}}, how, {task: ("score", better)})


def evaluations(folder: Path, values: list[float], metric: BestMetric, better: str = "higher") -> list[bool]:
    """What was kept of a series of evaluations, each logged after it."""
    kept = []
    for step, value in enumerate(values, start=1):
        one = report(value, better=better)
        kept.append(keep(folder, metric, one, step, lambda place: None))
        scores = json.loads(one.to_json())["scores"]
        with (folder / LOG).open("a") as file:
            file.write(json.dumps({"step": step, "scores": scores}) + "\n")
    return kept


@pytest.mark.parametrize(
    ("text", "better", "kept"),
    [
        ("a", "higher", [True, True, False, False, True]),
        ("a", "lower", [True, False, False, True, False]),
        ("s/a.error:lower", "higher", [True, True, False, False, True]),
        ("a.error:higher", "higher", [True, False, False, True, False]),
    ],
)
def test_the_best_of_a_series_by_hand(tmp_path: Path, text: str, better: str, kept: list[bool]) -> None:
    values = [0.2, 0.5, 0.5, 0.1, 0.6]
    metric, headlines = parsed(text), {"a": ("score", better)}
    assert evaluations(tmp_path, values, metric, better) == kept
    last = max(i for i, one in enumerate(kept, start=1) if one)
    said = json.loads((tmp_path / FOLDER / FILE).read_text())
    own = values[last - 1] * (-1 if ".error" in text else 1)
    assert said == {"step": last, "metric": text, "value": pytest.approx(own)}
    before = max(i for i, one in enumerate(kept[:4], start=1) if one)
    for patience in (1, 2, 3):
        assert exhausted(tmp_path, metric, headlines, 4, patience) is (patience <= 4 - before)


def test_what_has_no_number_is_never_the_best(tmp_path: Path) -> None:
    assert evaluations(tmp_path, [math.nan, 0.1, math.nan], parsed("a")) == [False, True, False]
    assert History(((1, math.nan), (2, math.nan))).since == 2
    with pytest.raises(DataError, match=r"keep_best='a.miou:higher', which no validation source measures; there are"):
        keep(tmp_path, parsed("a.miou:higher"), report(1.0), 4, lambda place: None)


def test_what_the_recipe_refuses() -> None:
    base = replace(toy_recipe(), validation=(Source("held-out", Noise(seed=3), (32, 64)),), evaluate_every=2)
    with pytest.raises(SpecError, match=r"no task \(in keep_best\) is called 'glw'; did you mean 'glow'"):
        replace(base, keep_best="glw")
    with pytest.raises(SpecError, match=r"no validation source \(in keep_best\) is called"):
        replace(base, keep_best="x/glow")
    with pytest.raises(SpecError, match="expected whether lower or higher is better"):
        replace(base, keep_best="glow.mae")
    with pytest.raises(SpecError, match="expected TASK, SOURCE/TASK"):
        replace(base, keep_best="../x")
    with pytest.raises(SpecError, match="evaluate_every=0, expected both"):
        replace(base, keep_best="glow", evaluate_every=0)
    with pytest.raises(SpecError, match="patience=3 without a metric"):
        replace(base, patience=3)


def recipe(**changes: object) -> Recipe:
    """Learns backwards after its first steps: the rate is far too high, so the best is not the last."""
    base = replace(toy_recipe(steps=8, lr=3e-2), validation=(Source("held-out", Noise(seed=3), (32, 64)),))
    return replace(base, evaluate_every=1, keep_best="glow", save_every=3, **changes)


def files(folder: Path) -> dict[str, bytes]:
    names = (
        checkpoint.MODEL,
        checkpoint.STATE,
        *(f"{FOLDER}/{name}" for name in (checkpoint.MODEL, FILE, "report.json")),
    )
    return {name: (folder / name).read_bytes() for name in names}


def scored(folder: Path) -> list[tuple[int, float]]:
    return [(line["step"], line["scores"]["held-out"]["glow"]["mae"]) for line in read(folder) if "scores" in line]


@pytest.mark.slow  # dozens of trainings
@pytest.mark.parametrize("patience", [0, 2])
def test_a_run_killed_anywhere_keeps_and_ends_as_an_unbroken_one(tmp_path: Path, patience: int) -> None:
    path = tmp_path / "recipe.json"
    path.write_text(recipe(patience=patience).to_json())
    assert hydranet("train", path, "--out", tmp_path / "whole/run").code == 0
    series = scored(tmp_path / "whole/run")
    best = min(series, key=lambda one: (one[1], one[0]))
    said = json.loads((tmp_path / "whole/run" / FOLDER / FILE).read_text())
    assert (said["step"], said["value"]) == best
    ended = series[-1][0]
    assert ended == (
        8
        if not patience
        else min(
            8,
            next(
                (
                    step
                    for step, _ in series
                    if step - min(series[:step], key=lambda one: (one[1], one[0]))[0] >= patience
                ),
                8,
            ),
        )
    )
    for count in range(4, 60, 7):
        folder = tmp_path / f"killed-{count}/run"
        if (code := exit_code(train_until_file, count, path, folder)) == 0:
            break
        assert code == KILLED
        again = ["--resume"] if (folder / checkpoint.STATE).is_file() else []
        assert hydranet("train", path, "--out", folder, *again).code == 0
        assert files(folder) == files(tmp_path / "whole/run"), count
        assert scored(folder) == series
    assert count > 4
    resumed = hydranet("train", path, "--out", tmp_path / "whole/run", "--resume")
    assert resumed.code == 0
    assert ("evaluations without a better glow" in resumed.out) is (patience > 0 and ended < 8)
    assert scored(tmp_path / "whole/run") == series


def test_commands_take_the_best(tmp_path: Path) -> None:
    path = tmp_path / "recipe.json"
    path.write_text(recipe().to_json())
    assert hydranet("train", path, "--out", tmp_path / "run").code == 0
    out = hydranet("evaluate", tmp_path / "run", "--best", "--out", tmp_path / "again")
    assert out.code == 0
    again = json.loads((tmp_path / "again/report.json").read_text())["scores"]
    assert again == json.loads((tmp_path / "run" / FOLDER / "report.json").read_text())["scores"]
    plain = tmp_path / "plain.json"
    plain.write_text(replace(recipe(), keep_best="").to_json())
    assert hydranet("train", plain, "--out", tmp_path / "plain").code == 0
    refused = hydranet("evaluate", tmp_path / "plain", "--best")
    assert refused.code == 1
    assert "kept no best network; train with keep_best=TASK" in refused.err
