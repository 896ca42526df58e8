"""Which folder the images lie in that a label file names, where several folders hold images of these names."""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from hydranet.data.part_words import USUAL
from hydranet.data.recognition.folder import Folder
from hydranet.io.images import IMAGES

LEAST = 0.5
"""A folder with fewer of the images than this share of the most is none that a label file means."""


def image_folders(names: Iterable[str], labels: Path, folder: Folder) -> list[str]:
    """Folders, relative to the root, below which images have these names; the likeliest first, none for no match.

    names: paths of images as a label file has them, with or without suffix.    labels: that file.
    Parts of a data set often number their images alike: then the folder is meant whose path has most words in common
    with the label file's (val with instances_val.json), and of these the one that holds the most images.
    """
    wanted = {normal(name) for name in names}
    depths = {name.count("/") + 1 for name in wanted}
    counts: Counter[str] = Counter()
    for image in folder.of(*IMAGES):
        parts = image.relative_to(folder.root).parts
        for depth in depths:
            if depth <= len(parts) and {_end(parts, depth), _end((*parts[:-1], image.stem), depth)} & wanted:
                counts["/".join(parts[:-depth]) or "."] += 1
    most = max(counts.values(), default=0)
    own = words(labels.relative_to(folder.root).with_suffix("").as_posix())
    likely = [place for place, count in counts.items() if count >= LEAST * most]
    return sorted(likely, key=lambda place: (-len(own & words(place)), -counts[place]))


def normal(name: str) -> str:
    """A path as files have it: slashes, relative."""
    return name.replace("\\", "/").removeprefix("./").lstrip("/")


def words(path: str) -> set[str]:
    """The words and numbers of a path in small letters, "val" for each word that means that part, and so on."""
    return {USUAL.get(word, word) for word in re.findall(r"[a-z]+|\d+", path.lower())}


def _end(parts: tuple[str, ...], depth: int) -> str:
    return "/".join(parts[-depth:])
