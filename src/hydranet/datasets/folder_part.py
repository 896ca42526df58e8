"""The images of a data set that lie in folders of a name: an official split into `train` and `val`."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from hydranet.core.dataset import Dataset
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.core.wrapper import Selection
from hydranet.io.box_rows import quoted


@dataclass(frozen=True)
class FolderPart(Selection):
    """A part of a data set, as the folders of its images state it.

    dataset: the whole data set.
    folders: names, such as ("train",): images with one of these folders in their path are chosen; upper and lower case
             are alike.
    """

    dataset: Dataset
    folders: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.folders:
            raise SpecError("FolderPart got no folders, expected names; give folders=('train',)")

    @cached_property
    def chosen(self) -> Sequence[int]:
        """Positions in the whole data set. Raises DataError where no image lies in such a folder."""
        wanted = {name.lower() for name in self.folders}
        chosen = [i for i, key in enumerate(self.dataset.keys()) if wanted & {*folders_of(key)}]
        if not chosen:
            raise DataError(
                f"none of the {len(self.dataset)} images lies in a folder {' or '.join(map(quoted, self.folders))}; "
                "check the names"
            )
        return chosen


def folders_of(key: str) -> tuple[str, ...]:
    """The folders of an image's path from the top, in lower case."""
    return tuple(name.lower() for name in PurePosixPath(key).parent.parts)
