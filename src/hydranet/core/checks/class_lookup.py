"""Classes by their dotted path: whose code may run because a file names it.

A recipe, and with it every checkpoint, names classes. Of these, hydranet's own and torch's layers and optimizers are
found by themselves. Others are found where the user's program has imported their module already, or where she allows
the module by name. Nothing is imported to see whether it may be imported.
"""

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType

from hydranet.core.checks.names import shown
from hydranet.core.errors import SpecError

ALLOW = "HYDRANET_ALLOW"
"""Environment variable: modules whose classes a recipe may name, separated by commas: NAME, FILE.py, NAME=FILE.py."""

PACKAGE = "hydranet"
TORCH = ("torch.nn", "torch.optim")
BROUGHT = frozenset({"nncf", "timm", "torch", "torchjd", "torchvision"})
"""Packages with classes of torch's kinds that hydranet itself imports: that they are imported says nothing about the
user. Of these only torch's layers and optimizers are found without being allowed."""

Allowed = Callable[[type], bool]


class ForeignClass(SpecError):
    """A class of a module that was neither imported by the user's program nor allowed by name."""


def resolve_class(path: object, allowed: Allowed) -> type:
    """The class that a recipe names.

    Raises ForeignClass for one whose module may not be used here, SpecError for what is no class or of a wrong kind.
    """
    if not isinstance(path, str) or not all(part.isidentifier() for part in path.split(".")):
        raise SpecError(f"the recipe names {shown(path)}, expected the dotted path of a class, such as package.Class")
    name, _, attribute = path.rpartition(".")
    module = _module(name)
    cls = None if module is None else vars(module).get(attribute)
    if module is None or (cls is None and _is_own(name)):
        raise ForeignClass(_refusal(path, name))
    if not isinstance(cls, type) or not allowed(cls):
        raise SpecError(
            f"the recipe names {path!r}, which is no part of a recipe; expected a task, encoder, data set, ..."
        )
    return cls


def allow(names: Iterable[str]) -> None:
    """Allows modules for this process and those it starts, beside those that are allowed already."""
    kept = [name for name in os.environ.get(ALLOW, "").split(",") if name]
    os.environ[ALLOW] = ",".join(dict.fromkeys([*kept, *names]))


def import_file(path: Path, name: str = "") -> ModuleType:
    """Imports a file of the user's under its own name, or another; its folder is then searched for what it imports.

    Raises SpecError where there is no such file, or another module has its name.
    """
    name, path = name or path.stem, path.resolve()
    if not path.is_file():
        raise SpecError(f"no file {path}; give a python file with a function that returns a Recipe")
    loaded = sys.modules.get(name)
    if loaded is None and (known := importlib.util.find_spec(name)) and known.origin != str(path):
        raise SpecError(f"{path} has the name of another module ({known.origin}); rename the file")
    if loaded is not None and (loaded.__spec__ is None or loaded.__spec__.origin != str(path)):
        raise SpecError(f"{path} has the name of a module that is in use ({name}); rename the file")
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    importlib.invalidate_caches()
    if loaded is not None:
        return loaded
    return importlib.import_module(name) if name == path.stem else _as(name, path)


def _as(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise SpecError(f"{path} cannot be imported; give a file that ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _module(name: str) -> ModuleType | None:
    """A module that may be used: one that is imported, an own one, or one that the user allows by name."""
    if _is_own(name):
        return _own(name)
    if _is_torch(name) or name.split(".")[0] not in BROUGHT:
        loaded = sys.modules.get(name)
        if loaded is not None:
            return loaded
    for entry in os.environ.get(ALLOW, "").split(","):
        word, equals, file = entry.strip().partition("=")
        if word.endswith(".py") and not equals:
            word, file = Path(word).stem, word
        if word and (name == word or name.startswith(f"{word}.")):
            try:
                if file:
                    import_file(Path(file), word)
                return importlib.import_module(name)
            except ImportError as error:
                raise SpecError(
                    f"{name!r} is allowed but cannot be imported ({error}); put it on PYTHONPATH, or allow it as "
                    f"{word}=PATH/{word}.py"
                ) from error
    return None


def _is_own(name: str) -> bool:
    return name.split(".")[0] == PACKAGE


def _is_torch(name: str) -> bool:
    return name in TORCH or name.startswith(tuple(f"{one}." for one in TORCH))


def _own(name: str) -> ModuleType | None:
    """A module of the package that lies there as a file of exactly that name."""
    *folders, last = name.split(".")[1:] or [""]
    if last.startswith("__") or not Path(__file__).parents[2].joinpath(*folders, f"{last}.py").is_file():
        return None
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise SpecError(
            f"the recipe names a class of {name!r}, which cannot be imported here ({error}); install what it needs"
        ) from error


def _refusal(path: str, module: str) -> str:
    if _is_own(module) or _is_torch(module):
        package = module.split(".")[0]
        return f"the recipe names {path!r}, which {package} does not have here; update {package} or correct the name"
    top = module.split(".")[0] or path
    return (
        f"the recipe names {path!r}, which is not hydranet's code, and this program has not imported it; read it, and "
        f"if you trust it, allow it: --allow {top}.py for its file, or {ALLOW}={top} where it can be imported"
    )
