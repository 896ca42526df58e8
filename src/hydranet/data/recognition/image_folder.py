"""Which folder the images lie in that a label file names, where several folders hold images of these names."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from hydranet.core.spec import SpecError
from hydranet.data.image_content import content_of
from hydranet.data.part_words import USUAL
from hydranet.data.recognition.folder import Folder
from hydranet.io.images import IMAGES

LEAST = 0.5
"""A folder with fewer of the images than this share of the most is none that a label file means."""


def image_folders(names: Iterable[str], labels: Path, folder: Folder) -> list[str]:
    """Folders, relative to the root, below which images have these names; the likeliest first, none for no match.

    names: paths of images as a label file has them, with or without suffix.    labels: that file.
    Parts of a data set often number their images alike: then the folder is meant whose path has most words in common
    with the label file's (val with instances_val.json), and of these the one that holds the most images. Masks are
    often called like their images: a folder of these is not meant where another one holds photographs.

    Raises SpecError where two folders hold the same names and nothing says which of them is meant.
    """
    wanted = {normal(name) for name in names}
    depths = {name.count("/") + 1 for name in wanted}
    held: dict[str, dict[str, Path]] = {}
    for image in folder.of(*IMAGES):
        parts = image.relative_to(folder.root).parts
        for depth in depths:
            if depth > len(parts):
                continue
            for name in {_end(parts, depth), _end((*parts[:-1], image.stem), depth)} & wanted:
                held.setdefault("/".join(parts[:-depth]) or ".", {})[name] = image
    most = max(map(len, held.values()), default=0)
    own = words(labels.relative_to(folder.root).with_suffix("").as_posix())
    likely = _photographs({place: images for place, images in held.items() if len(images) >= LEAST * most})
    keys = {place: (-len(own & words(place)), -len(images)) for place, images in likely.items()}
    places = sorted(keys, key=lambda place: keys[place])
    for other in places[1:]:
        if keys[other] == keys[places[0]] and likely[other].keys() == likely[places[0]].keys():
            raise SpecError(
                f"{labels} names images such as {min(likely[other])[:80]!r}, which lie in {places[0]} and in {other}; "
                f"write the folder into the names ({places[0]}/...), or give a folder with one of them alone"
            )
    return places


def also_in(places: Sequence[str]) -> str:
    """In words, which of several folders is meant: the first. Empty where there is one alone."""
    if len(places) < 2:
        return ""
    return f", images in {places[0]} (of these names there are some in {', '.join(places[1:4])}, too)"


def _photographs(held: Mapping[str, Mapping[str, Path]]) -> Mapping[str, Mapping[str, Path]]:
    """Folders without those of masks and other maps, unless there are no others. held: by folder, images by name."""
    if len(held) < 2:
        return held
    kept = {place: images for place, images in held.items() if content_of(list(images.values())).holds == "photographs"}
    return kept or held


def normal(name: str) -> str:
    """A path as files have it: slashes, relative."""
    return name.replace("\\", "/").removeprefix("./").lstrip("/")


def words(path: str) -> set[str]:
    """The words and numbers of a path in small letters, "val" for each word that means that part, and so on."""
    return {USUAL.get(word, word) for word in re.findall(r"[a-z]+|\d+", path.lower())}


def _end(parts: tuple[str, ...], depth: int) -> str:
    return "/".join(parts[-depth:])
