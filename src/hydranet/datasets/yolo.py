"""Boxes in the text files of YOLO, one per image."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from hydranet.core.sample import DataError, Sample
from hydranet.core.spec import SpecError
from hydranet.io.box_rows import BoxRow, boxes_of, numbers
from hydranet.io.files import FileDataset, as_written, image_files, read_lines, read_rgb


@dataclass(frozen=True)
class Yolo(FileDataset):
    """YOLO text files: boxes of the classes that you name.

    root:   the folder.
    names:  the classes, in the order of ids. Required.
    images: folder of the images, relative to root.
    labels: folder of the text files, relative to root. A line is "class x y width height", the center and size of a
            box as shares of the image. An empty file says that nothing is there; a missing one is an error.

    Redmon et al.: You Only Look Once, CVPR 2016 (the layout of its code, Darknet).
    """

    names: tuple[str, ...] = ()
    images: str = "images/train"
    labels: str = "labels/train"

    def __post_init__(self) -> None:
        if not self.names:
            raise SpecError("Yolo got no names; give the classes in the order of ids, such as names=('car', 'person')")

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        return {"detection": self.names}

    @cached_property
    def frames(self) -> list[Path]:
        """The images, by name."""
        return image_files(self.folder / self.images)

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Sample:
        path = self.frames[index]
        image = read_rgb(path)
        height, width = image.shape[:2]
        file = as_written(self.folder / self.labels / f"{path.stem}.txt")
        lines = enumerate(read_lines(file), start=1)
        rows = [parse_line(line, (width, height), len(self.names), f"{file}:{i}") for i, line in lines]
        key = path.relative_to(self.folder).as_posix()
        return Sample(image, {"detection": boxes_of(rows, (height, width))}, key=key)


def parse_line(line: str, size: tuple[int, int], classes: int, where: str) -> BoxRow:
    """One box of an image of `size` (width, height). Raises DataError naming the line."""
    values = numbers(line.split(), where)
    if len(values) != 5:
        raise DataError(f"{where}: {len(values)} numbers, expected class, x, y, width, height; correct it")
    if values[0] not in range(classes):
        raise DataError(f"{where}: class {line.split()[0]}, expected 0..{classes - 1}; correct it or Yolo.names")
    x, y, width, height = (value * side for value, side in zip(values[1:], size * 2, strict=True))
    return BoxRow(where, (x - width / 2, y - height / 2, x + width / 2, y + height / 2), int(values[0]))
