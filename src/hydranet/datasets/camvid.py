"""CamVid: road scenes with a class for every pixel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from hydranet.core.ledger import Ledger
from hydranet.core.sample import Sample
from hydranet.io.class_map import IdCoding, Values, read_class_map
from hydranet.io.files import FileDataset, with_labels, without_image
from hydranet.io.images import read_image
from hydranet.io.listing import Listing, as_written, check_stems, listing

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

    root:   holds train, trainannot, val, valannot (and test, testannot).
    split:  "train", "val" or "test".
    values: {stored value: class name, or None for unknown}, where the masks hold something else than ids.

    Brostow, Fauqueur, Cipolla: Semantic Object Classes in Video, 2009. For research.
    """

    split: str = "train"
    values: Values = field(default_factory=dict)

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        return {"semantic": CLASSES}

    @cached_property
    def _coding(self) -> IdCoding:
        return IdCoding(CLASSES, (VOID,), self.values)

    @cached_property
    def _listing(self) -> Listing:
        files = listing(self.folder / self.split, "*")
        check_stems(files.images, self.folder)
        images, ledger = with_labels(files.images, self._mask_of, self.folder, self.on_error)
        masks = (self.folder / f"{self.split}annot").glob("*.png")
        ledger += without_image(self.folder, masks, {self._mask_of(path) for path in files.images})
        return Listing(tuple(images), files.ledger + ledger)

    @property
    def frames(self) -> tuple[Path, ...]:
        """The images of the split, by name."""
        return self._listing.images

    def ledger(self) -> Ledger:
        return super().ledger() + self._listing.ledger

    def _mask_of(self, path: Path) -> Path:
        return as_written(self.folder / f"{self.split}annot" / f"{path.stem}.png")

    def keys(self) -> Sequence[str]:
        return [path.relative_to(self.folder).as_posix() for path in self.frames]

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Sample:
        path = self.frames[index]
        image = read_image(path)
        label = read_class_map(self._mask_of(path), self._coding, image.extent)
        return Sample(image.rgb, {"semantic": label}, key=path.relative_to(self.folder).as_posix())
