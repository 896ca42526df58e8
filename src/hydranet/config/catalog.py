"""The parts of the package, found by reading its files: nothing is registered, and nothing is imported to be listed."""

import ast
import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from hydranet.core.errors import UserError

OPEN: Mapping[str, str] = {
    "tasks": "tasks",
    "encoders": "models.encoders",
    "decoders": "models.decoders",
    "sharing": "models.sharing",
    "balancers": "balancers",
    "datasets": "datasets",
    "recipes": "recipes",
}
"""The open sets, and the package inside hydranet whose modules make up each of them."""

PROTOCOLS = frozenset({"Task", "Encoder", "Decoder", "Trunk", "LossBalancer", "GradientBalancer", "Dataset"})
"""Names of the classes of `hydranet.core` whose concrete subclasses are parts."""


@dataclass(frozen=True)
class Found:
    """One member of an open set: dotted path, and the first line of its docstring."""

    name: str
    path: str
    summary: str


def modules(kind: str) -> Iterator[tuple[str, Path]]:
    """Dotted name and file of every module of one open set."""
    root = _package().joinpath(*OPEN[kind].split("."))
    for path in sorted(root.rglob("*.py")):
        if path.name != "__init__.py":
            yield ".".join((f"hydranet.{OPEN[kind]}", *path.relative_to(root).with_suffix("").parts)), path


def members(kind: str) -> list[Found]:
    """Public classes that are parts (for recipes: functions without needed arguments that return one) of an open set.

    A file that is not valid Python is listed as one member with the reason, so that the others are still listed.
    """
    bases = _bases()
    parts: list[Found] = []
    for name, path in modules(kind):
        try:
            tree = _parsed(path)
        except (SyntaxError, OSError) as error:
            parts.append(Found(name.rpartition(".")[2], name, f"cannot be read: {error}"))
            continue
        for node in tree.body:
            wanted = _is_recipe(node) if kind == "recipes" else _is_part(node, bases)
            if wanted and isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
                summary = (ast.get_docstring(node) or "").partition("\n")[0]
                parts.append(Found(node.name, f"{name}.{node.name}", summary))
    return sorted(parts, key=lambda part: part.path)


def _package() -> Path:
    spec = importlib.util.find_spec("hydranet")
    if spec is None or not spec.submodule_search_locations:
        raise UserError("hydranet's own files cannot be found; install it again")
    return Path(next(iter(spec.submodule_search_locations)))


def _bases() -> dict[str, set[str]]:
    """Names of the bases of every class that a part may be derived from, directly or not."""
    bases: dict[str, set[str]] = {}
    for wing in ("core", "io", *(package.partition(".")[0] for package in OPEN.values())):
        for path in (_package() / wing).rglob("*.py"):
            try:
                tree = _parsed(path)
            except (SyntaxError, OSError):
                continue  # `members` reports it
            bases |= {node.name: _named(node) for node in tree.body if isinstance(node, ast.ClassDef)}
    return bases


def _parsed(path: Path) -> ast.Module:
    """The file's syntax, read once for as long as the file stays as it is."""
    stat = path.stat()
    return _syntax(path, (stat.st_mtime_ns, stat.st_size))


@lru_cache(maxsize=1024)
def _syntax(path: Path, version: tuple[int, int]) -> ast.Module:
    return ast.parse(path.read_bytes())


def _named(node: ast.ClassDef) -> set[str]:
    """The last words of its bases: `Dataset` of `core.dataset.Dataset`, `Part` of `Part[T]`."""
    plain = [base.value if isinstance(base, ast.Subscript) else base for base in node.bases]
    return {ast.unparse(base).rpartition(".")[2] for base in plain}


def _is_part(node: ast.stmt, bases: Mapping[str, set[str]]) -> bool:
    if not isinstance(node, ast.ClassDef) or "ABC" in _named(node):
        return False
    above, queue = set[str](), list(_named(node))
    while queue:
        name = queue.pop()
        if name not in above:
            above.add(name)
            queue += bases.get(name, ())
    return bool(above & PROTOCOLS)


def _is_recipe(node: ast.stmt) -> bool:
    """Whether a function may be called without arguments and is annotated to return a Recipe."""
    if not isinstance(node, ast.FunctionDef) or node.returns is None:
        return False
    needed = len(node.args.posonlyargs) + len(node.args.args) - len(node.args.defaults)
    optional = needed == 0 and None not in node.args.kw_defaults
    return optional and ast.unparse(node.returns).strip("'\"").rpartition(".")[2] == "Recipe"
