"""Names out of files stand in tables as they are, whatever they look like to a terminal library."""

import io
import json
import math
from dataclasses import replace

from rich.console import Console

from hydranet.core.ledger import Ledger
from hydranet.evaluation.compare import Change, changes
from hydranet.evaluation.report import Report
from hydranet.reporting import tables
from hydranet.reporting.curves import Curves, Group, bars
from hydranet.reporting.run_page import headlines
from hydranet.sweep.results import Metric, Results
from hydranet.sweep.table import columns

NAME = "[/bold] [red]car[/red]"


def shown(table: object) -> str:
    console = Console(file=io.StringIO(), width=400)
    console.print(table)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_names_are_no_markup() -> None:
    protocol = {"held-out": {"a": {"images": 1, "labels": NAME}}}
    report = Report(
        NAME, {"held-out": {"a": {"m": 1.0, NAME: 2.0, f"ap/{NAME}": 3.0}}}, protocol, {"a": ("m", "higher")}
    )
    assert shown(tables.scores(report)).count(NAME) == 2
    assert all(NAME in shown(table) for table in tables.classes(report))
    change = Change("held-out", "a", NAME, 1.0, 2.0, True)
    assert shown(tables.comparison([change], [NAME, "b"])).count(NAME) == 2


def test_a_comparison_says_which_is_better_without_colors() -> None:
    rows = [Change("kitti", "depth", "rmse", 4.0, 3.5, True), Change("kitti", "depth", "delta1", 0.9, 0.8, False)]
    text = shown(tables.comparison([*rows, Change("kitti", "depth", "n", 1.0, 2.0, None)], ["a", "b"]))
    assert "-0.5 better" in text
    assert "-0.1 worse" in text
    assert text.count("better") + text.count("worse") == 2


UNITS = Report(
    "net",
    {"kitti": {"depth": {"abs_rel": 0.1, "rmse": 4.213}, "age": {"mae": 5.5, "mae/adult": 4.25}}},
    {"kitti": {"depth": {"images": 3}, "age": {"images": 3}}},
    {"depth": ("abs_rel", "lower"), "age": ("mae", "lower")},
    units={"depth": {"rmse": "m"}, "age": {"mae": "years"}},
)


def test_scores_have_their_unit_in_tables_and_files() -> None:
    text = shown(tables.scores(UNITS))
    assert "rmse 4.213 m" in text
    assert "mae ↓ 5.5 years" in text
    assert "abs_rel ↓ 0.1 " in text
    assert "4.25 years" in shown(tables.classes(UNITS)[0])
    depth = {"depth": {"abs_rel": 0.1, "rmse": 4.0}}
    better = replace(UNITS, scores={"kitti": depth}, protocol={"kitti": {"depth": {"images": 3}}})
    changes_shown = shown(tables.comparison(changes(UNITS, better), ["a", "b"]))
    assert "rmse (m)" in changes_shown
    assert "abs_rel (" not in changes_shown
    assert "kitti,depth,rmse,4.213,m" in UNITS.to_csv().splitlines()
    assert Report.from_json(UNITS.to_json()).units == UNITS.units
    older = json.loads(UNITS.to_json())
    assert older.pop("units") == UNITS.units
    assert Report.from_json(json.dumps(older)).unit("depth", "rmse") == ""


def test_a_score_that_was_not_measured_has_no_unit() -> None:
    unknown = replace(UNITS, scores={"kitti": {"depth": {"abs_rel": math.nan, "rmse": math.nan}}})
    assert "– m" not in shown(tables.scores(unknown))
    assert "rmse –" in shown(tables.scores(unknown))


def test_the_heads_of_report_pages_and_sweeps_have_units() -> None:
    head = columns(Results("r", "", (Metric("kitti", "age", "mae", "lower", "years"),), (), Ledger()))
    assert head[-1] == "age mae (years) ↓"
    run = Curves("one", (), (), UNITS)
    assert "kitti: age mae (years) ↓" in headlines([Group("one", [run])])
    (bar,) = bars([Group("one", [run])])
    assert bar.title == "kitti: age mae (years)"
