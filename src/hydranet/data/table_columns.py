"""What the columns of a table hold, by their names and cells."""

import os.path
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.data.part_words import state_a_split
from hydranet.data.recognition.folder import Folder
from hydranet.data.recognition.image_folder import also_in, image_folders, normal
from hydranet.datasets.table import BOXES as BOXES_LABEL
from hydranet.datasets.table import POINTS as POINTS_LABEL
from hydranet.datasets.table import Table
from hydranet.io.box_rows import OnError, quoted
from hydranet.io.columns import BoxColumns, Columns, NumberColumn, PointColumns, TagColumn
from hydranet.io.images import IMAGES
from hydranet.io.shares import are_shares
from hydranet.io.table_file import read_table
from hydranet.io.table_row import DECIMAL_COMMA, Row, is_empty, word_of

MOST_CLASSES = 200
MOST_IDS = 20
"""Whole numbers of at most so many different values may be ids of classes, or a quantity: nobody can tell."""

BOXES: tuple[tuple[tuple[str, ...], Literal["xyxy", "xywh", "cxcywh"]], ...] = (
    (("xmin", "ymin", "xmax", "ymax"), "xyxy"),
    (("x1", "y1", "x2", "y2"), "xyxy"),
    (("x_min", "y_min", "x_max", "y_max"), "xyxy"),
    (("left", "top", "right", "bottom"), "xyxy"),
    (("left", "top", "width", "height"), "xywh"),
    (("bbox_x", "bbox_y", "bbox_width", "bbox_height"), "xywh"),
    (("xmin", "ymin", "width", "height"), "xywh"),
    (("x_min", "y_min", "width", "height"), "xywh"),
    (("x_center", "y_center", "width", "height"), "cxcywh"),
    (("cx", "cy", "w", "h"), "cxcywh"),
    (("x", "y", "w", "h"), "xywh"),
    (("x", "y", "width", "height"), "xywh"),
)
"""Columns of boxes by their usual names."""

LISTS = ("bbox", "box", "bounding_box", "boundingbox")
"""Usual names of a column that holds the four numbers of a box."""

MEANING = {
    "xyxy": "left, top, right, bottom",
    "xywh": "left, top, width, height",
    "cxcywh": "middle, width, height",
}
"""By form of a box, its numbers."""

SIZES = (("height", "width"), ("image_height", "image_width"), ("img_height", "img_width"), ("img_h", "img_w"))
"""Columns of the size of the image that was labeled."""

NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)

_WORDS = ("class", "label", "category")
CLASS_COLUMNS = (*_WORDS, "name", "object", *(f"{one}{end}" for one in _WORDS for end in ("name", "id")))
"""Usual names of the column of a box's class, without what is no letter."""


def table_of(path: Path, place: Folder, columns: Mapping[str, str]) -> tuple[Table, str] | None:
    """A table that names images of a folder, and why it is taken for one; None for other tables.

    columns: {column: "tag", "number" or "skip"} where the user says so. Raises SpecError for a column that may be
    either. A column that says which images train is no label (`split_column`).
    """
    try:
        rows = read_table(path)
    except DataError:
        return None
    root, images = place.root, place.of(*IMAGES)
    image = image_column(rows, images)
    if image is None:
        return None
    named = set(_words_in(rows, image))
    places = image_folders(named, path, place) or ["."]
    above = os.path.commonpath(places) or "."
    folder = min((places[0], above), key=lambda one: len(_unfound(named, images, root / one)))
    names = {name.lower(): name for name in rows[0].cells if columns.get(name) != "skip"}
    labels: dict[str, Columns] = {}
    used = {image, *(column for column, what in columns.items() if what == "skip")}
    if (split := split_column(rows)) is not None and split not in columns:
        used.add(split)
    points = _points(names)
    if points is not None:
        labels[POINTS_LABEL], used = points, used | set(points.needed())
        names = {low: name for low, name in names.items() if name not in used}  # x1 y1 x2 y2 of three points: no box
    boxes = _boxes(rows, names, image)
    if boxes is not None:
        labels[BOXES_LABEL], used = boxes, used | set(boxes.needed())
    for column in rows[0].cells:
        if column not in used and (one := _single(path, rows, column, columns.get(column, ""), bool(boxes))):
            labels[re.sub(r"\W+", "_", column).strip("_") or "label"] = one
    if not labels:
        return None
    relative = path.relative_to(root).as_posix()
    error: OnError = "skip" if _unfound(named, images, root / folder) else "refuse"
    size = _size(rows, names, image, boxes)
    dataset = Table(str(root), relative, folder, image, labels, size=size, on_error=error)
    where = also_in(places) if folder == places[0] else ""
    why = f"{relative} names images in column {image!r}{where}, labels in {', '.join(labels)}{_about(boxes, size)}"
    return dataset, why


