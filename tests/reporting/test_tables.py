"""Names out of files stand in tables as they are, whatever they look like to a terminal library."""

import io

from rich.console import Console

from hydranet.evaluation.compare import Change
from hydranet.evaluation.report import Report
from hydranet.reporting import tables

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
