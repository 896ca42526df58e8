"""The parts of the package, found by walking it: nothing is registered."""

import importlib
import importlib.util
import inspect
import pkgutil
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hydranet.config.recipe import Recipe
from hydranet.core.balancer import GradientBalancer, LossBalancer
from hydranet.core.dataset import Dataset
from hydranet.core.features import Decoder, Encoder, Trunk
from hydranet.core.task import Task

OPEN = ("tasks", "encoders", "decoders", "sharing", "balancers", "datasets", "recipes")
"""The open sets: packages whose modules are found by looking, never by registering."""


PROTOCOLS = (Task, Encoder, Decoder, Trunk, LossBalancer, GradientBalancer, Dataset)


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
    """Public classes that are parts (for recipes: functions), in the modules of one open set.

    A module that cannot be imported (an extra is missing, or it is broken) is one member that says why, so that it
    does not cost the others.
    """
    found: list[Found] = []
    for name in modules(package):
        try:
            module = importlib.import_module(name)
        except Exception as error:  # whatever it is, it is this one module's affair
            found.append(Found(name.rpartition(".")[2], name, f"cannot be imported: {_said(error)}"))
            continue
        for part, value in vars(module).items():
            wanted = _is_recipe(value) if package == "recipes" else _is_part(value)
            if wanted and not part.startswith("_") and value.__module__ == name:
                found.append(Found(part, f"{name}.{part}", (inspect.getdoc(value) or "").partition("\n")[0]))
    return sorted(found, key=lambda f: f.path)


def _is_part(value: object) -> bool:
    return inspect.isclass(value) and issubclass(value, PROTOCOLS) and not inspect.isabstract(value)


def _is_recipe(value: object) -> bool:
    if not inspect.isfunction(value):
        return False
    signature = inspect.signature(value)
    optional = all(p.default is not p.empty for p in signature.parameters.values())
    return optional and signature.return_annotation in (Recipe, "Recipe")


def _said(error: Exception) -> str:
    """Kind, message and place of an error in one line."""
    if isinstance(error, SyntaxError):
        return f"{error.msg} ({Path(error.filename or '?').name}, line {error.lineno})"
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({Path(frame.filename).name}, line {frame.lineno})"
