"""Several data sets of the same images, each with labels of its own, as one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from hydranet.annotations import Annotation
from hydranet.core.dataset import Dataset
from hydranet.core.ledger import Ledger, add_up
from hydranet.core.sample import DataError, Sample
from hydranet.core.spec import SpecError


@dataclass(frozen=True)
class Together(Dataset):
    """Every image once, with the labels that any of the data sets has for it.

    parts: data sets whose images are the same files (equal keys); each names its labels differently. An image that one
           of them leaves out has the labels of the others: "not labeled" there.

    Raises DataError, when it is read, for an image that differs in size.
    """

    parts: tuple[Dataset, ...]

    def __post_init__(self) -> None:
        if not self.parts:
            raise SpecError("Together got no data sets, expected one at least; give parts=(Masks(...), DepthMaps(...))")

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        return {name: classes for part in self.parts for name, classes in part.classes.items()}

    @property
    def provenance(self) -> Mapping[str, str]:
        return {name: text for part in self.parts for name, text in part.provenance.items()}

    @cached_property
    def _places(self) -> dict[str, list[tuple[int, int]]]:
        """By key, the parts that have the image, and where."""
        places: dict[str, list[tuple[int, int]]] = {}
        for i, part in enumerate(self.parts):
            for place, key in enumerate(part.keys()):
                places.setdefault(key, []).append((i, place))
        return places

    @cached_property
    def _keys(self) -> tuple[str, ...]:
        return tuple(self._places)

    def ledger(self) -> Ledger:
        """What every part leaves out."""
        return add_up(part.ledger() for part in self.parts)

    def keys(self) -> Sequence[str]:
        return self._keys

    def __len__(self) -> int:
        return len(self._keys)

    def __getitem__(self, index: int) -> Sample:
        key = self._keys[index]
        samples = [self.parts[part][place] for part, place in self._places[key]]
        labels: dict[str, Annotation] = {}
        for sample in samples:
            if sample.size != samples[0].size:
                raise DataError(
                    f"{key} has sizes {samples[0].size} and {sample.size}; the parts must share their images"
                )
            twice = labels.keys() & sample.labels.keys()
            if twice:
                raise DataError(f"{key} has two labels called {min(twice)!r}; give one of the parts another label=...")
            labels |= sample.labels
        cameras = [sample.camera for sample in samples if sample.camera is not None]
        ledger = add_up(sample.ledger for sample in samples)
        return samples[0].but(labels=labels, camera=cameras[0] if cameras else None, ledger=ledger)
