"""IDD Lite: unstructured Indian roads with a class for every pixel."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from hydranet.core.sample import Sample
from hydranet.io.files import FileDataset, as_written, image_files, read_class_map, read_rgb

CLASSES = ("drivable", "non-drivable", "living things", "vehicles", "roadside objects", "far objects", "sky")
IMAGE_END, LABEL_END = "_image", "_label.png"


@dataclass(frozen=True)
class IddLite(FileDataset):
    """IDD Lite: 7 classes at 320x227.

    root:  holds leftImg8bit/SPLIT/*/NAME_image.jpg and gtFine/SPLIT/*/NAME_label.png (255 = unknown).
    split: "train" or "val".

    Varma et al.: IDD, WACV 2019. For research.
    """

    split: str = "train"

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        return {"semantic": CLASSES}

    @cached_property
    def frames(self) -> list[Path]:
        """The images of the split, drive by drive."""
        return image_files(self.folder / "leftImg8bit" / self.split, f"*/*{IMAGE_END}.*")

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Sample:
        path = self.frames[index]
        image = read_rgb(path)
        name = path.stem.removesuffix(IMAGE_END) + LABEL_END
        annotation = as_written(self.folder / "gtFine" / self.split / path.parent.name / name)
        label = read_class_map(annotation, len(CLASSES), size=image.shape[:2])
        return Sample(image, {"semantic": label}, key=path.relative_to(self.folder).as_posix())
