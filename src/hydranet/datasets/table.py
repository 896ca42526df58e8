"""Labels in one table: CSV, TSV or JSON lines, with a row per image or per instance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from hydranet.annotations import Annotation
from hydranet.core.ledger import Ledger, Omission
from hydranet.core.sample import DataError, Sample
from hydranet.core.spec import SpecError
from hydranet.io.box_rows import quoted
from hydranet.io.columns import Columns
from hydranet.io.files import FileDataset
from hydranet.io.images import IMAGES, read_image
from hydranet.io.listing import natural, walk
from hydranet.io.paths import OutsideFolder, inside
from hydranet.io.stated_size import LabeledImage, stated_size
from hydranet.io.table_file import read_table
from hydranet.io.table_row import Row

BOXES, POINTS = "detection", "landmarks"
"""Usual names of labels that are boxes or points."""


@dataclass(frozen=True)
class Table(FileDataset):
    """A table of labels beside a folder of images.

    root:   the folder.
    table:  .csv (, or ; between; with ; 12,5 is a number, too), .tsv, .jsonl, or .json (a list of rows), relative to
            root.
    images: folder of the images, relative to root; folders inside count.
    image:  column of the image's path relative to `images`, with or without its suffix; a bare file name is enough
            where no other image has it.
    labels: {name of a label: its columns}, such as {"sign": TagColumn("class", names=("stop", "yield")),
            "age": NumberColumn("age"), "cars": BoxColumns(("x1", "y1", "x2", "y2"), column="class", names=("car",))}.
    size:   columns of the height and width of the image that was labeled, where the table has them. Where they are
            those of a copy in another scale, or of the stored, unturned image, boxes follow; points and lines are
            refused.
    instances: in JSON, the field of a row that lists its instances, whose own fields then count beside the row's.

    An image of the folder that no row names is left out and counted, but for files that another column names: these are
    labels, such as depth maps. A row without an image is an error, or counted.
    """

    table: str = "labels.csv"
    images: str = "images"
    image: str = "image"
    labels: Mapping[str, Columns] = field(default_factory=dict)
    instances: str = ""
    size: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.labels:
            raise SpecError(
                "Table got no labels; say which columns hold what: labels={'sign': TagColumn('class', names=...)}"
            )
        if len(self.size) not in (0, 2):
            raise SpecError(f"Table got size={self.size}, expected two columns: of the height and of the width")
        for name, columns in self.labels.items():
            if not isinstance(columns, Columns):
                raise SpecError(
                    f"Table got {name!r}: {quoted(columns)}, expected a TagColumn, NumberColumn, BoxColumns, ..."
                )

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        return {name: columns.names for name, columns in self.labels.items() if columns.names}

    @cached_property
    def _rows(self) -> "_Rows":
        return _read(self)

    @property
    def frames(self) -> tuple[Path, ...]:
        """The images that rows name, in natural order."""
        return self._rows.images

    def keys(self) -> Sequence[str]:
        return [path.relative_to(self.folder).as_posix() for path in self.frames]

    def ledger(self) -> Ledger:
        """What is left out; rows that mean nothing are counted when their image is read."""
        return super().ledger() + self._rows.ledger

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Sample:
        path = self.frames[index]
        image = read_image(path)
        rows = self._rows.of[path]
        labeled = LabeledImage(image.extent, self._stated(rows), f"{rows[0].where}:")
        labels: dict[str, Annotation] = {}
        ledger = Ledger()
        for name, columns in self.labels.items():
            label, left_out = columns.label(rows, labeled, self.on_error)
            ledger += left_out
            if label is not None:
                labels[name] = label
        return Sample(image.rgb, labels, key=path.relative_to(self.folder).as_posix(), ledger=ledger)

    def _stated(self, rows: Sequence[Row]) -> tuple[int, int] | None:
        """Height and width of an image as its rows state them. Raises DataError where these do not agree."""
        if not self.size:
            return None
        height, width = self.size
        stated = {stated_size(row.cell(height), row.cell(width), row.where): None for row in rows}
        sizes = [size for size in stated if size is not None]
        if len(sizes) > 1:
            raise DataError(f"{rows[0].where}: its image has several sizes {sizes[:4]} (height, width); correct them")
        return sizes[0] if sizes else None


@dataclass(frozen=True)
class _Rows:
    images: tuple[Path, ...]
    of: Mapping[Path, Sequence[Row]]
    ledger: Ledger


def _read(dataset: Table) -> _Rows:
    """The rows of each image, and what belongs to none."""
    file, folder = dataset.folder / dataset.table, dataset.folder / dataset.images
    rows = _expanded(read_table(file), dataset.instances)
    if not rows:
        raise DataError(f"{file} has no row; restore it")
    needed = [
        dataset.image,
        *dataset.size,
        *(column for columns in dataset.labels.values() for column in columns.needed()),
    ]
    absent = [column for column in needed if not any(column in row.cells for row in rows)]
    if absent:
        raise DataError(
            f"{file} has no column {quoted(absent[0])}, only "
            f"{', '.join(map(quoted, list(rows[0].cells)[:12]))[:150]}; correct the recipe or the table"
        )
    for columns in dataset.labels.values():
        columns.check_table(rows)
    present = sorted((path for path in walk(folder) if path.suffix.lower() in IMAGES), key=natural)
    names = _names(present, folder)
    of: dict[Path, list[Row]] = {}
    lost: list[str] = []
    for row in rows:
        try:
            of.setdefault(_image(row, dataset.image, folder, names), []).append(row)
        except DataError as error:
            if dataset.on_error == "refuse":
                raise
            lost.append(str(error)[:160])
    if not of:
        raise DataError(f"no row of {file} names an image in {folder}; check images and image")
    ledger = Ledger()
    if lost:
        ledger = ledger.noted(Omission.LABEL_IGNORED, str(file), "a row without an image", *lost)
    unused = _without_labels([path for path in present if path not in of], dataset, rows)
    unnamed = [path.relative_to(dataset.folder).as_posix() for path in unused]
    if unnamed:
        ledger = ledger.noted(Omission.IMAGE_LEFT_OUT, str(folder), f"in no row of {file.name}", *unnamed)
    return _Rows(tuple(sorted(of, key=natural)), of, ledger)


def _expanded(rows: Sequence[Row], field_name: str) -> list[Row]:
    """A row for each instance that a row lists; an image without any keeps one whose columns of instances are empty."""
    if not field_name:
        return list(rows)
    listed: list[list[dict[str, Any]]] = []
    for row in rows:
        inner = row.cells.get(field_name)
        inner = [] if inner is None else inner
        if not isinstance(inner, list) or not all(isinstance(one, dict) for one in inner):
            raise DataError(
                f"{row.where}: {quoted(field_name)} is {quoted(inner)}, expected a list of objects; correct it"
            )
        listed.append(inner)
    blank = {key: None for inner in listed for one in inner for key in one}
    return [
        Row(row.where, {**blank, **{k: v for k, v in row.cells.items() if k != field_name}, **one}, row.commas)
        for row, inner in zip(rows, listed, strict=True)
        for one in (inner or [{}])
    ]


def _without_labels(paths: Sequence[Path], dataset: Table, rows: Sequence[Row]) -> list[Path]:
    """Files without those that rows name in other columns than that of the image, such as depth maps: these are labels.

    A row names a file by its whole name, or by its path from the folder of the images, of the table or of the data set.
    """
    named = {
        _as_path(cell.strip())
        for row in (rows if paths else ())
        for column, cell in row.cells.items()
        if column != dataset.image and isinstance(cell, str)
    }
    roots = (dataset.folder / dataset.images, (dataset.folder / dataset.table).parent, dataset.folder)
    return [
        path
        for path in paths
        if path.name not in named
        and not any(path.is_relative_to(root) and path.relative_to(root).as_posix() in named for root in roots)
    ]


def _as_path(word: str) -> str:
    """A path as a table writes it, on whatever system."""
    return word.replace("\\", "/").removeprefix("./")


def _names(images: Sequence[Path], folder: Path) -> dict[str, list[Path]]:
    """Images by every name that a row may use: path, path without suffix, file name, stem."""
    names: dict[str, list[Path]] = {}
    for path in images:
        whole = path.relative_to(folder)
        for name in dict.fromkeys((whole.as_posix(), whole.with_suffix("").as_posix(), path.name, path.stem)):
            names.setdefault(name, []).append(path)
    return names


def _image(row: Row, column: str, folder: Path, names: Mapping[str, Sequence[Path]]) -> Path:
    value = row.cell(column, names)
    name = _as_path(value) if isinstance(value, str) else str(value) if value is not None else ""
    matches = names.get(name, ())
    if len(matches) == 1:
        return matches[0]
    try:
        path = inside(folder, name, follow_links=True)
    except OutsideFolder as error:
        raise DataError(f"{row.where}: {error}") from error
    exact = [one for one in matches if one == path]
    if exact:
        return exact[0]
    if matches:
        raise DataError(
            f"{row.where}: {len(matches)} images are called {quoted(name)}; write the path relative to {folder}"
        )
    raise DataError(f"{row.where}: no image {quoted(name)} in {folder}; correct or remove the row")
