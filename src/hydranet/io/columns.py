"""Labels in the columns of a table: how one kind of label is read from the rows of an image."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

from hydranet.annotations import Annotation, Keypoints, Polylines, Quantity, Tag
from hydranet.core.checks.names import check_classes
from hydranet.core.checks.ranges import check_range
from hydranet.core.ledger import Ledger
from hydranet.core.sample import DataError
from hydranet.core.spec import Component, SpecError
from hydranet.io.box_rows import BoxRow, OnError, boxes_inside, read_rows
from hydranet.io.point_rows import known_inside
from hydranet.io.shares import IN_PIXELS, SHARE_SLACK, refuse_shares, stated_sides
from hydranet.io.stated_size import LabeledImage, fitted
from hydranet.io.table_row import Row, class_in

T = TypeVar("T")


class Columns(Component, ABC):
    """Columns that hold one label; `names` are its classes in the order of ids, empty for labels without any."""

    names: tuple[str, ...]

    @abstractmethod
    def label(self, rows: Sequence[Row], image: LabeledImage, on_error: OnError) -> tuple[Annotation | None, Ledger]:
        """The label of an image from its rows, None where nobody labeled it.

        Raises DataError naming the row, and for an image of another size than is stated unless the label is scaled;
        with on_error="skip", instances that mean nothing are counted instead.
        """

    def check_table(self, rows: Sequence[Row]) -> None:
        """Raises DataError where the rows of a whole table are not in the unit that they should be in."""

    @abstractmethod
    def needed(self) -> tuple[str, ...]:
        """The columns that are read."""


def _check_names(names: tuple[str, ...], what: str) -> None:
    check_classes(names, what)
    if not names:
        raise SpecError(f"{what} got no names; give the classes in the order of ids, such as names=('stop', 'yield')")


@dataclass(frozen=True)
class TagColumn(Columns):
    """A class for the whole image. column: holds names, or ids from 0.    names: the classes in the order of ids."""

    column: str
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_names(self.names, "TagColumn")

    def needed(self) -> tuple[str, ...]:
        return (self.column,)

    def label(self, rows: Sequence[Row], image: LabeledImage, on_error: OnError) -> tuple[Annotation | None, Ledger]:
        values = {value for row in rows if (value := class_in(row, self.column, self.names, "TagColumn")) is not None}
        if len(values) > 1:
            words = ", ".join(self.names[i] for i in sorted(values))
            raise DataError(f"{rows[0].where}: its image has several values of {self.column!r} ({words}); correct them")
        return (Tag(np.int64(values.pop())) if values else None), Ledger()


@dataclass(frozen=True)
class NumberColumn(Columns):
    """A number for the whole image. column: holds it."""

    column: str
    names: tuple[str, ...] = ()

    def needed(self) -> tuple[str, ...]:
        return (self.column,)

    def label(self, rows: Sequence[Row], image: LabeledImage, on_error: OnError) -> tuple[Annotation | None, Ledger]:
        values = {value for row in rows if (value := row.number(self.column)) is not None}
        if len(values) > 1:
            raise DataError(
                f"{rows[0].where}: its image has several values of {self.column!r} {sorted(values)[:4]}; correct them"
            )
        return (Quantity(np.float32(values.pop())) if values else None), Ledger()


@dataclass(frozen=True)
class BoxColumns(Columns):
    """A box per row. A row whose box is empty says that nothing is there.

    columns: four columns, or one that holds a list of four numbers.
    form:    "xyxy" = left, top, right, bottom; "xywh" = left, top, width, height; "cxcywh" = center, width, height.
    relative: the numbers are shares of the image, 0 to 1, instead of pixels.
    column:  of the class; "" = there is one class only.    names: the classes in the order of ids.
    """

    columns: tuple[str, ...]
    form: Literal["xyxy", "xywh", "cxcywh"] = "xyxy"
    relative: bool = False
    column: str = ""
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_names(self.names, "BoxColumns")
        if len(self.columns) not in (1, 4):
            raise SpecError(
                f"BoxColumns got {len(self.columns)} columns, expected four, or one that holds four numbers"
            )
        if self.form not in ("xyxy", "xywh", "cxcywh"):
            raise SpecError(f"BoxColumns got form={self.form!r}, expected 'xyxy', 'xywh' or 'cxcywh'")
        if not self.column and len(self.names) > 1:
            raise SpecError(f"BoxColumns got {len(self.names)} names and no column of the class; give column=...")

    def needed(self) -> tuple[str, ...]:
        return (*self.columns, *([self.column] if self.column else []))

    def label(self, rows: Sequence[Row], image: LabeledImage, on_error: OnError) -> tuple[Annotation | None, Ledger]:
        filled = [row for row in rows if any(row.cell(column) is not None for column in self.columns)]
        file = rows[0].where.rpartition(":")[0]
        given, ledger = read_rows(filled, lambda row: self._box(row, image.labeled), file, on_error)
        scaled = fitted(given, image.stated, image.extent, image.where)
        boxes, outside = boxes_inside(scaled, image.extent.size, file, on_error)
        return boxes, ledger + outside

    def check_table(self, rows: Sequence[Row]) -> None:
        if not self.relative:
            cure = f"set relative=True in BoxColumns, or {IN_PIXELS}"
            refuse_shares(stated_sides(_usable(rows, lambda row: self._box(row, (1, 1)))), "a box", cure)

    def _box(self, row: Row, size: tuple[int, int]) -> BoxRow:
        if len(self.columns) == 1:
            values = row.numbers(self.columns[0]) or []
        else:
            cells = [row.number(column) for column in self.columns]
            values = [cell for cell in cells if cell is not None]
        if len(values) != 4:
            raise DataError(f"{row.where}: a box of {len(values)} numbers, expected four; correct it")
        one, two, three, four = values
        if self.form != "xyxy" and min(three, four) < 0:
            raise DataError(f"{row.where}: a box {three:g} wide and {four:g} high, expected numbers from 0; correct it")
        if self.form == "xywh":
            three, four = one + three, two + four
        elif self.form == "cxcywh":
            one, two, three, four = one - three / 2, two - four / 2, one + three / 2, two + four / 2
        if self.relative:
            if max(three - one, four - two) > SHARE_SLACK:
                raise DataError(
                    f"{row.where}: a box of {three - one:g} x {four - two:g} images, "
                    "expected shares; set relative=False"
                )
            height, width = size
            one, two, three, four = one * width, two * height, three * width, four * height
        label = class_in(row, self.column, self.names, "BoxColumns") if self.column else 0
        if label is None:
            raise DataError(f"{row.where}: a box without a class in {self.column!r}; correct it")
        return BoxRow(row.where, (one, two, three, four), label)


@dataclass(frozen=True)
class PointColumns(Columns):
    """An instance of k named points per row. A point outside the image is unknown, and counted.

    x, y:    column of each coordinate, with {} for the number of the point, such as "x{}" and "y{}"; or x alone: one
             column that holds a list of 2k numbers (x y x y ...) or of 3k (x y v, v = 0, 1, 2 as in COCO).
    visible: column of v, as x and y; "" = all points with coordinates are visible.
    count:   k.    first: number of the first point in the names of the columns.
    mirror:  for each point the number, from 0, of its left-right counterpart; empty = none has one.
    column, names: of the class, as in BoxColumns; no names = there is one class only.
    """

    x: str
    y: str = ""
    visible: str = ""
    count: int = 1
    first: int = 0
    mirror: tuple[int, ...] = ()
    column: str = ""
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_classes(self.names, "PointColumns")
        check_range("count", self.count, 1, 10_000)
        if self.y and ("{}" not in self.x or "{}" not in self.y):
            raise SpecError(
                f"PointColumns got x={self.x!r}, y={self.y!r}, expected {{}} in both for the number of the point"
            )
        if self.mirror and sorted(self.mirror) != list(range(self.count)):
            raise SpecError(
                f"PointColumns got mirror={self.mirror}, expected each number from 0 to {self.count - 1} once"
            )
        if self.column and not self.names:
            raise SpecError("PointColumns got a column of the class and no names; give names=(...)")

    def needed(self) -> tuple[str, ...]:
        if not self.y:
            return (self.x, *([self.column] if self.column else []))
        numbers = range(self.first, self.first + self.count)
        columns = [
            pattern.replace("{}", str(i)) for i in numbers for pattern in (self.x, self.y, self.visible) if pattern
        ]
        return (*columns, *([self.column] if self.column else []))

    def label(self, rows: Sequence[Row], image: LabeledImage, on_error: OnError) -> tuple[Annotation | None, Ledger]:
        image.check_size()
        read = [(row, points) for row in rows if (points := self._points(row)) is not None]
        table = np.array([points for _, points in read], np.float64).reshape(-1, self.count, 3)
        xy, stated = table[..., :2].astype(np.float32), table[..., 2].astype(np.int64)
        file = rows[0].where.rpartition(":")[0]
        known, ledger = known_inside(xy, stated, image.extent.size, file, [row.where for row, _ in read])
        label = None
        if self.names:
            ids = [class_in(row, self.column, self.names, "PointColumns") if self.column else 0 for row, _ in read]
            if None in ids:
                raise DataError(f"{rows[0].where}: its image has points without a class in {self.column!r}; correct it")
            label = np.array(ids, np.int64)
        return Keypoints(xy, known, label, mirror=self.mirror), ledger

    def check_table(self, rows: Sequence[Row]) -> None:
        points = _usable(
            rows, lambda row: (row.where, [xy for x, y, v in self._points(row) or () for xy in (x, y) if v])
        )
        refuse_shares(points, "points")

    def _points(self, row: Row) -> list[list[float]] | None:
        """x, y, v of each point; None for a row without any."""
        if not self.y:
            flat = row.numbers(self.x)
            if flat is None:
                return None
            width = len(flat) // self.count
            if width not in (2, 3) or len(flat) != width * self.count:
                raise DataError(
                    f"{row.where}: {len(flat)} numbers in {self.x!r}, expected 2 or 3 for each of {self.count} points"
                )
            points = [[*flat[i : i + width], 2.0][:3] for i in range(0, len(flat), width)]
        else:
            points = []
            for i in range(self.first, self.first + self.count):
                x, y = (row.number(pattern.replace("{}", str(i))) for pattern in (self.x, self.y))
                v = row.number(self.visible.replace("{}", str(i))) if self.visible else None
                points.append([0.0, 0.0, 0.0] if x is None or y is None else [x, y, 2.0 if v is None else v])
            if all(point[2] == 0 for point in points):
                return None
        if any(point[2] not in (0, 1, 2) for point in points):
            raise DataError(f"{row.where}: a point whose visibility is none of 0, 1, 2; correct it")
        return points


@dataclass(frozen=True)
class LineColumn(Columns):
    """A curve per row. column: a list of numbers x y x y ..., from near to far; numbers below 0 = no point there.

    class_column, names: of the class, as in BoxColumns; no names = there is one class only.
    """

    column: str
    class_column: str = ""
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_classes(self.names, "LineColumn")
        if self.class_column and not self.names:
            raise SpecError("LineColumn got a column of the class and no names; give names=(...)")

    def needed(self) -> tuple[str, ...]:
        return (self.column, *([self.class_column] if self.class_column else []))

    def check_table(self, rows: Sequence[Row]) -> None:
        lines = _usable(rows, lambda row: (row.where, [n for n in row.numbers(self.column) or () if n >= 0]))
        refuse_shares(lines, "a line")

    def label(self, rows: Sequence[Row], image: LabeledImage, on_error: OnError) -> tuple[Annotation | None, Ledger]:
        image.check_size()
        lines, ids = [], []
        for row in rows:
            flat = row.numbers(self.column)
            if flat is None:
                continue
            if len(flat) % 2 or len(flat) < 4:
                raise DataError(
                    f"{row.where}: {len(flat)} numbers in {self.column!r}, expected x y x y ... of 2 points at least"
                )
            lines.append(np.array(flat, np.float32).reshape(-1, 2))
            id_ = class_in(row, self.class_column, self.names, "LineColumn") if self.class_column else 0
            if id_ is None:
                raise DataError(f"{row.where}: a line without a class in {self.class_column!r}; correct it")
            ids.append(id_)
        return polylines_of(lines, np.array(ids, np.int64) if self.names else None), Ledger()


def _usable(rows: Sequence[Row], read: Callable[[Row], T]) -> Iterator[T]:
    """What can be read of rows; the others are named when their image is read."""
    for row in rows:
        with suppress(DataError):
            yield read(row)


def polylines_of(lines: Sequence[np.ndarray], label: np.ndarray | None) -> Polylines:
    """Lines (float p 2 each) as one annotation; points with a number below 0 are not there."""
    longest = max((len(line) for line in lines), default=0)
    points = np.zeros((len(lines), longest, 2), np.float32)
    valid = np.zeros((len(lines), longest), bool)
    for i, line in enumerate(lines):
        points[i, : len(line)], valid[i, : len(line)] = line, (line >= 0).all(1)
    return Polylines(points, valid, label)
