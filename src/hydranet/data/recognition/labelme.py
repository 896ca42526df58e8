"""labelme's JSON files, recognized."""

from collections.abc import Iterator
from typing import Any

from hydranet.data.recognition.folder import Answers, Folder, Recognized, has_keys, on_error_of, pairing_of
from hydranet.datasets.labelme import AS_BOXES, AS_LINES, Labelme
from hydranet.io.files import read_json


def recognized(folder: Folder, answers: Answers) -> Iterator[Recognized]:
    """JSON files with shapes, one per image."""
    files = [path for path in folder.of(".json") if has_keys(path, ("shapes",))]
    rule = pairing_of(folder, files)
    if rule is None:
        return
    shapes = [shape for path in files for shape in read_json(path)["shapes"] if isinstance(shape, dict)]
    kinds = {str(shape.get("shape_type")) for shape in shapes}
    names = answers.names(folder.name) or tuple(
        sorted({shape["label"] for shape in shapes if isinstance(shape.get("label"), str)})
    )
    read = dict(AS_BOXES if kinds & {"rectangle", "polygon", "circle"} else AS_LINES)
    options: dict[str, Any] = {"names": names, "read": read, "on_error": on_error_of(rule, folder)}
    dataset = Labelme(str(folder.root), images=rule.images, labels=rule.labels, **options)
    yield Recognized(folder.name, dataset, f"{len(files)} JSON files of labelme with {', '.join(sorted(kinds))}")
