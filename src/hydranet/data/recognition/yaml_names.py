"""Names of classes in the YAML file that YOLO's tools write, as a list or by id."""

import re
from pathlib import Path
from typing import Any

from hydranet.core.checks.names import check_classes
from hydranet.core.extras import needing
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.data.recognition.folder import Folder, text_of
from hydranet.io.box_rows import is_whole_number, quoted

LINE = re.compile(r"""^[\s{"']*names["']?\s*:""", re.MULTILINE)


def names_in_yaml(folder: Folder) -> dict[Path, tuple[str, ...]]:
    """`names` of the first YAML file that has them, in the order of ids; empty where none does. Raises DataError."""
    for path in folder.of(".yaml", ".yml"):
        names = names_of(text_of(path), str(path))
        if names:
            return {path: names}
    return {}


def names_of(text: str, where: str) -> tuple[str, ...]:
    """`names` of a YAML text in the order of ids: a list, or a table by id. Empty where it has none.

    Words are taken as they stand: no, on and 1.0 are names. Raises DataError for a table whose ids are not 0, 1, 2,
    ... in any order, each once, for names that are none, for another number of them than `nc` states, and for broken
    YAML that has `names`.
    """
    if "names" not in text:
        return ()
    with needing("a data set described in YAML"):
        import yaml
    try:
        tree = yaml.compose(text, yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        if not LINE.search(text):
            return ()  # somebody's other file
        raise DataError(f"{where} is no YAML: {' '.join(str(error).split())[:160]}; correct it") from error
    given = [value for key, value in _pairs(tree) if key.value == "names"]
    if not given:
        return ()
    if len(given) > 1:
        raise DataError(f"{where} has `names` {len(given)} times, expected once; remove the others")
    names = _list(given[0], where) if given[0].id == "sequence" else _table(given[0], where)
    try:
        check_classes(names, where)
    except SpecError as error:
        raise DataError(str(error)) from error
    for key, value in _pairs(tree):
        if key.value == "nc" and str(value.value).strip() != str(len(names)):
            raise DataError(f"{where} has {len(names)} `names` and nc: {quoted(value.value)}; correct one of them")
    return names


def _pairs(node: Any) -> list[tuple[Any, Any]]:
    """What a table of YAML holds; nothing for another node."""
    return list(node.value) if node is not None and node.id == "mapping" else []


def _list(node: Any, where: str) -> tuple[str, ...]:
    return tuple(_word(one, where) for one in node.value)


def _table(node: Any, where: str) -> tuple[str, ...]:
    by_id: list[tuple[int, str]] = []
    for key, value in _pairs(node):
        number = str(key.value).strip()
        if not is_whole_number(number):
            raise DataError(f"{where}: `names` has the key {quoted(key.value)}, expected an id such as 0; correct it")
        by_id.append((int(number), _word(value, where)))
    by_id.sort()
    ids = [number for number, _ in by_id]
    if ids != list(range(len(ids))):
        raise DataError(
            f"{where}: `names` has the ids {str(ids)[:60]}, expected 0, 1, 2, ..., each once; add the missing ones, or "
            "give --classes"
        )
    return tuple(name for _, name in by_id)


def _word(node: Any, where: str) -> str:
    if node.id != "scalar":
        raise DataError(f"{where}: `names` holds a list or a table inside, expected a word per class; correct it")
    return str(node.value).strip()
