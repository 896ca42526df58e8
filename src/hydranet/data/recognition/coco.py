"""COCO's JSON, recognized."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hydranet.core.dataset import Dataset
from hydranet.core.sample import DataError
from hydranet.data.official_layouts import keypoints
from hydranet.data.recognition.folder import Answers, Folder, Recognized, has_keys
from hydranet.data.recognition.image_folder import also_in, image_folders, normal, words
from hydranet.datasets.coco import Coco
from hydranet.io.box_rows import OnError
from hydranet.io.files import read_json
from hydranet.io.images import IMAGES
from hydranet.io.path_groups import own_names

HELD_OUT = {"val", "test", "dev"}
"""Words for parts of a data set that no network learns from."""


def recognized(folder: Folder, answers: Answers) -> Iterator[Recognized]:
    """JSON files with the three tables of COCO; several are splits, named by their files or the folders of these."""
    files = [path for path in folder.of(".json") if has_keys(path, ("images", "annotations", "categories"))]
    sets = {path: one for path in files if (one := _coco_of(path, folder)) is not None}
    parts = dict(zip(sets, own_names([path.relative_to(folder.root).as_posix() for path in sets]), strict=True))
    held_out = [path for path in sets if _is_held_out(path, parts[path])]
    training = [path for path in sets if path not in held_out]
    val = [path for path in held_out if "val" in path.stem.lower() or words(parts[path]) & HELD_OUT == {"val"}]
    for path in training or held_out:
        own = val[0] if len(training) == 1 and val else None
        split = f", validation {_name(own, sets)}" if own else ""
        dataset, where = sets[path].dataset, sets[path].where
        unused = [_name(one, sets) for one in held_out if training and one != own]
        aside = f"; not used: {', '.join(unused)}" if unused and path == training[0] else ""
        what = "" if isinstance(dataset, Coco) else ", with key points"
        why = f"{_name(path, sets)} has the tables of COCO{what}{where}{split}{aside}{_unlisted(path, sets, folder)}"
        yield Recognized(folder.name, dataset, why, sets[own].dataset if own else None)


def _unlisted(path: Path, sets: Mapping[Path, "_Set"], folder: Folder) -> str:
    """How many images lie in the folders of those that a file lists, and are in no file themselves."""
    listed = {image for its in sets.values() for image in its.images}
    places = {image.parent for image in sets[path].images}
    others = [one for one in folder.of(*IMAGES) if one.parent in places and one not in listed]
    if not others:
        return ""
    count = "1 image beside them is" if len(others) == 1 else f"{len(others)} images beside them are"
    return f"; {count} in no such file, as {others[0].relative_to(folder.root).as_posix()}"


def _is_held_out(path: Path, part: str) -> bool:
    """Whether a file's name, or what tells its path from those of the others, says that nothing learns from it."""
    return bool(re.search("|".join(HELD_OUT), path.stem.lower()) or words(part) & HELD_OUT)


def _name(path: Path, beside: Iterable[Path]) -> str:
    """A file's name; with its folder's where another one is called like it."""
    again = sum(one.name == path.name for one in beside) > 1
    return f"{path.parent.name}/{path.name}" if again else path.name


@dataclass(frozen=True)
class _Set:
    """What a file describes. where: in words, which of several folders its images lie in.    images: that it lists."""

    dataset: Dataset
    where: str
    images: frozenset[Path]


def _coco_of(path: Path, folder: Folder) -> _Set | None:
    """The data set of a file; None without boxes."""
    tree = read_json(path)
    boxes = [one for one in tree["annotations"] if isinstance(one, dict) and isinstance(one.get("bbox"), list)]
    names = [
        one["file_name"] for one in tree["images"] if isinstance(one, dict) and isinstance(one.get("file_name"), str)
    ]
    if not boxes or not names:
        return None
    places = image_folders(names, path, folder)
    if not places:
        raise DataError(
            f"{path} lists images such as {normal(names[0])[:80]!r}, which are not in {folder.root}; give the folder "
            "of both"
        )
    images = places[0]
    missing = sum(not (folder.root / images / normal(name)).is_file() for name in names)
    error: OnError = "skip" if missing else "refuse"
    name = path.relative_to(folder.root).as_posix()
    dataset = keypoints(folder.root, name, images, tree, error) or Coco(str(folder.root), name, images, on_error=error)
    place = folder.root / images
    return _Set(dataset, also_in(places), frozenset(place / normal(name) for name in names))
