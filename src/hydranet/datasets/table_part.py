"""The images of a data set whose rows of a table say that they belong to a part: an official split in a column."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from hydranet.core.dataset import Dataset
from hydranet.core.ledger import Ledger, Omission
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.core.wrapper import Selection
from hydranet.io.box_rows import quoted
from hydranet.io.files import folder_inside
from hydranet.io.path_ends import by_ends, ends_of
from hydranet.io.table_file import read_table
from hydranet.io.table_row import word_of


@dataclass(frozen=True)
class TablePart(Selection):
    """A part of a data set, as a column of a table states it.

    dataset: the whole data set.
    table:   .csv, .tsv, .jsonl or .json, relative to the data set's folder, if it has one.
    image:   the column of the image's path, or of the end of it, with or without suffix.
    column:  the column that says which part an image belongs to.
    parts:   what stands there for the images that are chosen, such as ("train",); upper and lower case are alike.

    A row of the part whose image is not there is counted; one whose image has no label is passed over, for the data set
    counts it. Rows of one image that belong to different parts are an error.
    """

    dataset: Dataset
    table: str
    image: str
    column: str
    parts: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.parts:
            raise SpecError("TablePart got no parts, expected words of the column; give parts=('train',)")

    @cached_property
    def _file(self) -> Path:
        path = Path(self.table).expanduser()
        return path if path.is_absolute() or self._root is None else self._root / path

    @cached_property
    def _root(self) -> Path | None:
        return folder_inside(self.dataset)

    @cached_property
    def _listed(self) -> tuple[list[int], Ledger]:
        ends = by_ends(self.dataset.keys())
        wanted = {part.lower() for part in self.parts}
        parts: dict[int, str] = {}
        lost: list[str] = []
        for row in read_table(self._file):
            name, part = word_of(row.cell(self.image)), word_of(row.cell(self.column)).lower()
            matches = ends_of(name, ends)
            if len(matches) == 1 and parts.setdefault(matches[0], part) != part:
                raise DataError(
                    f"{row.where}: {quoted(name)} is in {quoted(part)} and in {quoted(parts[matches[0]])}, expected "
                    "one part for each image; correct the table"
                )
            if name and len(matches) != 1 and part in wanted and not self._exists(name):
                lost.append(name[:80])
        chosen = sorted(index for index, part in parts.items() if part in wanted)
        if not chosen:
            raise DataError(
                f"{self._file} has none of the {len(self.dataset)} images in {', '.join(map(quoted, self.parts))} of "
                f"column {quoted(self.column)}; check image, column and parts"
            )
        ledger = Ledger()
        if lost:
            reason = "named in a row, and not there"
            ledger = ledger.noted(Omission.IMAGE_LEFT_OUT, str(self._file), reason, *lost)
        return chosen, ledger

    def _exists(self, name: str) -> bool:
        return any((folder / name).is_file() for folder in (self._root, self._file.parent) if folder is not None)

    @property
    def chosen(self) -> Sequence[int]:
        """Positions in the whole data set."""
        return self._listed[0]

    def ledger(self) -> Ledger:
        return super().ledger() + self._listed[1]
