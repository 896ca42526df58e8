"""A class for every pixel, in image files of any folder: ids, palettes, or colors."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from hydranet.core.sample import Sample
from hydranet.core.spec import SpecError
from hydranet.io.class_map import IdCoding, Values, read_class_map
from hydranet.io.class_names import read_class_names
from hydranet.io.color_map import ColorCoding, Colors, read_color_map
from hydranet.io.images import read_image
from hydranet.io.pairs import PairedFiles

MASKS = (".png", ".bmp", ".tif", ".tiff", ".gif", ".pgm", ".ppm", ".webp", ".jpg", ".jpeg")


@dataclass(frozen=True)
class Masks(PairedFiles):
    """Class maps as images: ids in gray or palette PNG, 0 and 255, or a color per class.

    root, images, labels, rename, ending: which mask belongs to which image, see `io.pairs`.
    names:      the classes, in the order of ids. Or
    names_file: a text file with a name per line, relative to root.
    values:     {stored value: class name, or None for unknown}, where masks hold something else than ids, such as
                {0: "background", 255: "lane"}. Every other value is then an error.
    colors:     {"#804080" or "128 64 128": class name, or None for unknown}, where colors say the class; of a palette
                PNG, too, whose ids are used otherwise.
    void:       stored ids that mean unknown; 255 always does.
    label:      name of the label.
    """

    labels: str = "masks"
    names: tuple[str, ...] = ()
    names_file: str = ""
    values: Values = field(default_factory=dict)
    colors: Colors = field(default_factory=dict)
    void: tuple[int, ...] = ()
    label: str = "semantic"

    def __post_init__(self) -> None:
        super().__post_init__()
        if bool(self.names) == bool(self.names_file):
            given = "names and names_file" if self.names else "neither names nor names_file"
            raise SpecError(
                f"Masks got {given}, expected one of them; give names=('road', 'car', ...), in the order of ids"
            )
        if self.values and self.colors:
            raise SpecError("Masks got values and colors, expected one of them; leave one out")
        for id_ in self.void:
            if not 0 <= id_ <= 255:
                raise SpecError(f"Masks got void={self.void}, expected ids from 0 to 255; correct it")
        if self.names:
            self._coded(self.names)

    def _coded(self, names: tuple[str, ...]) -> IdCoding | ColorCoding:
        return ColorCoding(names, self.colors) if self.colors else IdCoding(names, self.void, self.values)

    def label_suffixes(self) -> tuple[str, ...]:
        return MASKS

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return self.names or read_class_names(self.folder / self.names_file)

    @cached_property
    def _coding(self) -> IdCoding | ColorCoding:
        return self._coded(self._names)

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        return {self.label: self._names}

    def __getitem__(self, index: int) -> Sample:
        path, file = self.frames[index], self.label_file(index)
        image = read_image(path)
        coding = self._coding
        if isinstance(coding, ColorCoding):
            label = read_color_map(file, coding, image.extent)
        else:
            label = read_class_map(file, coding, image.extent)
        return Sample(image.rgb, {self.label: label}, key=path.relative_to(self.folder).as_posix())
