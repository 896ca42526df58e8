"""IDD Lite: unstructured Indian roads with a class for every pixel."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from hydranet.core.ledger import Ledger
from hydranet.core.sample import Sample
from hydranet.io.class_map import IdCoding, Values, read_class_map
from hydranet.io.files import FileDataset, with_labels, without_image
from hydranet.io.images import read_image
from hydranet.io.listing import Listing, as_written, check_stems, listing

CLASSES = ("drivable", "non-drivable", "living things", "vehicles", "roadside objects", "far objects", "sky")
IMAGE_END, LABEL_END = "_image", "_label.png"


@dataclass(frozen=True)
class IddLite(FileDataset):
    """IDD Lite: 7 classes at 320x227.

    root:   holds leftImg8bit/SPLIT/*/NAME_image.jpg and gtFine/SPLIT/*/NAME_label.png (255 = unknown).
    split:  "train" or "val".
    values: {stored value: class name, or None for unknown}, where the masks hold something else than ids.

    Varma et al.: IDD, WACV 2019. For research.
    """

    split: str = "train"
    values: Values = field(default_factory=dict)

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        return {"semantic": CLASSES}

    @cached_property
    def _coding(self) -> IdCoding:
        return IdCoding(CLASSES, values=self.values)

    @cached_property
    def _listing(self) -> Listing:
        files = listing(self.folder / "leftImg8bit" / self.split, f"*/*{IMAGE_END}.*")
        check_stems(files.images, self.folder)
        images, ledger = with_labels(files.images, self._mask_of, self.folder, self.on_error)
        masks = (self.folder / "gtFine" / self.split).glob(f"*/*{LABEL_END}")
        ledger += without_image(self.folder, masks, {self._mask_of(path) for path in files.images})
        return Listing(tuple(images), files.ledger + ledger)

    @property
    def frames(self) -> tuple[Path, ...]:
        """The images of the split, drive by drive."""
        return self._listing.images

    def ledger(self) -> Ledger:
        return super().ledger() + self._listing.ledger

    def _mask_of(self, path: Path) -> Path:
        name = path.stem.removesuffix(IMAGE_END) + LABEL_END
        return as_written(self.folder / "gtFine" / self.split / path.parent.name / name)

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Sample:
        path = self.frames[index]
        image = read_image(path)
        label = read_class_map(self._mask_of(path), self._coding, image.extent)
        return Sample(image.rgb, {"semantic": label}, key=path.relative_to(self.folder).as_posix())
