"""A recipe as YAML or TOML: the same fields, classes by their short names, what is as by default left out."""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any

import torch

from hydranet.config import schedule
from hydranet.config.catalog import OPEN, members
from hydranet.config.joint import Joint
from hydranet.config.optim import Optim
from hydranet.config.recipe import Recipe
from hydranet.config.source import Source
from hydranet.config.stages import Stage
from hydranet.config.teacher import Teacher
from hydranet.core.checks.names import shown
from hydranet.core.errors import SpecError
from hydranet.core.extras import needing
from hydranet.core.spec import Part, StandIn, dotted, to_json, unknown
from hydranet.io import columns
from hydranet.transforms.augment import Augment

Json = Any
IMPLIED: Mapping[str, type] = {
    "data": Source,
    "validation": Source,
    "stages": Stage,
    "teachers": Teacher,
    "joint": Joint,
    "optim": Optim,
    "augment": Augment,
}
"""By field of a recipe, or of a source, the class that its value has without saying so."""

PARTS = ("encoders", "decoders", "sharing", "balancers")
DEEPEST = 60


@cache
def _paths() -> dict[str, tuple[str, bool]]:
    """By short name of a class its path, and whether it is a part that is built later."""
    known: dict[str, tuple[str, bool]] = {}
    for kind in OPEN:
        if kind != "recipes":
            known |= {one.name: (one.path, kind in PARTS) for one in members(kind)}
    for module, parent in ((schedule, schedule.Schedule), (columns, columns.Columns)):
        known |= {c.__name__: (dotted(c), False) for c in vars(module).values() if _below(c, parent)}
    optimizers = [c for c in vars(torch.optim).values() if _below(c, torch.optim.Optimizer)]
    return known | {c.__name__: (dotted(c), True) for c in optimizers}


def _below(value: object, parent: type) -> bool:
    return isinstance(value, type) and issubclass(value, parent) and value is not parent


def read_yaml(text: str) -> Recipe:
    """A recipe from YAML. Raises SpecError for what is none.

    Read as YAML 1.2 does: 1e-3 is a number, no and on are text, and nothing is run. Anchors are not read.
    """
    with needing("a recipe in YAML"):
        import yaml

    class Loader(yaml.SafeLoader):
        """Safe, with the words of YAML 1.2 alone."""

        yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise SpecError("this YAML has an anchor (*name), which is not read here; write the value out")
            return super().compose_node(parent, index)

    for tag, pattern, first in (
        ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
        ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
        ("int", r"[-+]?[0-9]+", list("-+0123456789")),
        ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
    ):
        Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"(?:{pattern})$"), first)
    Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(loader.construct_scalar(node)))
    Loader.add_constructor("tag:yaml.org,2002:float", lambda loader, node: float(loader.construct_scalar(node)))
    try:
        tree = yaml.load(text, Loader)
    except yaml.YAMLError as error:
        raise SpecError(f"this is no YAML: {' '.join(str(error).split())[:160]}; correct it") from error
    except (ValueError, RecursionError, TypeError) as error:
        raise SpecError(f"this is no recipe in YAML ({type(error).__name__}: {str(error)[:80]}); correct it") from error
    return from_tree(tree)


def read_toml(text: str) -> Recipe:
    """A recipe from TOML. Raises SpecError for what is none."""
    try:
        tree = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, ValueError, RecursionError) as error:
        raise SpecError(f"this is no TOML: {' '.join(str(error).split())[:160]}; correct it") from error
    return from_tree(tree)


def from_tree(tree: Json) -> Recipe:
    """A recipe from a short tree. Raises SpecError."""
    if not isinstance(tree, Mapping) or "tasks" not in tree:
        raise SpecError(f"got {shown(tree)}, expected a recipe: a table with name, tasks, encoder, decoder, data")
    whole = {"class": dotted(Recipe), **{k: _whole(v, str(k)) for k, v in tree.items() if k != "class"}}
    try:
        text = json.dumps(whole)
    except (TypeError, ValueError, RecursionError) as error:
        raise SpecError(f"this recipe holds a value that is none ({str(error)[:80]}); correct it") from error
    return Recipe.from_json(text)


