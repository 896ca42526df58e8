"""A folder that nobody described, what its user states about it, and what every kind of file asks of it."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

from hydranet.core.dataset import Dataset
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.data.pairing import Pairing, pairing
from hydranet.io.class_names import read_class_colors, read_class_names
from hydranet.io.files import read_json, read_text
from hydranet.io.images import IMAGES
from hydranet.io.listing import natural
from hydranet.io.pairs import stem_of

NAME_FILES = (
    "classes.txt",
    "labels.txt",
    "names.txt",
    "label_names.txt",
    "class_names.txt",
    "obj.names",
    "_darknet.labels",
)
"""Files that list names of classes, by common names."""

COLOR_FILES = ("labelmap.txt", "label_colors.txt")
"""Files that say which color is which class, by common names."""

LARGEST_JSON = 400_000_000


@dataclass(frozen=True)
class Answers:
    """What nobody can see in files, as the user states it.

    classes: by name of a source ("" = of all), class names in the order of ids.
    values:  {stored value: class name, or "unknown"}.    colors: {"#rrggbb": class name, or "unknown"}.
    unit, scale: of stored distances, see `datasets.depth_maps`.
    columns: {column of a table: "tag", "number" or "skip"}.
    used:    what of it said something about a folder, filled while folders are recognized (`unused`).
    """

    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    colors: Mapping[str, str] = field(default_factory=dict)
    unit: str = ""
    scale: float = 1.0
    columns: Mapping[str, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set, compare=False)

    def names(self, source: str) -> tuple[str, ...]:
        """The names that are given for a source, which are used thereby."""
        self.used.add(f"--classes {source}=" if source in self.classes else "--classes ")
        return self.classes.get(source, self.classes.get("", ()))

    def unused(self) -> list[str]:
        """Options of `hydranet init` that were given and said nothing about any folder, as they begin."""
        given = [f"--classes {source}{'=' * bool(source)}" for source in self.classes]
        tables = {"--values": self.values, "--colors": self.colors, "--unit": self.unit}
        given += [option for option, value in tables.items() if value]
        given += [f"--column {column}=" for column in self.columns]
        return [option for option in given if option not in self.used]


@dataclass(frozen=True)
class Recognized:
    """A data set, and why it is taken for one. validation: its own split for it, where the folder has one."""

    name: str
    dataset: Dataset
    why: str
    validation: Dataset | None = None


@dataclass(frozen=True)
class Folder:
    """The files of a folder by suffix, in natural order."""

    root: Path
    name: str
    files: Mapping[str, Sequence[Path]]

    def of(self, *suffixes: str) -> list[Path]:
        """Files that end so."""
        return sorted((path for suffix in suffixes for path in self.files.get(suffix, ())), key=natural)


def has_keys(path: Path, keys: Sequence[str]) -> bool:
    """Whether a JSON file is an object with these keys; its beginning must name one of them."""
    if path.stat().st_size > LARGEST_JSON:
        return False
    with suppress(DataError, OSError):
        with path.open("rb") as stream:
            if not stream.read(200).lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"{"):
                return False
        tree: Any = read_json(path)
        return isinstance(tree, dict) and all(isinstance(tree.get(key), list) for key in keys)
    return False


def pairing_of(folder: Folder, files: Sequence[Path]) -> Pairing | None:
    """By which rule of paths these label files belong to images; None where by none."""
    if not files:
        return None
    images = [stem_of(path, folder.root) for path in folder.of(*IMAGES)]
    return pairing(images, [stem_of(path, folder.root) for path in files])


def stems_below(stems: Sequence[str], folder: str) -> list[str]:
    """Paths without suffix that lie below a folder; "." = all."""
    return list(stems) if folder == "." else [stem for stem in stems if stem.startswith(f"{folder}/")]


def on_error_of(rule: Pairing, folder: Folder) -> Any:
    """What the data set does about images without a label: leave them out, if there are any."""
    images = [stem_of(path, folder.root) for path in folder.of(*IMAGES)]
    return "skip" if rule.matched < len(stems_below(images, rule.images)) else "refuse"


def names_in(folder: Folder) -> tuple[str, ...]:
    """Names of classes in a file of a usual name, the nearest to the top that has some; empty where none has.

    Raises SpecError where files beside each other name others.
    """
    return one_list(folder, lists_in(folder))


def lists_in(folder: Folder) -> dict[Path, tuple[str, ...]]:
    """Names of classes by file, of the files of usual names nearest to the top that have some."""
    stated: dict[Path, tuple[str, ...]] = {}
    for path in _name_files(folder):
        with suppress(DataError):
            stated[path] = read_class_names(path)
    return {path: names for path, names in stated.items() if path.parent == next(iter(stated)).parent}


def one_list(folder: Folder, stated: Mapping[Path, tuple[str, ...]]) -> tuple[str, ...]:
    """The names of classes that all of these files have; empty for no file.

    Raises SpecError for other names, or another order: ids would mean another class.
    """
    for path, names in stated.items():
        first, wanted = next(iter(stated.items()))
        if names != wanted:
            raise SpecError(
                f"{first} names the classes {', '.join(wanted)[:80]}, {path} names {', '.join(names)[:80]}: ids would "
                f"mean other classes; remove the wrong one, or give --classes {folder.name}=FILE.txt"
            )
    return next(iter(stated.values()), ())


def colors_in(folder: Folder) -> dict[str, str]:
    """{color: name of its class} in a file of a usual name, as CVAT writes it; empty where there is none."""
    for path in folder.of(".txt"):
        if path.name in COLOR_FILES and (table := read_class_colors(path)):
            return table
    return {}


def _name_files(folder: Folder) -> list[Path]:
    """Files of usual names for lists of classes, the nearest to the top first."""
    files = [path for path in folder.of(".txt", ".names", ".labels") if path.name in NAME_FILES]
    return sorted(files, key=lambda one: len(one.parts))


def _why_unnamed(folder: Folder) -> str:
    """Why the file of names that is there was not read, or that there is none."""
    for path in _name_files(folder):
        try:
            read_class_names(path)
        except DataError as error:
            return str(error)
    return "no file names the classes"


def ask_classes(folder: Folder, where: str, count: int, ids: str) -> NoReturn:
    """Raises SpecError with the option that names the classes; `ids` says what is stored."""
    example = ",".join(f"name{i}" for i in range(min(count, 3))) + (",..." if count > 3 else "")
    raise SpecError(
        f"{where} holds {ids}, and {_why_unnamed(folder)}; give --classes {folder.name}={example} in the order of "
        f"ids, or --classes {folder.name}=FILE.txt with a name per line (or put {NAME_FILES[0]} there)"
    )


def text_of(path: Path) -> str:
    """A text file's content; empty where it is none."""
    try:
        return read_text(path)
    except DataError:
        return ""


def beginning_of(path: Path) -> str:
    """Its first five lines."""
    return "\n".join(islice(text_of(path).splitlines(), 5))
