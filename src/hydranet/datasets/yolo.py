"""Boxes in the text files of YOLO, one per image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from hydranet.core.ledger import Ledger
from hydranet.core.sample import DataError, Sample
from hydranet.core.spec import SpecError
from hydranet.io.box_rows import BoxRow, boxes_inside, numbers, quoted, read_rows
from hydranet.io.files import FileDataset, ledger_of, read_lines, with_labels, without_image
from hydranet.io.images import read_rgb
from hydranet.io.listing import Listing, as_written, check_stems, listing, walk
from hydranet.io.pairs import label_stem
from hydranet.io.shares import SHARE_SLACK


@dataclass(frozen=True)
class Yolo(FileDataset):
    """YOLO text files: boxes of the classes that you name.

    root:   the folder.
    names:  the classes, in the order of ids. Required.
    images: folder of the images, relative to root; folders inside count.
    labels: folder of the text files, relative to root, with the same folders inside. A line is "class x y width
            height", the center and size of a box as shares of the upright image. An empty file says that nothing is
            there; a missing one is an error.
    rename: {part of an image's path: what stands there in the path of its text file}, both relative to the two folders:
            {"images/": "labels/"} with images="." and labels="." for train/images and train/labels.

    Redmon et al.: You Only Look Once, CVPR 2016 (the layout of its code, Darknet).
    """

    names: tuple[str, ...] = ()
    images: str = "images/train"
    labels: str = "labels/train"
    rename: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.names:
            raise SpecError("Yolo got no names; give the classes in the order of ids, such as names=('car', 'person')")

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        return {"detection": self.names}

    @cached_property
    def _listing(self) -> Listing:
        files = listing(self.folder / self.images)
        check_stems(files.images, self.folder)
        images, ledger = with_labels(files.images, self._labels_of, self.folder, self.on_error)
        return Listing(tuple(images), files.ledger + ledger)

    @property
    def frames(self) -> tuple[Path, ...]:
        """The images, by name."""
        return self._listing.images

    def ledger(self) -> Ledger:
        """What is left out of all files; reads every label file; a broken one is named when its image is read."""
        rows = ledger_of(self.frames, lambda path: self._rows(path)[1])
        return super().ledger() + self._listing.ledger + self._spare() + rows

    def _spare(self) -> Ledger:
        """Text files with boxes that belong to no image."""
        used = {self._labels_of(path) for path in listing(self.folder / self.images).images}
        place = self.folder / self.labels
        files = (path for path in walk(place) if path.suffix.lower() == ".txt")
        return without_image(place, files, used, holds_boxes)

    def _labels_of(self, path: Path) -> Path:
        stem = path.relative_to(self.folder / self.images).with_suffix("").as_posix()
        return as_written(self.folder / self.labels / f"{label_stem(stem, self.rename, '')}.txt")

    def _rows(self, path: Path) -> tuple[list[BoxRow], Ledger]:
        """The rows of an image, in shares of it."""
        file = self._labels_of(path)
        return read_rows(
            read_lines(file),
            lambda line: parse_line(line[1], len(self.names), f"{file}:{line[0]}"),
            str(self.folder / self.labels),
            self.on_error,
        )

    def keys(self) -> Sequence[str]:
        return [path.relative_to(self.folder).as_posix() for path in self.frames]

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Sample:
        path = self.frames[index]
        image = read_rgb(path)
        height, width = image.shape[:2]
        sides = (width, height, width, height)
        rows = [
            replace(row, xyxy=tuple(share * side for share, side in zip(row.xyxy, sides, strict=True)))
            for row in self._rows(path)[0]
        ]
        boxes, ledger = boxes_inside(rows, (height, width), str(self.folder / self.labels), self.on_error)
        return Sample(image, {"detection": boxes}, key=path.relative_to(self.folder).as_posix(), ledger=ledger)


def holds_boxes(path: Path) -> bool:
    """Whether a text file begins with a class and the four numbers of a box."""
    try:
        return any(len(numbers(line.split(), "")) == 5 for _, line in read_lines(path)[:1])
    except DataError:
        return False


def parse_line(line: str, classes: int, where: str) -> BoxRow:
    """One box, left top right bottom as shares of the image. Raises DataError naming the line."""
    values = numbers(line.split(), where)
    if len(values) != 5:
        raise DataError(f"{where}: {len(values)} numbers, expected class, x, y, width, height; correct it")
    if values[0] not in range(classes):
        word = quoted(line.split()[0]).strip("'")
        raise DataError(f"{where}: class {word}, expected 0..{classes - 1}; correct it or Yolo.names")
    x, y, width, height = values[1:]
    if max(width, height) > SHARE_SLACK:
        raise DataError(
            f"{where}: a box of {width:g} x {height:g} images, expected shares from 0 to 1; correct it "
            "(in pixels, divide by the image's size)"
        )
    return BoxRow(where, (x - width / 2, y - height / 2, x + width / 2, y + height / 2), int(values[0]))
