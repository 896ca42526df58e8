"""Parts, and recipes as JSON and back. A class's dotted path is its name; nothing is registered anywhere."""

import difflib
import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Generic, TypeVar, get_args

from hydranet.core.checks.class_lookup import Allowed, ForeignClass, resolve_class
from hydranet.core.checks.json_text import BrokenJson, parse_json
from hydranet.core.checks.names import shown
from hydranet.core.checks.ranges import check_numbers
from hydranet.core.checks.types import OfClass, describe, fits
from hydranet.core.errors import SpecError, UserError

T = TypeVar("T")
LONG_VALUE = 1000
"""Characters of a value on the command line; a longer one that is broken JSON is no text either."""
Json = Any


class Component:
    """Marks the frozen dataclasses that a recipe may hold (tasks, data sets, schedules, detection heads, ...)."""


class Part(OfClass, Generic[T]):
    """A class and its options, to be built later: `Part(MobileNetV2, weights="imagenet")`.

    Options are checked against the constructor at once, with a suggestion for a misspelled one.
    Calling the part builds it: `part(*needed)` is `cls(*needed, **options)`.
    """

    def __init__(self, cls: type[T], /, **options: Any) -> None:
        self.cls, self.options = cls, options
        _check_options(cls, options)
        check_numbers(options, cls.__name__)

    @property
    def takes(self) -> frozenset[str]:
        """Names of the options the class has."""
        return frozenset(_parameters(self.cls))

    def __call__(self, *needed: Any) -> T:
        return self.cls(*needed, **self.options)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Part) and (self.cls, self.options) == (other.cls, other.options)

    def __hash__(self) -> int:
        return hash((self.cls, repr(sorted(self.options.items()))))

    def __repr__(self) -> str:
        return f"{self.cls.__name__}({', '.join(f'{k}={v!r}' for k, v in self.options.items())})"


