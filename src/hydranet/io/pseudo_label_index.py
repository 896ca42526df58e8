"""The index of a cache of pseudo-labels: who made them, how, and of which images."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from hydranet.annotations import Annotation
from hydranet.core.checks.names import check_names
from hydranet.core.checks.types import check_fields
from hydranet.core.errors import MALFORMED
from hydranet.core.sample import DataError
from hydranet.io.box_rows import is_number, quoted
from hydranet.io.files import read_json
from hydranet.io.paths import inside

INDEX = "index.json"
FORMAT = 1


@dataclass(frozen=True)
class Made:
    """How one label was made: its kind, class names, static fields, and the least confidence that was kept."""

    kind: str
    classes: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    confidence: float = 0.0


@dataclass(frozen=True)
class Entry:
    """One image: fingerprints (`io.fingerprint`), height and width, and a file for each label.

    camera: fx, fy, cx, cy in pixels of the image, where the teacher's answers depend on them; else nothing.
    """

    content: str
    look: str
    size: tuple[int, int]
    files: Mapping[str, str]
    camera: tuple[float, ...] = ()


@dataclass(frozen=True)
class Index:
    """What a cache holds.

    teacher: its name.    digest: SHA-256 of its file.    labels: by label, how it was made.
    trained_on: {name of the image: (content, look)} of the teacher's own training images; None = not taken.
    recipe:     of the teacher, as text: its data are looked up where `trained_on` is needed and was not taken.
    images:     by key of the image.
    """

    teacher: str
    digest: str
    labels: Mapping[str, Made]
    trained_on: Mapping[str, tuple[str, str]] | None = None
    images: Mapping[str, Entry] = field(default_factory=dict)
    size: tuple[int, int] = (0, 0)
    format: int = FORMAT
    recipe: str = ""

    @property
    def protocol(self) -> dict[str, Any]:
        """Everything that must agree for labels to stand in one cache."""
        protocol = {**asdict(self), "images": None, "trained_on": None, "recipe": ""}
        return dict(json.loads(json.dumps(protocol)))

    def to_json(self) -> str:
        """The index as text."""
        return json.dumps(asdict(self), indent=1)


def read_index(folder: Path) -> Index:
    """The index of a cache. Raises DataError where there is none or it is broken."""
    path = folder / INDEX
    if not path.is_file():
        raise DataError(f"no {INDEX} in {folder}: this is no cache of pseudo-labels; make one with `hydranet label`")
    tree = read_json(path)
    try:
        if tree["format"] > FORMAT:
            raise DataError(f"{path} has format {quoted(tree['format'])}, expected at most {FORMAT}; update hydranet")
        tree["labels"] = {name: _made(made, path) for name, made in tree["labels"].items()}
        check_names(tree["labels"], "label")
        tree["images"] = {key: _entry(entry, folder) for key, entry in tree["images"].items()}
        if tree["trained_on"] is not None:
            tree["trained_on"] = {key: _two_words(one) for key, one in tree["trained_on"].items()}
        index = Index(**{**tree, "size": _size(tree["size"])})
        for part in (index, *index.labels.values(), *index.images.values()):
            check_fields(part)
    except MALFORMED as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"{path} is no index of pseudo-labels ({quoted(str(error))}); label again into a new folder"
        ) from error
    return index


def _made(value: Mapping[str, Any], path: Path) -> Made:
    made = Made(**{**value, "classes": tuple(value["classes"])})
    if isinstance(made.metadata, dict):
        listed = {name: tuple(one) if isinstance(one, list) else one for name, one in made.metadata.items()}
        made = replace(made, metadata=listed)
    kinds = {kind.__name__: kind for kind in Annotation.KINDS}
    if made.kind not in kinds or not all(isinstance(name, str) for name in made.classes):
        raise DataError(
            f"{path} has a label of kind {quoted(made.kind)}, expected one of {', '.join(kinds)}; label again"
        )
    if not is_number(made.confidence) or not isinstance(made.metadata, dict):
        raise ValueError(f"confidence {quoted(made.confidence)}")
    if not set(made.metadata) <= set(kinds[made.kind].metadata()):
        raise ValueError(f"metadata {quoted(sorted(made.metadata))}")
    return made


def _entry(value: Mapping[str, Any], folder: Path) -> Entry:
    camera = tuple(value.get("camera", ()))  # caches of before do not say it
    entry = Entry(**{**value, "size": _size(value["size"]), "camera": camera})
    _two_words((entry.content, entry.look))
    for file in entry.files.values():
        inside(folder, file, follow_links=True)
    return entry


def _size(value: Any) -> tuple[int, int]:
    height, width = value
    if not all(isinstance(side, int) for side in value):
        raise TypeError(f"size {quoted(value)}")
    return height, width


def _two_words(value: Any) -> tuple[str, str]:
    content, look = value
    if not isinstance(content, str) or not isinstance(look, str):
        raise TypeError(f"fingerprint {quoted(value)}")
    return content, look
