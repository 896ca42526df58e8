"""CamVid: road scenes with a class for every pixel."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from hydranet.core.sample import Sample
from hydranet.io.files import FileDataset, as_written, image_files, read_class_map, read_rgb

CLASSES = (
    "sky",
    "building",
    "pole",
    "road",
    "pavement",
    "tree",
    "sign",
    "fence",
    "car",
    "pedestrian",
    "bicyclist",
)
VOID = len(CLASSES)


@dataclass(frozen=True)
class CamVid(FileDataset):
    """CamVid: 11 classes at 480x360 in the split of SegNet; id 11 is void (unknown).

    root:  holds train, trainannot, val, valannot (and test, testannot).
    split: "train", "val" or "test".

    Brostow, Fauqueur, Cipolla: Semantic Object Classes in Video, 2009. For research.
    """

    split: str = "train"

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        return {"semantic": CLASSES}

    @cached_property
    def frames(self) -> list[Path]:
        """The images of the split, by name."""
        return image_files(self.folder / self.split)

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Sample:
        path = self.frames[index]
        image = read_rgb(path)
        annotation = as_written(self.folder / f"{self.split}annot" / f"{path.stem}.png")
        label = read_class_map(annotation, len(CLASSES), void=(VOID,), size=image.shape[:2])
        return Sample(image, {"semantic": label}, key=path.relative_to(self.folder).as_posix())