@lru_cache(maxsize=1024)
def _parameters(cls: type) -> Mapping[str, inspect.Parameter]:
    parameters = inspect.signature(cls).parameters
    named = {n: p for n, p in parameters.items() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    return MappingProxyType(named)


def _check_options(cls: type, options: Mapping[str, Any]) -> None:
    """Raises SpecError for an option that the class does not have, or whose value is clearly of another type."""
    known = _parameters(cls)
    for name, value in options.items():
        if name not in known:
            raise SpecError(unknown(name, known, f"option of {cls.__name__}"))
        wanted = known[name].annotation
        if not fits(value, wanted):
            raise SpecError(f"got {name}={shown(value)} for {cls.__name__}, expected {describe(wanted)}")


def unknown(name: str, known: Iterable[str], what: str) -> str:
    """'no X called ...; did you mean ...?' as one sentence."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(names) or 'none'}"
    return f"no {what} is called {name!r}; {hint}"


def dotted(cls: type) -> str:
    """The path a class is written under."""
    return f"{cls.__module__}.{cls.__qualname__}"


def to_json(value: Any) -> Json:
    """Frozen dataclasses and Parts become {"class": path, field: value}; tuples become lists."""
    if isinstance(value, StandIn):
        return value.tree
    if isinstance(value, Part):
        return {"class": dotted(value.cls), "part": True, **{k: to_json(v) for k, v in value.options.items()}}
    if is_dataclass(value) and not isinstance(value, type):
        return {
            "class": dotted(type(value)),
            **{f.name: to_json(getattr(value, f.name)) for f in fields(value) if f.init},
        }
    if isinstance(value, Mapping):
        return {str(k): to_json(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(v) for v in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise SpecError(
        f"got {type(value).__name__} in a recipe, expected numbers, strings, lists, tables, dataclasses or Parts"
    )


@dataclass(frozen=True)
class StandIn(Component):
    """Stands where a class may not or cannot be used here: keeps the JSON, so that nothing is lost, and the reason."""

    tree: Json
    reason: str


StandIns = Mapping[type, Callable[[Json, str], StandIn]]
"""By the kind of a part that is not always needed, what stands in for one that is not there: (its JSON, the reason)."""


def from_json(value: Json, allowed: Allowed, stand_ins: StandIns = MappingProxyType({})) -> Any:
    """The inverse of `to_json`. Only classes that `allowed` accepts are touched; lists become tuples.

    Raises SpecError for an unknown class, a class of a foreign kind, or an unknown field.
    """
    if isinstance(value, list):
        return tuple(from_json(v, allowed, stand_ins) for v in value)
    if not isinstance(value, dict):
        return value
    if "class" not in value:
        return {k: from_json(v, allowed, stand_ins) for k, v in value.items()}
    cls = resolve_class(value["class"], allowed)
    whole = bool(value.get("part"))
    if not whole and not is_dataclass(cls):
        raise SpecError(f'the recipe names {dotted(cls)!r} as a value, expected a part of it; add "part": true')
    kinds = {name: parameter.annotation for name, parameter in _parameters(cls).items()}
    given = {k: v for k, v in value.items() if k not in ("class", "part")}
    options = {k: _option(v, stand_ins.get(kinds.get(k, Any)), allowed, stand_ins) for k, v in given.items()}
    _check_options(cls, options)
    try:
        return Part(cls, **options) if whole else cls(**options)
    except UserError:
        raise
    except (TypeError, ValueError) as error:
        raise SpecError(f"cannot make {cls.__name__} of {sorted(options)}: {error}") from error


def _option(value: Json, stand_in: Callable[[Json, str], StandIn] | None, allowed: Allowed, others: StandIns) -> Any:
    """The value of an option, or what stands in for a class that may not be used here."""
    try:
        return from_json(value, allowed, others)
    except ForeignClass as error:
        if stand_in is None:
            raise
        return stand_in(value, str(error))


Swap = Callable[[str, Json, Json], Json]
"""What a value for a key becomes, given what stood there: (whole key, old value, new value)."""


def override(tree: Json, settings: Iterable[str], swap: Swap = lambda key, old, new: new) -> Json:
    """A copy of a JSON tree with "a.b.c=value" applied; values are JSON, else numbers such as 1e-3, else text.

    List items are chosen by index or by their `name` field. A field that holds nothing, but could hold one class of
    ours, is filled with that class as by default before a field of it is set. Raises SpecError with a suggestion for a
    key that is neither in the tree nor an option of the class at that place.
    """
    tree = json.loads(json.dumps(tree))
    for setting in settings:
        path, equals, text = setting.partition("=")
        if not equals:
            raise SpecError(f"got {setting!r}, expected key=value, such as optim.lr=1e-3")
        *parents, last = path.strip().split(".")
        node, so_far = tree, ""
        for key in parents:
            place = _key(node, key, so_far)
            node[place] = node[place] if node[place] is not None else _begun(node, place)
            node = node[place]
            so_far = f"{so_far}.{key}" if so_far else key
        place = _key(node, last, so_far, new=True)
        old = node.get(place) if isinstance(node, dict) else node[place]
        value = _value(text.strip())
        if old is None and isinstance(value, dict) and "class" not in value:
            value = {**(_begun(node, place) or {}), **value}
        node[place] = swap(path.strip(), old, value)
    return tree


def _begun(node: Json, key: Any) -> Json:
    """For a field that holds nothing, but may hold one class of ours: that class as by default; else None."""
    if not isinstance(node, dict) or "class" not in node:
        return None
    wanted = _parameters(resolve_class(node["class"], lambda _: True))[key].annotation
    kinds = [kind for kind in get_args(wanted) if is_dataclass(kind)]
    return {"class": dotted(kinds[0])} if len(kinds) == 1 and isinstance(kinds[0], type) else None


def _key(node: Json, key: str, where: str, new: bool = False) -> Any:
    place = f"key in {where!r}" if where else "key of the recipe"
    if isinstance(node, list):
        names = {item["name"]: i for i, item in enumerate(node) if isinstance(item, dict) and "name" in item}
        if key in names:
            return names[key]
        if key.isdigit() and int(key) < len(node):
            return int(key)
        raise SpecError(unknown(key, [*names, *map(str, range(len(node)))], place))
    if not isinstance(node, dict):
        raise SpecError(f"{where!r} holds {node!r}, which has no {key!r} inside")
    if key in node or (new and "class" not in node):
        return key
    known = set(node) - {"class", "part"}
    if new and "class" in node:
        known |= set(_parameters(resolve_class(node["class"], lambda _: True)))
    if key not in known:
        raise SpecError(unknown(key, known, place))
    return key


def _value(text: str) -> Json:
    if text.lstrip("-+").isdecimal() or text[:1] in ("[", "{", '"'):
        try:
            return parse_json(text)
        except BrokenJson as error:
            if len(text) > LONG_VALUE:
                raise SpecError(f"got a value of {len(text)} characters: {error}; correct it") from error
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return float(text)
    except ValueError:
        return {"none": None, "true": True, "false": False}.get(text.lower(), text)


def flatten(tree: Json, prefix: str = "") -> dict[str, Json]:
    """Every value of a JSON tree by the key that `override` would take."""
    if isinstance(tree, dict):
        return {k2: v2 for k, v in tree.items() for k2, v2 in flatten(v, f"{prefix}.{k}" if prefix else k).items()}
    if isinstance(tree, list) and any(isinstance(v, dict | list) for v in tree):
        names = [v.get("name", str(i)) if isinstance(v, dict) else str(i) for i, v in enumerate(tree)]
        return {k: v for n, item in zip(names, tree, strict=True) for k, v in flatten(item, f"{prefix}.{n}").items()}
    return {prefix: tree}
