"""Names of others in tables and messages: shown letter by letter, never obeyed."""

import io
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from hydranet.bench import table as bench_tables
from hydranet.bench.result import Result
from hydranet.core.checks.printable import cell, printable
from hydranet.deploy.manifest import TargetFiles
from hydranet.export import table as export_tables
from hydranet.export.differences import Gap
from hydranet.export.parity import Bounds, MetricPair, Parity
from hydranet.models.profile import Cost
from hydranet.reporting import tables

HOSTILE = "run [bold red]x[/bold red] \x1b[31mred\x07"
SHOWN = "run [bold red]x[/bold red] ?[31mred?"


def on_screen(table: Table) -> str:
    """What a terminal gets, without the line breaks of narrow columns."""
    out = io.StringIO()
    Console(file=out, force_terminal=False, width=400).print(table)
    return out.getvalue()


def test_letters_that_command_a_terminal_are_question_marks() -> None:
    assert printable("a\tb\nc\x1b[2J\x9b1m\u202e") == "a\tb\nc?[2J?1m?"
    assert printable("ähnlich 日本 ±") == "ähnlich 日本 ±"
    assert "\n" not in cell("a\nb")


@pytest.fixture
def parity() -> Parity:
    metric = "held-out semantic [bold]iou\x1b[31m"
    return Parity(HOSTILE, "onnx", Bounds(), 1, {HOSTILE: Gap()}, {metric: MetricPair(0.5, 0.5)})


def test_tables_of_exports_show_names_as_they_are(parity: Parity, tmp_path: Path) -> None:
    assert on_screen(export_tables.arrays([parity])).count(SHOWN) == 2
    assert "held-out semantic [bold]iou?[31m" in on_screen(export_tables.metrics([parity]))
    folder = tmp_path / "a[bold]b"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(b"")
    assert "a[bold]b" in on_screen(
        export_tables.written(folder, {"onnx": TargetFiles(("model.onnx",), "proven")})
    ).replace("\n", "")


def test_tables_of_costs_show_names_as_they_are() -> None:
    cost = Cost(1, 1, 1.0, 1.0)
    result = Result({"processor": HOSTILE, "threads": 1, "load_before": 0}, {}, {HOSTILE: cost}, [])
    assert SHOWN in on_screen(bench_tables.costs(result))
    assert SHOWN in on_screen(tables.costs({HOSTILE: cost, "b": cost}, (32, 32)))
