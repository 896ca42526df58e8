"""A part of another data set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from hydranet.core.dataset import Dataset
from hydranet.core.sample import DataError, Sample
from hydranet.io.files import in_ranges


@dataclass(frozen=True)
class Subset(Dataset):
    """The samples of a data set at some positions; holds frames out where there is no official split.

    dataset:   the whole data set.
    positions: such as "0-199,250", counted from 0, both ends included; positions past the end are left out.
    """

    dataset: Dataset
    positions: str

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        return self.dataset.classes

    @property
    def provenance(self) -> Mapping[str, str]:
        return self.dataset.provenance

    @cached_property
    def chosen(self) -> list[int]:
        """Positions in the whole data set."""
        chosen = in_ranges(self.positions, range(len(self.dataset)))
        if not chosen:
            raise DataError(f"none of the {len(self.dataset)} samples is at {self.positions!r}; check the positions")
        return chosen

    def identities(self) -> Sequence[str]:
        every = self.dataset.identities()
        return [every[index] for index in self.chosen]

    def keys(self) -> Sequence[str]:
        every = self.dataset.keys()
        return [every[index] for index in self.chosen]

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, index: int) -> Sample:
        return self.dataset[self.chosen[index]]
