"""A recipe as the Python file that a person would write: what is as it is by default is left out."""

import builtins
import json
import keyword
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from typing import Any

from hydranet.config.recipe import Recipe
from hydranet.core.dataset import Dataset
from hydranet.core.errors import SpecError
from hydranet.core.spec import Part, StandIn, to_json

WIDTH = 110
INDENT = "    "


@dataclass
class _Text:
    """What is being written. names: variables for data sets that occur twice, by their JSON."""

    imports: dict[str, set[str]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def named(self, cls: type) -> str:
        """The class's name, imported."""
        self.imports.setdefault(cls.__module__, set()).add(cls.__qualname__.partition(".")[0])
        return cls.__qualname__

    def value(self, value: Any, depth: int, comments: Mapping[str, str] | None = None) -> str:
        """A value as an expression; where it is too long for a line, one part per line. comments: by field."""
        if isinstance(value, StandIn):
            raise SpecError(f"this recipe cannot be written: {value.reason}")
        if isinstance(value, Dataset) and (name := self.names.get(_identity(value))):
            return name
        if isinstance(value, Part):
            inner = [(None, self.named(value.cls)), *value.options.items()]
            return self._call(self.named(Part), inner, depth, comments)
        if is_dataclass(value) and not isinstance(value, type):
            return self._call(self.named(type(value)), list(_changed(value)), depth, comments)
        if isinstance(value, Mapping):
            items = [f"{self.value(k, depth)}: {self.value(v, depth + 1)}" for k, v in value.items()]
            return self._wrapped("{", items, "}", depth)
        if isinstance(value, list | tuple):
            items = [self.value(one, depth + 1) for one in value]
            if len(items) == 1:
                return f"({items[0]},)"
            return self._wrapped("(", items, ")", depth)
        return _number(value) if isinstance(value, float) else _quoted(value) if isinstance(value, str) else repr(value)

    def _call(
        self, name: str, options: Sequence[tuple[str | None, Any]], depth: int, comments: Mapping[str, str] | None
    ) -> str:
        items = []
        for key, one in options:
            text = one if key is None else self.value(one, depth + 1)
            items.append(text if not key or key.startswith("*") else f"{key}={text}")
        if comments:
            notes = [comments.get((key or "").lstrip("*"), "") for key, _ in options]
            return self._lines(f"{name}(", items, ")", depth, notes)
        return self._wrapped(f"{name}(", items, ")", depth)

    def _wrapped(self, begin: str, items: Sequence[str], end: str, depth: int) -> str:
        line = f"{begin}{', '.join(items)}{end}"
        if len(line) + depth * len(INDENT) <= WIDTH and "\n" not in line:
            return line
        return self._lines(begin, items, end, depth, [""] * len(items))

    @staticmethod
    def _lines(begin: str, items: Sequence[str], end: str, depth: int, notes: Sequence[str]) -> str:
        inner, lines = INDENT * (depth + 1), [begin]
        for item, note in zip(items, notes, strict=True):
            short = note and "\n" not in item and len(inner) + len(item) + len(note) + 4 <= WIDTH
            if note and not short:
                lines.append(f"{inner}# {note}")
            lines.append(f"{inner}{item},{f'  # {note}' if short else ''}")
        return "\n".join([*lines, INDENT * depth + end])


def to_python(recipe: Recipe, about: str = "", comments: Mapping[str, str] | None = None) -> str:
    """The text of a Python file with one function that returns the recipe, named as the recipe is.

    about: the docstring of the file.    comments: by field of the recipe, a remark that is put beside it.
    Raises SpecError for parts that are not at hand.
    """
    text = _Text()
    variables = []
    for name, dataset in _repeated(recipe):
        variables.append(f"{INDENT}{name} = {text.value(dataset, 1)}")
        text.names[_identity(dataset)] = name
    body = text.value(recipe, 1, comments or {})
    function = _word(recipe.name, "recipe")
    imports = [f"from {module} import {', '.join(sorted(names))}" for module, names in sorted(text.imports.items())]
    about = about or f"The recipe {recipe.name}."
    return "\n".join(
        [
            f'"""{about}"""',
            "",
            *(line for line in imports if not line.startswith("from builtins")),
            "",
            "",
            f"def {function}() -> Recipe:",
            *variables,
            f"{INDENT}return {body}",
            "",
        ]
    )


def _word(name: str, what: str) -> str:
    """A name of the recipe as one of Python: "drive-1" as drive_1; "range", which Python has, as range_data."""
    word = re.sub(r"\W", "_", name)
    return f"{word}_{what}" if keyword.iskeyword(word) or word in vars(builtins) else word


def _repeated(recipe: Recipe) -> list[tuple[str, Dataset]]:
    """Data sets that occur several times inside sources, and a name for each."""
    occurring = [
        (source.name, inner)
        for source in (*recipe.data, *recipe.validation)
        for inner in _inside(source.dataset)
        if not isinstance(inner, StandIn)
    ]
    count = Counter(_identity(dataset) for _, dataset in occurring)
    chosen: dict[str, tuple[str, Dataset]] = {}
    for name, dataset in occurring:
        if count[_identity(dataset)] > 1 and _identity(dataset) not in chosen:
            word = _word(name.lower(), "data")
            taken = {one for one, _ in chosen.values()}
            chosen[_identity(dataset)] = (word if word not in taken else f"{word}_{len(taken)}", dataset)
    return list(chosen.values())


def _inside(dataset: Dataset) -> Iterator[Dataset]:
    """The outermost data sets inside one that only chooses from them; else the data set itself."""
    inner = [value for one in fields(dataset) if isinstance(value := vars(dataset)[one.name], Dataset)]
    yield from inner or [dataset]


def _identity(value: Any) -> str:
    return json.dumps(to_json(value), sort_keys=True)


def _changed(value: Any) -> Iterator[tuple[str, Any]]:
    """Fields that are not as they are by default; the first ones without a default by position ("*name")."""
    by_position = True
    for one in fields(value):
        if not one.init:
            continue
        given = getattr(value, one.name)
        default = one.default_factory() if one.default_factory is not MISSING else one.default
        if default is not MISSING and default == given:
            by_position = False
            continue
        by_position &= default is MISSING and not one.kw_only and not isinstance(value, Recipe)
        yield (f"*{one.name}" if by_position else one.name), given


def _number(value: float) -> str:
    text = repr(value)
    inverse = round(1 / value) if value and abs(value) < 0.5 else 0
    return f"1 / {inverse}" if inverse > 1 and len(text) > 8 and 1 / inverse == value else text


def _quoted(text: str) -> str:
    return json.dumps(text) if text.isascii() and text.isprintable() else repr(text)