def _whole(value: Json, key: str, depth: int = 0) -> Json:
    """A value with the paths of its classes."""
    if depth > DEEPEST:
        raise SpecError(f"this recipe is nested more than {DEEPEST} levels deep; correct it")
    if isinstance(value, list):
        return [_whole(one, key, depth + 1) for one in value]
    if not isinstance(value, dict):
        return value
    tree = {str(k): _whole(v, str(k), depth + 1) for k, v in value.items()}
    name = tree.get("class")
    if name is None and key in IMPLIED:
        return {"class": dotted(IMPLIED[key]), **tree}
    if not isinstance(name, str) or "." in name:
        return tree
    if name not in _paths():
        raise SpecError(unknown(name, _paths(), f"class (in {key})"))
    path, part = _paths()[name]
    return {**tree, "class": path, **({"part": True} if part else {})}


def to_tree(recipe: Recipe) -> Json:
    """The inverse of `from_tree`: short names, and what is not as by default."""
    tree = _short(recipe, "")
    tree.pop("class")
    return tree


def _short(value: Any, key: str) -> Json:
    if isinstance(value, StandIn):
        return value.tree
    if isinstance(value, Part):
        name, part = _short_name(value.cls)
        return {
            "class": name,
            **({} if part else {"part": True}),
            **{k: _short(v, k) for k, v in value.options.items()},
        }
    if is_dataclass(value) and not isinstance(value, type):
        implied = IMPLIED.get(key) is type(value)
        tree = {} if implied else {"class": _short_name(type(value))[0]}
        for one in fields(value):
            default = one.default_factory() if one.default_factory is not MISSING else one.default
            if one.init and (default is MISSING or default != getattr(value, one.name)):
                tree[one.name] = _short(getattr(value, one.name), one.name)
        return tree
    if isinstance(value, Mapping):
        return {str(k): _short(v, "") for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_short(one, key) for one in value]
    return to_json(value)


def _short_name(cls: type) -> tuple[str, bool]:
    path, part = _paths().get(cls.__name__, ("", False))
    return (cls.__name__, part) if path == dotted(cls) else (dotted(cls), False)


def write_yaml(recipe: Recipe) -> str:
    """The recipe as YAML."""
    with needing("a recipe in YAML"):
        import yaml

    class Dumper(yaml.SafeDumper):
        """Short lists on one line; numbers as YAML 1.2 and 1.1 both read them; no anchors."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

        def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> Any:
            plain = not any(isinstance(one, dict | list) for one in sequence)
            return super().represent_sequence(tag, sequence, flow_style=plain)

    def number(dumper: Any, value: float) -> Any:
        text = repr(value)
        if "e" in text and "." not in text:
            text = text.replace("e", ".0e")
        return dumper.represent_scalar("tag:yaml.org,2002:float", text)

    Dumper.add_representer(float, number)
    return str(yaml.dump(to_tree(recipe), Dumper=Dumper, sort_keys=False, allow_unicode=True, width=110))


def write_toml(recipe: Recipe) -> str:
    """The recipe as TOML. Raises SpecError for a field that is null, which TOML cannot say."""
    tree = to_tree(recipe)
    tables = {k: v for k, v in tree.items() if isinstance(v, dict)}
    lists = {k: v for k, v in tree.items() if isinstance(v, list) and v and all(isinstance(one, dict) for one in v)}
    lines = [f"{k} = {_toml(v, k)}" for k, v in tree.items() if k not in tables and k not in lists]
    for key, table in tables.items():
        lines += ["", f"[{key}]", *(f"{_key(k)} = {_toml(v, k)}" for k, v in table.items())]
    for key, entries in lists.items():
        for entry in entries:
            lines += ["", f"[[{key}]]", *(f"{_key(k)} = {_toml(v, k)}" for k, v in entry.items())]
    return "\n".join(lines) + "\n"


def _toml(value: Json, key: str) -> str:
    if value is None:
        raise SpecError(f"{key} is null, which TOML cannot say; write YAML instead")
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(k)} = {_toml(v, k)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(one, key) for one in value) + "]"
    return (
        json.dumps(value, ensure_ascii=False)
        if isinstance(value, str)
        else str(value).lower()
        if isinstance(value, bool)
        else repr(value)
    )


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key, ensure_ascii=False)
