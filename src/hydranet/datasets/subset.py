"""A part of another data set."""

from dataclasses import dataclass
from functools import cached_property

from hydranet.core.dataset import Dataset
from hydranet.core.sample import DataError
from hydranet.core.wrapper import Selection
from hydranet.io.files import in_ranges


@dataclass(frozen=True)
class Subset(Selection):
    """The samples of a data set at some positions; holds frames out where there is no official split.

    dataset:   the whole data set.
    positions: such as "0-199,250", counted from 0, both ends included; positions past the end are left out.
    """

    dataset: Dataset
    positions: str

    @cached_property
    def chosen(self) -> list[int]:
        """Positions in the whole data set."""
        chosen = in_ranges(self.positions, range(len(self.dataset)))
        if not chosen:
            raise DataError(f"none of the {len(self.dataset)} samples is at {self.positions!r}; check the positions")
        return chosen
