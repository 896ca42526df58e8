"""The house rules of docs/design.md, as far as a program can see them."""

import ast
import io
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "hydranet"
FILES = sorted(SOURCE.rglob("*.py"))
ENTRIES = 30
"""Files and folders directly under the package, at most: what a newcomer looks over at once."""

ALLOWED = {"weather.py": {"warm"}, "growing_file.py": {"tell"}, "mcap_records.py": {"tell"}}
"""Ordinary words where they mean what they say: the warmth of light, and a method of every file in Python."""

PARAMETERS = 7
"""Of a function outside command-line entry points, at most; beyond that they belong into a dataclass."""

RETIRED_WORDS = """
Voice voice hear heard tell Said Hints hints Lesson lesson lessons told HeldOutBalancer Cut pull price Outcome
Unmoved Diverged Shelf doubt lone Tally tally Started Proof prove Seer Shipped Calibrated Processes joined alike
_elsewhere Looker Lost finish finished least_score NEIGHBOUR FOREIGN Seen found seen said warm colour colours
centre centred grey labelled unlabelled optimiser normalise quantise metres picture pictures
"""
RETIRED = frozenset(RETIRED_WORDS.split())
"""Names that were replaced by what the field calls these things, or by what a variable holds."""


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def test_the_package_is_looked_over_at_once() -> None:
    entries = [path.name for path in SOURCE.iterdir() if path.name != "__pycache__"]
    assert len(entries) <= ENTRIES, entries


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_names_are_those_of_the_field(path: Path) -> None:
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text()).readline)
    retired = {token.string for token in tokens if token.type == tokenize.NAME} & (
        RETIRED - ALLOWED.get(path.name, set())
    )
    assert not retired


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_functions_take_few_parameters(path: Path) -> None:
    if path.parent.name == "cli":
        return  # an option of a command is a parameter
    many = {}
    for function in functions(ast.parse(path.read_text())):
        arguments = function.args
        names = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
        given = [name for name in names if name not in ("self", "cls")]
        if len(given) > PARAMETERS:
            many[function.name] = given
    assert not many


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_docstrings_and_bans(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    if not text.strip():
        return
    assert ast.get_docstring(tree), "the file does not say what it is"
    public = [n for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef) and not n.name.startswith("_")]
    assert not [n.name for n in public if not ast.get_docstring(n) and not n.decorator_list]
    assert "from __future__ import annotations" not in text
    assert path.stem not in {"utils", "helpers", "base", "common", "manager"}
    calls = [n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]
    assert "hasattr" not in calls
    if path.relative_to(SOURCE) != Path("cli/main.py"):
        assert "print" not in calls


def test_help_is_quick_because_it_imports_no_torch() -> None:
    program = (
        "import sys; sys.argv = ['hydranet', '--help']\n"
        "from hydranet.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "assert 'torch' not in sys.modules and 'cv2' not in sys.modules and 'numpy' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
