"""The images of a data set that a text file lists."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from hydranet.core.dataset import Dataset
from hydranet.core.ledger import Ledger, Omission
from hydranet.core.sample import DataError
from hydranet.core.wrapper import Selection
from hydranet.io.box_rows import OnError, quoted
from hydranet.io.files import check_names, folder_inside, read_lines
from hydranet.io.path_ends import by_ends, ends_of


@dataclass(frozen=True)
class ImageList(Selection):
    """A part of a data set, as lists of official splits state it.

    dataset:  the whole data set.
    file:     a text file with an image per line: its path or the end of it, with or without suffix. Names may have
              spaces; what follows a name and a space, such as the path of a mask, does not count. Relative to the data
              set's folder, if it has one.
    on_error: "refuse" raises for a line that means no image, or several; "skip" leaves it out and counts it.
    """

    dataset: Dataset
    file: str
    on_error: OnError = "refuse"

    def __post_init__(self) -> None:
        check_names([self.on_error], ("refuse", "skip"), "on_error of ImageList")

    @cached_property
    def _listed(self) -> tuple[list[int], Ledger]:
        path = Path(self.file).expanduser()
        root = folder_inside(self.dataset)
        if root is not None and not path.is_absolute():
            path = root / path
        ends = by_ends(self.dataset.keys())
        chosen: set[int] = set()
        ledger = Ledger()
        for i, line in read_lines(path):
            name, matches = _meant(line, ends)
            if len(matches) == 1:
                chosen.add(matches[0])
                continue
            if self.on_error == "refuse":
                count = f"{len(matches)} images end" if matches else "no image ends"
                raise DataError(f"{path}:{i}: {count} like {quoted(name)}; correct the list, or write whole paths")
            ledger = ledger.noted(Omission.IMAGE_LEFT_OUT, str(path), "a line that means no single image", name[:80])
        if not chosen:
            raise DataError(f"{path} lists none of the {len(self.dataset)} images; check the list")
        return sorted(chosen), ledger

    @property
    def chosen(self) -> list[int]:
        """Positions in the whole data set."""
        return self._listed[0]

    def ledger(self) -> Ledger:
        return super().ledger() + self._listed[1]


def _meant(line: str, ends: Mapping[str, Sequence[int]]) -> tuple[str, Sequence[int]]:
    """The longest beginning of a line, up to a space or its end, that means images, and their positions; where none
    does, the whole line."""
    text = line.strip()
    for end in (len(text), *reversed([space.start() for space in re.finditer(r"\s+", text)])):
        if matches := ends_of(text[:end], ends):
            return text[:end], matches
    return text, []
