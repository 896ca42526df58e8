"""Images without labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from hydranet.core.ledger import Ledger
from hydranet.core.sample import Sample
from hydranet.io.files import FileDataset
from hydranet.io.images import read_rgb
from hydranet.io.listing import Listing, listing


@dataclass(frozen=True)
class Folder(FileDataset):
    """The images of a folder and of the folders inside, also linked ones, in natural order (2 before 12).

    They have no labels; for teachers and predictions.
    """

    @cached_property
    def _listing(self) -> Listing:
        return listing(self.folder)

    @property
    def frames(self) -> tuple[Path, ...]:
        """All files with an image suffix that are not hidden."""
        return self._listing.images

    def ledger(self) -> Ledger:
        return super().ledger() + self._listing.ledger

    def keys(self) -> Sequence[str]:
        return [path.relative_to(self.folder).as_posix() for path in self.frames]

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Sample:
        path = self.frames[index]
        return Sample(read_rgb(path), key=path.relative_to(self.folder).as_posix())
