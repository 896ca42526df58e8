"""Images and the label files that belong to them, one each: matched by path, whatever lies beside them is counted."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from hydranet.core.ledger import Ledger, Omission
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.io.files import WITHOUT_IMAGE, FileDataset
from hydranet.io.images import IMAGES
from hydranet.io.listing import natural, walk

WITHOUT_LABEL = "without a label file"


@dataclass(frozen=True)
class PairedFiles(FileDataset):
    """A data set in which every image has one label file.

    root:   the folder.
    images: folder of the images, relative to root; folders inside count, at any depth. "." = root itself.
    labels: folder of the label files, relative to root; may be the folder of the images.
    rename: {part of an image's path: what stands there in the path of its label}, such as {"_image": "_label"} or
            {"rgb/": "masks/"}; paths without suffix, relative to the two folders.
    ending: what follows the image's name in the label's, such as "_mask".
    """

    images: str = "images"
    labels: str = "labels"
    rename: Mapping[str, str] = field(default_factory=dict)
    ending: str = ""

    @abstractmethod
    def label_suffixes(self) -> tuple[str, ...]:
        """Suffixes of the label files, in small letters."""

    @cached_property
    def pairs(self) -> "Pairs":
        """Images and labels. Raises DataError where there are none."""
        return paired(self, self.label_suffixes())

    @property
    def frames(self) -> tuple[Path, ...]:
        """The images, in natural order."""
        return self.pairs.images

    def keys(self) -> Sequence[str]:
        return [path.relative_to(self.folder).as_posix() for path in self.frames]

    def ledger(self) -> Ledger:
        return super().ledger() + self.pairs.ledger

    def label_file(self, index: int) -> Path:
        """The label file of an image. Raises DataError where there is none."""
        path = self.pairs.labels[index]
        if path is None:
            raise DataError(
                f"{self.frames[index]} has no label file: looked for {self.pairs.wanted[index]} in "
                f"{self.folder / self.labels}; add it, leave the image out, or leave all such images out and count "
                "them with on_error='skip'"
            )
        return path

    def __len__(self) -> int:
        return len(self.frames)


@dataclass(frozen=True)
class Pairs:
    """images: in natural order.    labels: the label file of each, or None.    wanted: its name, for messages."""

    images: tuple[Path, ...]
    labels: tuple[Path | None, ...]
    wanted: tuple[str, ...]
    ledger: Ledger = field(default_factory=Ledger)


def stem_of(path: Path, folder: Path) -> str:
    """The path below a folder without its suffix, with slashes."""
    return path.relative_to(folder).with_suffix("").as_posix()


def label_stem(stem: str, rename: Mapping[str, str], ending: str) -> str:
    """The label's path without suffix for an image's, both relative to their folders."""
    for old, new in rename.items():
        stem = stem.replace(old, new)
    return stem + ending


def paired(dataset: PairedFiles, suffixes: Iterable[str]) -> Pairs:
    """Matches the files of a data set. What is left out is counted: images without a label (with "skip"), labels
    without an image, and other files among the images.

    Raises DataError where no image has a label, or where two files would be the label of one image.
    """
    if "" in dataset.rename:
        raise SpecError("got rename={'': ...}, expected words of the images' paths; for a longer name use ending")
    images_in, labels_in = dataset.folder / dataset.images, dataset.folder / dataset.labels
    label_files = _by_stem(walk(labels_in), labels_in, tuple(suffixes))
    together = images_in.resolve() == labels_in.resolve()
    present: list[Path] = []
    others: list[str] = []
    for path in sorted(walk(images_in), key=natural):
        if path.suffix.lower() not in IMAGES:
            if not together and path.suffix.lower() not in suffixes:
                others.append(path.name)
            continue
        present.append(path)
    wanted = {path: label_stem(stem_of(path, images_in), dataset.rename, dataset.ending) for path in present}
    used = {stem for path, stem in wanted.items() if stem in label_files and not _is_own(path, label_files[stem])}
    taken = {file for stem in used for file in label_files[stem]}
    images = [
        path
        for path in present
        if path not in taken and not (together and _is_own(path, label_files.get(wanted[path])))
    ]
    if not images:
        raise DataError(f"no images in {images_in} ({' '.join(IMAGES)}); check root and images")
    labels = [_only(label_files.get(wanted[path]), path) for path in images]
    missing = [
        path.relative_to(dataset.folder).as_posix() for path, label in zip(images, labels, strict=True) if not label
    ]
    if len(missing) == len(images):
        raise DataError(
            f"none of the {len(images)} images in {images_in} has a label file in {labels_in}, such as "
            f"{wanted[images[0]]}{_alternatives(suffixes)}; check labels, rename and ending"
        )
    _refuse_shared(images, wanted)
    ledger = Ledger()
    if missing and dataset.on_error == "skip":
        ledger = ledger.noted(Omission.IMAGE_LEFT_OUT, str(images_in), WITHOUT_LABEL, *missing)
        images = [path for path, label in zip(images, labels, strict=True) if label]
        labels = [label for label in labels if label]
    kept = {label for label in labels if label}
    spare = [file for files in label_files.values() for file in files if file not in kept]
    if together:  # what has an image's suffix there is an image, and counted as such
        spare = [file for file in spare if file.suffix.lower() not in IMAGES]
    if spare:
        names = sorted(path.relative_to(dataset.folder).as_posix() for path in spare)
        ledger = ledger.noted(Omission.LABEL_IGNORED, str(labels_in), WITHOUT_IMAGE, *names)
    if others:
        ledger = ledger.noted(Omission.IMAGE_LEFT_OUT, str(images_in), "no image by its suffix", *others)
    return Pairs(tuple(images), tuple(labels), tuple(wanted[path] for path in images), ledger)


def _by_stem(files: Iterable[Path], folder: Path, suffixes: tuple[str, ...]) -> dict[str, list[Path]]:
    stems: dict[str, list[Path]] = {}
    for path in files:
        if path.suffix.lower() in suffixes:
            stems.setdefault(stem_of(path, folder), []).append(path)
    return stems


def _is_own(path: Path, files: Sequence[Path] | None) -> bool:
    return files is not None and path in files


def _only(files: Sequence[Path] | None, image: Path) -> Path | None:
    """The label file, an image itself never being its own. Raises DataError where there are several."""
    files = [one for one in files or () if one != image]
    if len(files) > 1:
        raise DataError(
            f"{image} has two label files, {files[0]} and {files[1].name}, which differ in their suffix alone; "
            "remove one"
        )
    return files[0] if files else None


def _refuse_shared(images: Sequence[Path], wanted: Mapping[Path, str]) -> None:
    """Raises DataError where two images would share a label because only their suffixes differ."""
    earlier: dict[str, Path] = {}
    for path in images:
        other = earlier.setdefault(wanted[path], path)
        if other != path:
            raise DataError(
                f"{other} and {path.name} would share the label {wanted[path]}; rename or remove one of them"
            )


def _alternatives(suffixes: Iterable[str]) -> str:
    *most, last = tuple(suffixes)[:4]
    return f"{', '.join(most)} or {last}" if most else last
