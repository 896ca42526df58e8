"""Finds what a user names: recipes by name, file or run; parts of the package by walking it."""

import importlib
import importlib.util
import inspect
import pkgutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hydranet.core.spec import SpecError, unknown
from hydranet.recipe import Recipe

OPEN = ("tasks", "encoders", "decoders", "sharing", "balancers", "datasets", "recipes")
"""The open sets: packages whose modules are found by looking, never by registering."""


@dataclass(frozen=True)
class Found:
    """One member of an open set: dotted path, and the first line of its docstring."""

    name: str
    path: str
    summary: str


def modules(package: str) -> Iterator[str]:
    """Dotted names of all modules of one open set."""
    root = importlib.import_module(f"hydranet.{package}")
    for module in pkgutil.walk_packages(root.__path__, f"hydranet.{package}."):
        if not module.ispkg:
            yield module.name


def members(package: str) -> list[Found]:
    """Public classes that are parts (for recipes: functions), in the modules of one open set."""
    from hydranet.core.balancer import GradientBalancer, LossBalancer
    from hydranet.core.dataset import Dataset
    from hydranet.core.features import Decoder, Encoder, Trunk
    from hydranet.core.task import Task

    protocols = (Task, Encoder, Decoder, Trunk, LossBalancer, GradientBalancer, Dataset)
    found = []
    for name in modules(package):
        for attribute, value in inspect.getmembers(importlib.import_module(name)):
            if attribute.startswith("_") or getattr(value, "__module__", None) != name:
                continue
            part = inspect.isclass(value) and issubclass(value, protocols) and not inspect.isabstract(value)
            if part or (package == "recipes" and inspect.isfunction(value) and _is_recipe(value)):
                found.append(Found(attribute, f"{name}.{attribute}", (inspect.getdoc(value) or "").partition("\n")[0]))
    return sorted(found, key=lambda f: f.path)


def _is_recipe(function: object) -> bool:
    return inspect.signature(function).return_annotation is Recipe  # type: ignore[arg-type]


def recipe(what: str) -> Recipe:
    """The recipe that a name, "file.py", "file.py:function", a recipe.json or a run folder means.

    Raises SpecError with a suggestion for an unknown name.
    """
    from hydranet.checkpoint import load_recipe

    path, _, function = what.partition(":")
    if path.endswith(".py"):
        return _from_file(Path(path), function)
    if path.endswith((".json", ".safetensors")) or Path(path).is_dir():
        return load_recipe(path)
    known = {found.name: found for found in members("recipes")}
    if what not in known:
        raise SpecError(unknown(what, known, "recipe") + " (or give a file.py, a recipe.json or a run folder)")
    module, _, name = known[what].path.rpartition(".")
    made: Recipe = getattr(importlib.import_module(module), name)()
    return made


def _from_file(path: Path, function: str) -> Recipe:
    if not path.is_file():
        raise SpecError(f"no file {path}; give a python file with a function that returns a Recipe")
    sys.path.insert(0, str(path.parent.resolve()))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise SpecError(f"{path} cannot be imported as a module; rename it to a python identifier")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    makers = {
        n: f for n, f in inspect.getmembers(module, inspect.isfunction) if _is_recipe(f) and f.__module__ == path.stem
    }
    if function and function not in makers:
        raise SpecError(unknown(function, makers, f"recipe in {path}"))
    if not function and len(makers) != 1:
        raise SpecError(
            f"{path} has {len(makers)} functions that return a Recipe ({', '.join(makers)}); say {path}:NAME"
        )
    made: Recipe = makers[function or next(iter(makers))]()
    return made
