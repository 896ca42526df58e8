"""YOLO's text files, recognized."""

import re
from collections.abc import Iterator

from hydranet.core.spec import SpecError
from hydranet.data.recognition.folder import (
    NAME_FILES,
    Answers,
    Folder,
    Recognized,
    ask_classes,
    lists_in,
    on_error_of,
    one_list,
    pairing_of,
    text_of,
)
from hydranet.data.recognition.yaml_names import names_in_yaml
from hydranet.datasets.yolo import Yolo
from hydranet.io.images import IMAGES

FEW = 40
"""Text files of a folder that are opened to see what they are."""

LINE = re.compile(r"\s*(\d{1,9})(?:\.0*)?(?:\s+[-+.\deE]+){4}\s*", re.ASCII)
"""A class and four numbers."""

OUTLINE = re.compile(r"\s*\d{1,9}(?:\s+[-+.\deE]+){6,}\s*", re.ASCII)
"""A class, and the corners of a polygon or the points of an instance."""


def _stated(folder: Folder) -> tuple[str, ...]:
    """Names of the classes in text files or YAML. Raises SpecError where these differ."""
    return one_list(folder, {**lists_in(folder), **names_in_yaml(folder)})


def recognized(folder: Folder, answers: Answers) -> Iterator[Recognized]:
    """Text files with a class and four numbers per line, called like images; others are lists and readmes."""
    images = {path.stem for path in folder.of(*IMAGES)}
    files = [path for path in folder.of(".txt") if path.name not in NAME_FILES and path.stem in images]
    opened = [
        line for path in files[:: max(1, len(files) // FEW)] for line in text_of(path).splitlines()[:5] if line.strip()
    ]
    if not opened or not all(LINE.fullmatch(line) or OUTLINE.fullmatch(line) for line in opened):
        return
    if not all(map(LINE.fullmatch, opened)):
        raise SpecError(
            f"{folder.root} holds text files with a class and more than four numbers per line (YOLO's outlines or "
            "points), which are not read; export boxes, masks or COCO JSON, or take them away"
        )
    rule = pairing_of(folder, files)
    if rule is None or rule.ending or not all(old.endswith("/") for old in rule.rename):
        return
    lines = (LINE.fullmatch(line) for path in files for line in text_of(path).splitlines())
    highest = max(int(line[1]) for line in lines if line)  # others are named when their image is read
    names = answers.names(folder.name) or _stated(folder)
    if 0 < len(names) <= highest:
        raise SpecError(
            f"YOLO's text files have ids up to {highest}, and {len(names)} classes named ({', '.join(names)[:80]}); "
            f"name the others, or give --classes {folder.name}=FILE.txt with a name per line"
        )
    if not names:
        ask_classes(folder, "YOLO's text files", highest + 1, f"ids up to {highest}")
    error = on_error_of(rule, folder)
    dataset = Yolo(str(folder.root), names, rule.images, rule.labels, rule.rename, on_error=error)
    yield Recognized(folder.name, dataset, f"{len(files)} text files with a class and four numbers per line (YOLO)")
