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
FIRST_READ = ("annotations.py", "core/*.py", "model.py", "gradients.py", "train.py")


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def is_method(node: ast.stmt) -> bool:
    """Whether a class does something here; properties are values, and dunder methods belong to the language."""
    if not isinstance(node, ast.FunctionDef) or node.name.startswith("__"):
        return False
    return not any("property" in ast.dump(decorator) for decorator in node.decorator_list)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_files_functions_and_classes_are_small(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    assert len(text.splitlines()) <= 300
    long = [f.name for f in functions(tree) if (f.end_lineno or 0) - f.lineno + 1 > 50]
    assert not long, f"functions over 50 lines: {long}"
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    big = [c.name for c in classes if sum(map(is_method, c.body)) > 10]
    assert not big, f"classes with more than 10 methods: {big}"


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


def code_lines(path: Path) -> int:
    """Lines that hold code: no blank lines, comments or docstrings."""
    text = path.read_text()
    lines: set[int] = set()
    quiet = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    statement: list[tokenize.TokenInfo] = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in quiet:
            statement.append(token)
        elif token.type in (tokenize.NEWLINE, tokenize.ENDMARKER):
            if not (len(statement) == 1 and statement[0].type == tokenize.STRING):
                lines |= {n for t in statement for n in range(t.start[0], t.end[0] + 1)}
            statement = []
    return len(lines)


def test_what_a_newcomer_reads_first_stays_short() -> None:
    paths = [path for name in FIRST_READ for path in sorted(SOURCE.glob(name))]
    counts = {str(p.relative_to(SOURCE)): code_lines(p) for p in paths}
    assert sum(counts.values()) <= 1000, counts


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
