"""Another data set, each of whose samples is read or made once and then kept in memory."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from hydranet.core.dataset import Dataset
from hydranet.core.sample import Sample


@dataclass(frozen=True)
class InMemory(Dataset):
    """The same samples, kept as they are: for small data sets that cost more to read or to render than to learn from.

    Every process keeps its own, as many bytes as images and labels have.
    """

    dataset: Dataset

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        return self.dataset.classes

    @property
    def provenance(self) -> Mapping[str, str]:
        return self.dataset.provenance

    @cached_property
    def _kept(self) -> dict[int, Sample]:
        return {}

    def identities(self) -> Sequence[str]:
        return self.dataset.identities()

    def keys(self) -> Sequence[str]:
        return self.dataset.keys()

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Sample:
        if index not in self._kept:
            self._kept[index] = self.dataset[index]
        return copy.deepcopy(self._kept[index])