def columns_of(path: Path) -> list[str]:
    """The columns of a table, none of a broken one."""
    try:
        return [column for row in read_table(path)[:1] for column in row.cells]
    except DataError:
        return []


def _about(boxes: BoxColumns | None, size: Sequence[str]) -> str:
    """How boxes were read, where that is not plain to see."""
    if boxes is None:
        return ""
    shares = ", boxes as shares of their images" if boxes.relative else ""
    scaled = f", for images of the size in {' and '.join(size)}" if size else ""
    single = f", all of one class (no column is called {', '.join(CLASS_COLUMNS[:4])} ...)" if not boxes.column else ""
    form = f", boxes as {MEANING[boxes.form]}" if boxes.form != "xyxy" else ""
    return form + shares + scaled + single


def split_column(rows: Sequence[Row]) -> str | None:
    """The column whose cells are words such as train and val, and no others; None where there is none."""
    for column in rows[0].cells if rows else ():
        words = parts_in(rows, column)
        if state_a_split(words):
            return column
    return None


def parts_in(rows: Sequence[Row], column: str) -> set[str]:
    """The words that stand in a column, in lower case."""
    words = (word_of(row.cells.get(column)).lower() for row in rows)
    return {word for word in words if not is_empty(word)}


def image_column(rows: Sequence[Row], images: Sequence[Path]) -> str | None:
    """The column whose cells are names of images, for half of the rows at least."""
    if not rows:
        return None
    known = {word for path in images for word in (path.name, path.stem)}
    some = rows[:: max(1, len(rows) // 50)]
    for column in rows[0].cells:
        cells = [str(row.cells.get(column) or "").replace("\\", "/").rpartition("/")[2] for row in some]
        if sum(cell in known for cell in cells) * 2 >= len(cells):
            return column
    return None


def _unfound(names: set[str], images: Sequence[Path], folder: Path) -> set[str]:
    """Names that stand for no image below a folder, or for several of which none has this path."""
    known = Counter(word for one in images for word in dict.fromkeys(_words(one, folder)))
    paths = {one.relative_to(folder).as_posix() for one in images if one.is_relative_to(folder)}
    return {name for name in names if known[normal(name)] != 1 and normal(name) not in paths}


def _words(path: Path, folder: Path) -> list[str]:
    try:
        relative = path.relative_to(folder)
    except ValueError:
        return []
    return [relative.as_posix(), relative.with_suffix("").as_posix(), path.name, path.stem]


def _boxes(rows: Sequence[Row], names: Mapping[str, str], image: str) -> BoxColumns | None:
    by_word = {re.sub(r"\W|_", "", word): name for word, name in names.items() if name != image}
    for words, form in (*BOXES, *(((word,), _form_in(rows, names[word])) for word in LISTS if word in names)):
        if all(word in names for word in words):
            sides = tuple(names[word] for word in words)
            if form == "xywh" and _of_all_images(rows, sides[2:]):
                continue
            column = next((by_word[word] for word in CLASS_COLUMNS if word in by_word), "")
            filled = [row for row in rows if any(row.cell(side) is not None for side in sides)]
            classes = tuple(sorted(set(_words_in(filled, column)))) if column else ("object",)
            return BoxColumns(sides, form, _are_shares(filled, sides), column=column, names=classes)
    return None


def _form_in(rows: Sequence[Row], column: str) -> Literal["xyxy", "xywh"]:
    """What four numbers in one cell are. Raises SpecError where they may be either, and for other cells."""
    boxes = [numbers for row in rows if (numbers := row.numbers(column)) is not None]
    if not boxes or any(len(box) != 4 for box in boxes):
        raise SpecError(
            f"{rows[0].where}: column {column!r} holds {quoted(rows[0].cells.get(column))}, expected four numbers in "
            f"every row, as its name says; correct it, or give --column {column}=skip"
        )
    if all(right > left and bottom > top for left, top, right, bottom in boxes):
        raise SpecError(
            f"{rows[0].where}: column {column!r} may hold left, top, right, bottom, or left, top, width, height: every "
            "row allows both; write four columns (xmin, ymin, xmax, ymax, or left, top, width, height), or give "
            f"--column {column}=skip"
        )
    return "xywh"


def _of_all_images(rows: Sequence[Row], sides: Sequence[str]) -> bool:
    """Whether two columns hold the same in all of several rows: the size of the images rather than of boxes."""
    stated = {tuple(_number(row, side) for side in sides) for row in rows}
    return len(sides) == 2 and sides[0].lower() == "width" and len(rows) > 1 and len(stated) == 1


def _are_shares(rows: Sequence[Row], sides: Sequence[str]) -> bool:
    """Whether boxes are shares of their images: none reaches beyond 1, and not all numbers are whole."""
    if len(sides) == 1:
        return are_shares(number for row in rows for number in row.numbers(sides[0]) or ())
    return are_shares(number for row in rows for side in sides if (number := _number(row, side)) is not None)


def _size(rows: Sequence[Row], names: Mapping[str, str], image: str, boxes: BoxColumns | None) -> tuple[str, ...]:
    """The columns of the height and width of the image that was labeled; none without boxes by their corners.

    By their usual names, and where they are the same in all rows of an image and hold its boxes: there are tables in
    which width and height are those of the box.
    """
    if boxes is None or boxes.form != "xyxy" or boxes.relative:
        return ()
    for words in SIZES:
        columns = tuple(names.get(word, "") for word in words)
        stated = {(row.cells.get(image), *(_number(row, one) for one in columns)) for row in rows}
        if all(columns) and len(stated) == len({row.cells.get(image) for row in rows}):
            ends = tuple(zip(boxes.columns[3:1:-1], columns, strict=True))  # bottom and height, right and width
            pairs = [(_number(row, end), _number(row, one)) for row in rows for end, one in ends]
            if all(limit is not None and (end is None or end <= limit + 1) for end, limit in pairs):
                return columns
    return ()


def _points(names: Mapping[str, str]) -> PointColumns | None:
    """Columns x0, y0, x1, y1, ..., from 0 or from 1."""
    for x, y in (("x{}", "y{}"), ("x_{}", "y_{}"), ("kp{}_x", "kp{}_y")):
        for first in (0, 1):
            count = 0
            while all(pattern.replace("{}", str(first + count)) in names for pattern in (x, y)):
                count += 1
            if count > 2:
                first_x, first_y = (names[p.replace("{}", str(first))].replace(str(first), "{}") for p in (x, y))
                return PointColumns(first_x, first_y, count=count, first=first)
    return None


def _number(row: Row, column: str) -> float | None:
    """The number in a cell; None for anything else."""
    word = word_of(row.with_point(row.cells.get(column, "")))
    return float(word) if NUMBER.fullmatch(word) else None


def _words_in(rows: Sequence[Row], column: str) -> list[str]:
    """What stands in a column, as words; a word such as "none" may be the name of a class."""
    values = [value for row in rows if (value := row.cells.get(column)) is not None]
    return [word for value in values if (word := word_of(value) or str(value).strip())]


def _single(path: Path, rows: Sequence[Row], column: str, stated: str, boxed: bool) -> Columns | None:
    """A column of a class or of a number for the whole image; None for one that tells images apart, such as ids."""
    cells = _words_in([replace(row, cells={column: row.with_point(row.cells.get(column))}) for row in rows], column)
    known = [cell for cell in cells if not is_empty(cell)]
    if not stated and known and all(map(DECIMAL_COMMA.fullmatch, known)):  # of a table with commas between cells
        raise SpecError(
            f"{path}: column {column!r} holds {known[0]}, with a decimal comma or one between thousands; write it with "
            f"a decimal point, or give --column {column}=tag or --column {column}=skip"
        )
    numbers = bool(known) and all(map(NUMBER.fullmatch, known))
    if numbers:
        cells = known  # between numbers, a word such as "nan" is a number that nobody knows
    values = sorted(set(cells))
    whole = numbers and all(re.fullmatch(r"\d{1,9}", cell, re.ASCII) for cell in cells)
    if not stated and (boxed or len(values) < 2):
        return None
    if stated == "number" or (not stated and numbers and not (whole and len(values) <= MOST_IDS)):
        return NumberColumn(column)
    if stated == "tag" and whole:
        return TagColumn(column, tuple(str(i) for i in range(max(map(int, values)) + 1)))
    if not stated and whole:
        raise SpecError(
            f"{path}: column {column!r} holds whole numbers {', '.join(values[:8])}, ids of classes or a quantity; "
            f"give --column {column}=tag, --column {column}=number or --column {column}=skip"
        )
    if len(values) > MOST_CLASSES or (not stated and len(values) * 2 > len(cells)):
        return None
    return TagColumn(column, tuple(values))
