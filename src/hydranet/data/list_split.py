"""The split that text files called `train.txt` and `val.txt` state."""

from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from hydranet.core.errors import UserError
from hydranet.data.part_words import TEST, TRAIN, VALIDATION, held_out, state_a_split, unused
from hydranet.data.recognition.folder import Recognized
from hydranet.datasets.image_list import ImageList

ENOUGH = 0.5
"""Lists of a smaller share of the images are lists of something else."""


def split_by_lists(part: Recognized, files: Iterable[Path], root: Path) -> Recognized:
    """The data set with the split that lists beside it state for most of its images, or as it was.

    files: the text files of the folder. Lists of one split lie in one folder and are called by their part alone.
    """
    if part.validation is not None:
        return part
    lists: dict[Path, dict[str, Path]] = defaultdict(dict)
    for path in files:
        if path.stem.lower() in {*TRAIN, *VALIDATION, *TEST}:
            lists[path.parent][path.stem.lower()] = path
    for by_word in lists.values():
        words = set(by_word)
        if not state_a_split(words):
            continue
        first = next(word for word in TRAIN if word in words)
        with suppress(UserError):  # lists of other images
            one, other = (
                ImageList(part.dataset, by_word[word].relative_to(root).as_posix(), on_error="skip")
                for word in (first, held_out(words)[0])
            )
            apart = not {*one.chosen} & {*other.chosen}
            if apart and (len(one) + len(other)) >= ENOUGH * len(part.dataset):
                names = f"{by_word[first].name} {len(one)}, {by_word[held_out(words)[0]].name} {len(other)}"
                aside = unused(words, len(part.dataset) - len(one) - len(other))
                return replace(part, dataset=one, validation=other, why=f"{part.why}; lists split them: {names}{aside}")
    return part
