"""Boxes in Pascal VOC's XML files, one per image."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from xml.etree import ElementTree

from hydranet.core.sample import DataError, Sample
from hydranet.core.spec import SpecError
from hydranet.io.box_rows import BoxRow, boxes_of, numbers
from hydranet.io.files import FileDataset, as_written, image_files, read_lines, read_rgb


@dataclass(frozen=True)
class Voc(FileDataset):
    """Pascal VOC XML: boxes of the classes that you name; "difficult" objects are ignored.

    root:        the folder.
    names:       the classes, in the order of ids. Required.
    images:      folder of the images, relative to root.
    annotations: folder of the XML files, relative to root; every image has one with its name.

    VOC counts pixels from 1 and includes the last: xmin 1, xmax 640 is the whole width, our 0 to 640.
    Everingham et al.: The Pascal Visual Object Classes Challenge, IJCV 2010.
    """

    names: tuple[str, ...] = ()
    images: str = "JPEGImages"
    annotations: str = "Annotations"

    def __post_init__(self) -> None:
        if not self.names:
            raise SpecError("Voc got no names; give the classes in the order of ids, such as names=('car', 'person')")

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
        rows = read_objects(as_written(self.folder / self.annotations / f"{path.stem}.xml"), self.names)
        key = path.relative_to(self.folder).as_posix()
        return Sample(image, {"detection": boxes_of(rows, image.shape[:2])}, key=key)


def read_objects(path: Path, names: tuple[str, ...]) -> list[BoxRow]:
    """The objects of one file. Raises DataError naming file and object."""
    try:
        tree = ElementTree.fromstring("\n".join(read_lines(path)))
    except ElementTree.ParseError as error:
        raise DataError(f"broken XML in {path}: {error}; restore it") from error
    if tree.tag != "annotation":
        raise DataError(f"{path} holds <{tree.tag}>, expected <annotation>; is it a Pascal VOC file?")
    rows = []
    for i, item in enumerate(tree.iterfind("object"), start=1):
        where = f"{path}, object {i}"
        name = item.findtext("name", "").strip()
        if name not in names:
            raise DataError(f"{where}: class {name!r}, expected one of {', '.join(names)}; correct it or Voc.names")
        if item.find("bndbox") is None:
            raise DataError(f"{where} has no bndbox, expected xmin, ymin, xmax, ymax; correct or remove it")
        words = [item.findtext(f"bndbox/{side}", "nothing") for side in ("xmin", "ymin", "xmax", "ymax")]
        left, top, right, bottom = numbers(words, where)
        difficult = item.findtext("difficult", "0").strip() == "1"
        rows.append(BoxRow(where, (left - 1, top - 1, right, bottom), names.index(name), difficult))
    return rows
