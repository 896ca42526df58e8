"""Data sets made of another one: what they hand on, written once."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence

from hydranet.core.dataset import Dataset
from hydranet.core.sample import Sample


class Wrapper(Dataset):
    """The samples of another data set, one for one; a subclass declares the field `dataset` and says what it changes.

    Everything else is what that data set says: classes, provenance, names and identities, which need no image.
    """

    dataset: Dataset

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        return self.dataset.classes

    @property
    def provenance(self) -> Mapping[str, str]:
        return self.dataset.provenance

    def identities(self) -> Sequence[str]:
        return self.dataset.identities()

    def keys(self) -> Sequence[str]:
        return self.dataset.keys()

    def __len__(self) -> int:
        return len(self.dataset)


def unwrapped(dataset: Dataset) -> Dataset:
    """The data set whose images a wrapper shows, one for one, whatever it does to them; a selection as it is.

    Who asks whether two data sets share an image must ask these: a crop, or other labels, make no other image of it.
    """
    while isinstance(dataset, Wrapper) and not isinstance(dataset, Selection):
        dataset = dataset.dataset
    return dataset


class Selection(Wrapper):
    """Some of the samples of another data set, in the order of `chosen`."""

    @property
    @abstractmethod
    def chosen(self) -> Sequence[int]:
        """Positions in the whole data set."""

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
