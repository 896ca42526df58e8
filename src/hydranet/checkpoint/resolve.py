"""The recipe that a user names: by name, file or run."""

import importlib
import inspect
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from hydranet.checkpoint.checkpoint import MODEL, RECIPE, load_recipe
from hydranet.config.catalog import members
from hydranet.config.recipe import Recipe
from hydranet.config.recipe_tree import read_toml, read_yaml
from hydranet.core.checks.class_lookup import import_file
from hydranet.core.errors import UserError
from hydranet.core.spec import SpecError, unknown
from hydranet.io.files import read_text


def recipe(what: str) -> Recipe:
    """The recipe that a name, "file.py", "file.py:function", a .yaml, .toml or .json file or a run folder means.

    Raises SpecError with a suggestion for an unknown name, CheckpointError for a damaged run.
    """
    path, _, function = what.partition(":")
    if path.endswith(".py"):
        return _from_file(Path(path), function)
    if path.endswith((".yaml", ".yml", ".toml")):
        return _from_text(Path(path))
    if path.endswith((".json", ".safetensors")) or any((Path(path) / name).is_file() for name in (MODEL, RECIPE)):
        return load_recipe(path)
    known = {part.name: part.path for part in members("recipes")}
    if what not in known:
        raise SpecError(_no_recipe(what, known))
    module, _, name = known[what].rpartition(".")
    broken = module == "hydranet.recipes"  # the path of a whole module: the file is not valid Python
    loaded = _attempt(lambda: importlib.import_module(known[what] if broken else module), f"recipe {what!r}")
    made: Recipe = getattr(loaded, name)()
    return made


def _from_text(path: Path) -> Recipe:
    """A recipe in YAML or TOML. Raises SpecError naming the file."""
    try:
        text = read_text(path)
        return read_toml(text) if path.suffix == ".toml" else read_yaml(text)
    except UserError as error:
        raise SpecError(f"{path}: {error}" if str(path) not in str(error) else str(error)) from error


def _no_recipe(what: str, known: Iterable[str]) -> str:
    """Why a name means no recipe: for a path, the message is about files, not about names of recipes."""
    cure = (
        "give a recipe's name (see `hydranet list recipes`), a file.py, .yaml or .toml, a recipe.json or a run folder"
    )
    if Path(what).is_dir():
        return f"{what} is no run: it holds neither {MODEL} nor {RECIPE}; {cure}"
    if Path(what).exists():
        return f"{what} is no recipe: its name ends neither in .py nor in .json; {cure}"
    if Path(what).name != what:
        return f"no file or folder {what}; {cure}"
    return unknown(what, known, "recipe") + " (or give a file.py, a recipe.json or a run folder)"


def _from_file(path: Path, function: str) -> Recipe:
    module = _attempt(lambda: import_file(path), str(path))
    makers = {n: f for n, f in vars(module).items() if _is_recipe(f) and f.__module__ == path.stem}
    if not makers:
        raise SpecError(f"{path} has no function that returns a recipe; write one as `def name() -> Recipe:`")
    if function and function not in makers:
        raise SpecError(unknown(function, makers, f"recipe in {path}"))
    if not function and len(makers) > 1:
        raise SpecError(f"{path} has {len(makers)} recipes ({', '.join(makers)}); say which: {path}:NAME")
    made: Recipe = _attempt(makers[function or next(iter(makers))], str(path))
    return made


def _attempt(work: Callable[[], Any], what: str) -> Any:
    """The result of a user's code; whatever it raises becomes one sentence that says where."""
    try:
        return work()
    except UserError:
        raise
    except Exception as error:
        raise SpecError(f"{what} cannot be read: {_describe(error)}") from error


def _is_recipe(value: object) -> bool:
    if not inspect.isfunction(value):
        return False
    signature = inspect.signature(value)
    optional = all(p.default is not p.empty for p in signature.parameters.values())
    return optional and signature.return_annotation in (Recipe, "Recipe")


def _describe(error: Exception) -> str:
    """Kind, message and place of an error in one line."""
    if isinstance(error, SyntaxError):
        return f"{error.msg} ({Path(error.filename or '?').name}, line {error.lineno})"
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({Path(frame.filename).name}, line {frame.lineno})"
