"""Images without labels."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from hydranet.core.sample import Sample
from hydranet.io.files import FileDataset, image_files, read_rgb


@dataclass(frozen=True)
class Folder(FileDataset):
    """The images of a folder and of the folders inside, by name, without labels; for teachers and predictions."""

    @cached_property
    def frames(self) -> list[Path]:
        """All files with an image suffix that are not hidden."""
        return image_files(self.folder, "**/*")

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Sample:
        path = self.frames[index]
        return Sample(read_rgb(path), key=path.relative_to(self.folder).as_posix())
