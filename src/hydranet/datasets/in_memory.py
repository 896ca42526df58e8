"""Another data set, each of whose samples is read or made once and then kept in memory."""

import copy
from dataclasses import dataclass
from functools import cached_property

from hydranet.core.dataset import Dataset
from hydranet.core.sample import Sample
from hydranet.core.wrapper import Wrapper


@dataclass(frozen=True)
class InMemory(Wrapper):
    """The same samples, kept as they are: for small data sets that cost more to read or to render than to learn from.

    Every process keeps its own, as many bytes as images and labels have.
    """

    dataset: Dataset

    @cached_property
    def _kept(self) -> dict[int, Sample]:
        return {}

    def __getitem__(self, index: int) -> Sample:
        if index not in self._kept:
            self._kept[index] = self.dataset[index]
        return copy.deepcopy(self._kept[index])
