"""YOLO's text files, recognized."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress

from hydranet.data.recognition.folder import (
    NAME_FILES,
    Answers,
    Folder,
    Recognized,
    ask_classes,
    names_in,
    on_error_of,
    pairing_of,
    text_of,
)
from hydranet.datasets.yolo import Yolo

FEW = 40
"""Text files of a folder that are opened to see what they are."""


def recognized(folder: Folder, answers: Answers) -> Iterator[Recognized]:
    """Text files with a class and four numbers per line."""
    files = [path for path in folder.of(".txt") if path.name not in NAME_FILES]
    opened = [
        line for path in files[:: max(1, len(files) // FEW)] for line in text_of(path).splitlines()[:5] if line.strip()
    ]
    number = r"\s+[-+.\deE]+"
    if not opened or not all(re.fullmatch(rf"\s*\d+(?:\.0*)?{number * 4}\s*", line) for line in opened):
        return
    rule = pairing_of(folder, files)
    if rule is None or rule.rename or rule.ending:
        return
    highest = max(int(float(line.split()[0])) for path in files for line in text_of(path).splitlines() if line.strip())
    names = answers.names(folder.name) or names_in(folder) or _names_in_yaml(folder)
    if len(names) <= highest:
        ask_classes(folder, "YOLO's text files", highest + 1, f"ids up to {highest}")
    dataset = Yolo(str(folder.root), names, rule.images, rule.labels, on_error=on_error_of(rule, folder))
    yield Recognized(folder.name, dataset, f"{len(files)} text files with a class and four numbers per line (YOLO)")


def _names_in_yaml(folder: Folder) -> tuple[str, ...]:
    """`names` of the YAML file that YOLO's tools write: a list, or a table by id."""
    for path in folder.of(".yaml", ".yml"):
        text = text_of(path)
        inline = re.search(r"^names:\s*(\[.*?\])", text, re.MULTILINE | re.DOTALL)
        if inline:
            with suppress(ValueError):
                return tuple(map(str, json.loads(inline[1].replace("'", '"'))))
        block = re.search(r"^names:\s*\n((?:\s*(?:-|\d+:).*\n?)+)", text, re.MULTILINE)
        if block:
            lines = [re.sub(r"^\s*(?:-|\d+:)\s*", "", line).strip(" '\"") for line in block[1].splitlines()]
            return tuple(line for line in lines if line)
    return ()
