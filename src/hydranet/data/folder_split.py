"""The split that folders called `train` and `val` state."""

from dataclasses import replace

from hydranet.data.part_words import TRAIN, held_out, state_a_split, unused
from hydranet.data.recognition.folder import Recognized
from hydranet.datasets.folder_part import FolderPart, folders_of


def split_by_folders(part: Recognized) -> Recognized:
    """The data set with the split that its folders state for all of its images, or as it was."""
    if part.validation is not None:
        return part
    keys = part.dataset.keys()
    paths = [folders_of(key) for key in keys]
    for depth in range(min(map(len, paths), default=0)):
        words = {path[depth] for path in paths}
        if state_a_split(words):
            others = {word for path in paths for place, word in enumerate(path) if place != depth}
            if words & others:  # such as val/train/: nobody knows which counts
                return part
            one, other = (
                FolderPart(part.dataset, some)
                for some in (tuple(word for word in TRAIN if word in words), held_out(words))
            )
            aside = unused(words, len(paths) - len(one) - len(other))
            why = f"{part.why}; folders split them: {'/'.join(one.folders)} {len(one)}, {'/'.join(other.folders)} "
            return replace(part, dataset=one, validation=other, why=f"{why}{len(other)}{aside}")
    return part
