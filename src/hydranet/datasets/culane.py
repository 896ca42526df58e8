"""CULane: lane lines of crowded streets and highways, 1640x590."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from hydranet.annotations import Annotation, Polylines
from hydranet.core.ledger import Ledger
from hydranet.core.sample import DataError, Sample
from hydranet.io.box_rows import numbers, once, quoted
from hydranet.io.class_map import IdCoding, read_class_map
from hydranet.io.files import FileDataset, check_names, in_ranges, read_lines, with_labels
from hydranet.io.images import read_image
from hydranet.io.line_rows import line_of, polylines
from hydranet.io.missing_file import named_by
from hydranet.io.paths import OutsideFolder, inside

LABELS = ("lanes", "lane_mask")
MASKS = ("no line", "left of the left", "left", "right", "right of the right")
"""Ids of the masks: the four lines around the own lane, by place."""
PLACES, MIRROR = MASKS[1:], (3, 2, 1, 0)
"""The places as classes of lines, and the place of each in a mirror image."""


@dataclass(frozen=True)
class CuLane(FileDataset):
    """CULane: `lanes`, curves from NAME.lines.txt, and `lane_mask`, ids 0..4 from laneseg_label_w16.

    root:   holds the folders of the drives, laneseg_label_w16 and list.
    listed: file of the images, relative to root; the first word of a line is the image. Official: list/train_gt.txt,
            list/val_gt.txt, list/test.txt.
    frames: places in that list, such as "0-59"; "" = all.
    labels: which to read.

    Lines by place: `LinesFromMasks(CuLane(..., labels=("lane_mask",)), keep_classes=True, mirror=MIRROR)` for a task
    `Lanes("lanes", PLACES, mirror=MIRROR, lines_per_class=1)`. A head of pixels (`Semantic`) on `lane_mask` must be
    trained without flips: a mirror image has other places.

    Lines run near to far and may begin outside the image, as annotated. Pan et al.: Spatial As Deep, AAAI 2018. For
    research only.
    """

    listed: str = "list/train_gt.txt"
    frames: str = ""
    labels: tuple[str, ...] = ("lanes",)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_names(self.labels, LABELS, "label of CuLane")

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        return {"lane_mask": MASKS} if "lane_mask" in self.labels else {}

    @cached_property
    def _listing(self) -> tuple[list[Path], Ledger]:
        file = self.folder / self.listed
        names = [line.split()[0].lstrip("/") for _, line in read_lines(file)]
        if not names:
            raise DataError(f"{file} lists no image; check the root and the list")
        once(names, "image", str(file))
        chosen = in_ranges(self.frames, range(len(names))) if self.frames else range(len(names))
        try:
            images = [inside(self.folder, names[i], follow_links=True) for i in chosen]
        except OutsideFolder as error:
            raise DataError(f"{file}: {error}") from error
        if "lanes" not in self.labels:
            return images, Ledger()
        try:
            return with_labels(images, _lines_of, self.folder, self.on_error)
        except DataError as error:
            raise DataError(f"{file}: {error}") from error

    def ledger(self) -> Ledger:
        return super().ledger() + self._listing[1]

    def __len__(self) -> int:
        return len(self._listing[0])

    def __getitem__(self, index: int) -> Sample:
        path = self._listing[0][index]
        name = path.relative_to(self.folder)
        if not path.is_file():
            file = self.folder / self.listed
            raise DataError(f"{file} lists {quoted(name.as_posix())}, which is missing; restore it or correct the list")
        image = read_image(path)
        labels = dict[str, Annotation]()
        with named_by(self.folder / self.listed):
            if "lanes" in self.labels:
                labels["lanes"] = read_culane_lines(_lines_of(path))
            if "lane_mask" in self.labels:
                mask = self.folder / "laneseg_label_w16" / name.with_suffix(".png")
                labels["lane_mask"] = read_class_map(mask, IdCoding(MASKS), image.extent)
        return Sample(image.rgb, labels, key=name.as_posix())


def _lines_of(path: Path) -> Path:
    return path.with_suffix(".lines.txt")


def read_culane_lines(path: Path) -> Polylines:
    """The lines of one image: a line of text each, x y x y ...; an empty file: somebody looked, there is none.

    Raises DataError, naming file and line, for what is none.
    """
    return polylines(
        [
            line_of(numbers(row.split(), f"{path}, line {i}"), f"{path}, line {i}: {quoted(row)}")
            for i, row in read_lines(path)
        ]
    )
