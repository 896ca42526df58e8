"""Boxes in Pascal VOC's XML files, one per image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from xml.etree import ElementTree

from hydranet.core.ledger import Ledger
from hydranet.core.sample import DataError, Sample
from hydranet.core.spec import SpecError
from hydranet.io.box_rows import BoxRow, OnError, boxes_inside, numbers, quoted, read_rows
from hydranet.io.files import FileDataset, ledger_of, read_text, with_labels, without_image
from hydranet.io.flags import flag
from hydranet.io.images import read_image
from hydranet.io.listing import Listing, as_written, check_stems, listing, walk
from hydranet.io.shares import refuse_shares, stated_sides
from hydranet.io.stated_size import fitted, stated_size

FROM_ONE = (-1, -1, 0, 0)
"""What is added to xmin, ymin, xmax and ymax: VOC counts pixels from 1 and includes the last."""


@dataclass(frozen=True)
class Voc(FileDataset):
    """Pascal VOC XML: boxes of the classes that you name; "difficult" objects are ignored.

    root:        the folder.
    names:       the classes, in the order of ids. Required.
    images:      folder of the images, relative to root; folders inside count.
    annotations: folder of the XML files, relative to root; every image has one with its name, in the same folders.
                 Where its <size> is that of the stored, unturned image, or of a copy in another scale, boxes follow.

    VOC counts pixels from 1 and includes the last: xmin 1, xmax 640 is the whole width, our 0 to 640.
    Everingham et al.: The Pascal Visual Object Classes Challenge, IJCV 2010.
    """

    names: tuple[str, ...] = ()
    images: str = "JPEGImages"
    annotations: str = "Annotations"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.names:
            raise SpecError("Voc got no names; give the classes in the order of ids, such as names=('car', 'person')")

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
        objects = ledger_of(
            self.frames, lambda path: read_objects(self._labels_of(path), self.names, self.on_error).ledger
        )
        return super().ledger() + self._listing.ledger + self._spare() + objects

    def _spare(self) -> Ledger:
        """XML files with objects that belong to no image."""
        used = {self._labels_of(path) for path in listing(self.folder / self.images).images}
        place = self.folder / self.annotations
        files = (path for path in walk(place) if path.suffix.lower() == ".xml")
        return without_image(place, files, used, is_voc)

    def _labels_of(self, path: Path) -> Path:
        name = path.relative_to(self.folder / self.images).with_suffix(".xml")
        return as_written(self.folder / self.annotations / name)

    def keys(self) -> Sequence[str]:
        return [path.relative_to(self.folder).as_posix() for path in self.frames]

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Sample:
        path = self.frames[index]
        image = read_image(path)
        file = self._labels_of(path)
        objects = read_objects(file, self.names, self.on_error)
        rows = fitted(objects.rows, objects.stated, image.extent, str(file))
        boxes, ledger = boxes_inside(rows, image.extent.size, str(file.parent), self.on_error)
        return Sample(image.rgb, {"detection": boxes}, key=path.relative_to(self.folder).as_posix(), ledger=ledger)


@dataclass(frozen=True)
class VocObjects:
    """What an XML file holds: the boxes, the image's height and width where it states them, what was left out."""

    rows: list[BoxRow]
    stated: tuple[int, int] | None
    ledger: Ledger


def read_objects(path: Path, names: tuple[str, ...], on_error: OnError = "refuse") -> VocObjects:
    """The objects of one file. Raises DataError naming file and object."""
    text = read_text(path)
    try:
        tree = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError, LookupError, RecursionError) as error:
        raise DataError(f"broken XML in {path}: {error}; restore it") from error
    if tree.tag != "annotation":
        raise DataError(f"{path} holds <{quoted(tree.tag)[1:-1]}>, expected <annotation>; is it a Pascal VOC file?")
    rows, ledger = read_rows(
        enumerate(tree.iterfind("object"), start=1),
        lambda item: parse_object(item[1], names, f"{path}, object {item[0]}"),
        str(path.parent),
        on_error,
    )
    refuse_shares(stated_sides(rows, added=FROM_ONE), "a box")
    stated = stated_size(tree.findtext("size/height"), tree.findtext("size/width"), f"{path}: size")
    return VocObjects(rows, stated, ledger)


def is_voc(path: Path) -> bool:
    """Whether an XML file is one of Pascal VOC."""
    try:
        return "<annotation" in read_text(path)
    except DataError:
        return False


def parse_object(item: ElementTree.Element, names: tuple[str, ...], where: str) -> BoxRow:
    """One <object>. Raises DataError."""
    name = item.findtext("name", "").strip()
    if name not in names:
        expected = ", ".join(names)
        raise DataError(f"{where}: class {quoted(name)}, expected one of {expected[:150]}; correct it or Voc.names")
    if item.find("bndbox") is None:
        raise DataError(f"{where} has no bndbox, expected xmin, ymin, xmax, ymax; correct or remove it")
    words = [item.findtext(f"bndbox/{side}", "nothing") for side in ("xmin", "ymin", "xmax", "ymax")]
    left, top, right, bottom = (side + more for side, more in zip(numbers(words, where), FROM_ONE, strict=True))
    difficult = flag(item.findtext("difficult"), f"{where}: difficult")
    return BoxRow(where, (left, top, right, bottom), names.index(name), difficult)
