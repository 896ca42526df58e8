"""COCO's JSON, recognized."""

import re
from collections.abc import Iterator
from pathlib import Path

from hydranet.core.dataset import Dataset
from hydranet.core.sample import DataError
from hydranet.data.official_layouts import keypoints
from hydranet.data.recognition.folder import (
    Answers,
    Folder,
    Recognized,
    has_keys,
)
from hydranet.datasets.coco import Coco
from hydranet.io.box_rows import OnError
from hydranet.io.files import read_json
from hydranet.io.images import IMAGES


def recognized(folder: Folder, answers: Answers) -> Iterator[Recognized]:
    """JSON files with the three tables of COCO; several are splits, named by their files."""
    files = [path for path in folder.of(".json") if has_keys(path, ("images", "annotations", "categories"))]
    sets = {path: one for path in files if (one := _coco_of(path, folder)) is not None}
    held_out = [path for path in sets if re.search(r"val|test|dev", path.stem.lower())]
    training = [path for path in sets if path not in held_out]
    for path in training or held_out:
        same = [one for one in held_out if one != path and "val" in one.stem.lower()] if training else []
        own = sets[same[0]] if len(training) == 1 and same else None
        split = f", validation {same[0].name}" if own else ""
        what = "" if isinstance(sets[path], Coco) else ", with key points"
        yield Recognized(folder.name, sets[path], f"{path.name} has the tables of COCO{what}{split}", own)


def _coco_of(path: Path, folder: Folder) -> Dataset | None:
    tree = read_json(path)
    boxes = [one for one in tree["annotations"] if isinstance(one, dict) and isinstance(one.get("bbox"), list)]
    names = [
        one["file_name"] for one in tree["images"] if isinstance(one, dict) and isinstance(one.get("file_name"), str)
    ]
    if not boxes or not names:
        return None
    wanted = names[0].replace("\\", "/").lstrip("/")
    for image in folder.of(*IMAGES):
        relative = image.relative_to(folder.root).as_posix()
        if relative == wanted or relative.endswith(f"/{wanted}"):
            images = relative.removesuffix(wanted).strip("/") or "."
            missing = sum(not (folder.root / images / name).is_file() for name in names)
            error: OnError = "skip" if missing else "refuse"
            name = path.relative_to(folder.root).as_posix()
            return keypoints(folder.root, name, images, tree, error) or Coco(
                str(folder.root), name, images, on_error=error
            )
    raise DataError(
        f"{path} lists images such as {wanted[:80]!r}, which are not in {folder.root}; give the folder of both"
    )
