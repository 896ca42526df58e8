"""TuSimple's lane lines as masks, in the folders that LaneNet's code makes of the label files."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from hydranet.annotations import Annotation
from hydranet.core.ledger import Ledger
from hydranet.core.sample import DataError, Sample
from hydranet.io.class_map import IdCoding, read_class_map
from hydranet.io.files import FileDataset, check_names, with_labels
from hydranet.io.images import read_image
from hydranet.io.listing import Listing, check_stems, listing

BINARY = IdCoding(("no line", "line"), values={0: "no line", 255: "line"})
GRAYS = (20, 70, 120, 170, 220)
INSTANCES = IdCoding(
    ("no line", *(f"line {i}" for i in range(1, len(GRAYS) + 1))),
    values={0: "no line", **{gray: f"line {i}" for i, gray in enumerate(GRAYS, start=1)}},
)
FOLDERS = {"lane_mask": ("gt_binary_image", BINARY), "lane_instances": ("gt_instance_image", INSTANCES)}


@dataclass(frozen=True)
class TuSimpleMasks(FileDataset):
    """`lane_mask`, ids of no line and line; `lane_instances`, an id for each line of an image, of no other meaning.

    root:   holds image/NAME.jpg, gt_binary_image/NAME.png (0, 255) and gt_instance_image/NAME.png (0, then 20, 70, 120,
            170, 220: a line each).
    labels: which to read.

    `LinesFromMasks(TuSimpleMasks(root), mask="lane_instances")` has them as lines. The label files themselves:
    `TuSimple`. Neven et al.: LaneNet, arXiv 1802.05591. License Apache 2.0 (benchmark).
    """

    labels: tuple[str, ...] = tuple(FOLDERS)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_names(self.labels, FOLDERS, f"label of {type(self).__name__}")

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        return {name: FOLDERS[name][1].classes for name in self.labels}

    @cached_property
    def _listing(self) -> Listing:
        folder = self.folder / "image"
        if not folder.is_dir():
            raise DataError(f"no folder {folder}; expected image/NAME.jpg: check the root")
        files = listing(folder, "*")
        check_stems(files.images, folder)
        images, ledger = list(files.images), files.ledger
        for name in self.labels:
            mask_of = partial(self._mask_of, name)
            images, missing = with_labels(images, mask_of, self.folder, self.on_error)
            ledger += missing
        return Listing(tuple(images), ledger)

    def _mask_of(self, name: str, path: Path) -> Path:
        return self.folder / FOLDERS[name][0] / f"{path.stem}.png"

    def ledger(self) -> Ledger:
        return super().ledger() + self._listing.ledger

    def __len__(self) -> int:
        return len(self._listing.images)

    def __getitem__(self, index: int) -> Sample:
        path = self._listing.images[index]
        image = read_image(path)
        labels = dict[str, Annotation]()
        for name in self.labels:
            labels[name] = read_class_map(self._mask_of(name, path), FOLDERS[name][1], image.extent)
        return Sample(image.rgb, labels, key=path.relative_to(self.folder).as_posix())
