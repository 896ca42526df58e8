"""Classes that are farther than anything: depth for the sky, which no lidar and no stereo camera measures."""

from dataclasses import dataclass, field

import numpy as np

from hydranet.annotations import ClassMap, ScalarMap
from hydranet.core.dataset import Dataset
from hydranet.core.sample import DataError, Sample
from hydranet.core.spec import SpecError, unknown
from hydranet.core.wrapper import Wrapper


@dataclass(frozen=True)
class Distant(Wrapper):
    """A data set with a label "depth" added where its class maps say that something is far: inf there, else unknown.

    dataset: images and labels, which stay; a depth that it has keeps its known pixels.
    label:   its class map.    names: classes of it that are farther than can be measured, such as ("sky",).
    every:   only each n-th row and column gets the distance: a whole sky outweighs what a lidar measured sparsely.
    depth:   the label that is added.
    Raises SpecError for a label or class that the data set does not have.
    """

    dataset: Dataset
    label: str = field(kw_only=True)
    names: tuple[str, ...] = field(kw_only=True)
    every: int = field(default=4, kw_only=True)
    depth: str = field(default="depth", kw_only=True)

    def __post_init__(self) -> None:
        classes = self.dataset.classes
        if self.label not in classes:
            raise SpecError(unknown(self.label, classes, "class map (Distant.label)"))
        for name in self.names:
            if name not in classes[self.label]:
                raise SpecError(unknown(name, classes[self.label], f"class of {self.label!r} (Distant.names)"))
        if self.every < 1:
            raise SpecError(f"got Distant.every={self.every}, expected a whole number >= 1; 1 = every pixel")

    def __getitem__(self, index: int) -> Sample:
        sample = self.dataset[index]
        mapped = sample.labels.get(self.label)
        if mapped is None:
            return sample
        if not isinstance(mapped, ClassMap):
            raise DataError(f"Distant.label={self.label!r} is a {type(mapped).__name__}, expected a ClassMap; name one")
        far = np.isin(mapped.ids, [self.dataset.classes[self.label].index(name) for name in self.names])
        chosen = np.zeros(far.shape, bool)
        chosen[:: self.every, :: self.every] = True
        values = np.where(far & chosen, np.inf, np.nan).astype(np.float32)
        measured = sample.labels.get(self.depth)
        if measured is not None:
            assert isinstance(measured, ScalarMap)
            values = np.where(np.isnan(measured.values), values, measured.values)
        return sample.but(labels={**sample.labels, self.depth: ScalarMap(values, unit="m")})
