"""Which data sets lie in a folder that nobody described, and why that is thought."""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from hydranet.core.dataset import Dataset
from hydranet.core.sample import DataError
from hydranet.data.folder_split import split_by_folders
from hydranet.data.list_split import split_by_lists
from hydranet.data.official_layouts import official
from hydranet.data.recognition import coco, labelme, maps, table, voc, yolo
from hydranet.data.recognition.folder import Answers, Folder, Recognized
from hydranet.data.table_split import split_by_table
from hydranet.datasets.together import Together
from hydranet.io.images import IMAGES
from hydranet.io.listing import walk

__all__ = ["Answers", "Recognized", "recognize"]

KINDS: Sequence[Callable[[Folder, Answers], Iterator[Recognized]]] = (
    coco.recognized,
    voc.recognized,
    labelme.recognized,
    yolo.recognized,
    table.recognized,
    maps.recognized,
)
"""One file of `recognition/` each, in the order in which sources are named."""


def recognize(root: Path, answers: Answers) -> list[Recognized]:
    """The data sets of a folder.

    Raises SpecError where something must be said that files do not show, with the option that says it; DataError for a
    folder in which nothing is recognized.
    """
    if not root.is_dir():
        raise DataError(f"no folder {root}; give the folder that holds images and labels")
    files: dict[str, list[Path]] = {}
    for path in walk(root):
        files.setdefault(path.suffix.lower(), []).append(path)
    word = re.sub(r"[^A-Za-z0-9_-]+", "_", root.resolve().name).strip("_-") or "data"
    folder = Folder(root, word if word[0].isalpha() else f"data_{word}", files)
    if not folder.of(*IMAGES):
        raise DataError(f"{root} holds no images ({' '.join(IMAGES)}); give the folder that does")
    if (layout := official(root)) is not None:
        return [Recognized(folder.name, layout[0], layout[2], layout[1])]
    parts = [part for kind in KINDS for part in kind(folder, answers)]
    if not parts:
        raise DataError(
            f"{root} holds {len(folder.of(*IMAGES))} images and no labels that are recognized: masks, depth maps, COCO "
            "JSON, YOLO or VOC files, labelme JSON, a table; labels of another form need a data set of your own "
            "(docs/howto.md)"
        )
    tables, images = folder.of(".csv", ".tsv", ".jsonl"), folder.of(*IMAGES)
    sources = _joined_by_images(folder, parts)
    sources = [split_by_table(part, tables, images, root, answers.columns) for part in sources]
    return [split_by_folders(split_by_lists(part, folder.of(".txt"), root)) for part in sources]


def _joined_by_images(folder: Folder, parts: Sequence[Recognized]) -> list[Recognized]:
    """Data sets of the same image files become one, so that an image goes through the network once."""
    groups: list[list[Recognized]] = []
    for part in parts:
        keys = set(part.dataset.keys())
        for group in groups:
            names = {name for one in group for name in _labels(one.dataset)}
            known = set(group[0].dataset.keys())
            apart = names & set(_labels(part.dataset))
            if (
                part.validation is None
                and group[0].validation is None
                and len(keys & known) * 2 > min(len(keys), len(known))
                and not apart
            ):
                group.append(part)
                break
        else:
            groups.append([part])
    whole: list[Recognized] = []
    for i, group in enumerate(groups):
        name = folder.name if len(groups) == 1 else f"{folder.name}_{i + 1}"
        dataset = group[0].dataset if len(group) == 1 else Together(tuple(one.dataset for one in group))
        whole.append(Recognized(name, dataset, "; ".join(one.why for one in group), group[0].validation))
    return whole


def _labels(dataset: Dataset) -> set[str]:
    """Names of the labels of a data set, by its first image."""
    return set(dataset.classes) | set(dataset[0].labels)
