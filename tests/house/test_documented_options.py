"""Whoever only reads a command's page finds every option that the command has."""

import re
from pathlib import Path
from typing import Any

import click
import pytest
import typer

from hydranet.cli.main import app

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(
    ("command", "page"),
    [("predict", "video"), ("export", "shipping"), ("bench", "speed"), ("serve", "serving"), ("ros2", "serving")],
)
def test_a_page_names_every_option_of_its_command(command: str, page: str) -> None:
    group = typer.main.get_command(app)
    found: Any = group.get_command(click.Context(group), command)
    options = {one.opts[0] for one in found.params if one.param_type_name == "option"} - {"--help"}
    assert len(options) > 10
    text = (DOCS / f"{page}.md").read_text()
    named = set(re.findall(r"--[a-z0-9-]+", text))
    if command == "ros2":  # its launch arguments are a table with one row for each
        named |= {f"--{name.replace('_', '-')}" for name in re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)}
    assert sorted(options - named) == []
