"""What a data set is."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import NoReturn

from hydranet.core.ledger import Ledger, add_up
from hydranet.core.sample import Sample
from hydranet.core.spec import Component, SpecError, StandIn, dotted, to_json


@dataclass(frozen=True)
class Dataset(Component, ABC):
    """Reads files (or generates them) as samples, in its own class ids. A frozen dataclass: its fields are options.

    Reading is lazy and has no state beyond cached file lists, so that any process may read any index.
    """

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        """For each label that has classes, their names in the order of ids."""
        return {}

    @property
    def provenance(self) -> Mapping[str, str]:
        """For each label that a network made: which one, in words. Scores against it are agreement, not truth."""
        return {}

    def ledger(self) -> Ledger:
        """What the data set leaves out of its files: images, labels, rows. By default what the wrapped ones report.

        A data set that filters files or labels adds to it; `data check`, training and reports print it. Raises
        DataError where the files cannot be listed.
        """
        values = [vars(self)[one.name] for one in fields(self)]
        return add_up(value.ledger() for value in values if isinstance(value, Dataset))

    def identities(self) -> Sequence[str]:
        """For each image what tells it from others without reading it: equal words, equal images.

        By default the data set's options and the index. A part of another data set gives what that one gives.
        """
        try:
            options = json.dumps(to_json(self), sort_keys=True)
        except SpecError:  # it holds what a recipe cannot; then it equals itself alone
            options = f"{dotted(type(self))} {id(self)}"
        return [f"{options} {index}" for index in range(len(self))]

    def keys(self) -> Sequence[str]:
        """`Sample.key` of every image, as splits need them. By default every image is read; data sets of files know."""
        return [self[index].key or str(index) for index in range(len(self))]

    def fingerprints(self) -> Mapping[str, tuple[str, str]] | None:
        """Content and look of every image by key (`io.fingerprint`) where they are known without reading it, else None.

        Only a data set that keeps what others have read knows them.
        """
        return None

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, index: int) -> Sample:
        """Raises DataError naming the file where one is missing or broken; IndexError past the end."""


@dataclass(frozen=True)
class MissingDataset(StandIn, Dataset):
    """A data set whose class is not at hand here. The network of a run opens without it; whatever reads it raises."""

    @property
    def classes(self) -> NoReturn:
        self._raise()

    @property
    def provenance(self) -> NoReturn:
        self._raise()

    def __len__(self) -> NoReturn:
        self._raise()

    def __getitem__(self, index: int) -> NoReturn:
        self._raise()

    def _raise(self) -> NoReturn:
        raise SpecError(f"this data set is needed here, but {self.reason}")
