"""A dense map with fewer known pixels: what is rendered must not outweigh what a lidar measured."""

from dataclasses import dataclass, field, replace

import numpy as np

from hydranet.annotations import ScalarMap
from hydranet.core.dataset import Dataset
from hydranet.core.sample import DataError, Sample
from hydranet.core.spec import SpecError
from hydranet.core.wrapper import Wrapper


@dataclass(frozen=True)
class Thinned(Wrapper):
    """A data set of whose map of numbers only each n-th row and column stays known.

    A loss is the mean over the known pixels of all images of a step: where one source knows every pixel and another
    each twentieth, the first is nearly all that is learned.

    dataset: images and labels; the others stay, and so do samples without this one.
    label:   its map of numbers, such as "depth".    every: 3 keeps a ninth of the pixels.
    Raises SpecError for an `every` below 1, DataError where the label is no map of numbers.
    """

    dataset: Dataset
    label: str = field(kw_only=True)
    every: int = field(default=3, kw_only=True)

    def __post_init__(self) -> None:
        if self.every < 1:
            raise SpecError(f"got Thinned.every={self.every}, expected a whole number >= 1; 1 = every pixel")

    def __getitem__(self, index: int) -> Sample:
        sample = self.dataset[index]
        dense = sample.labels.get(self.label)
        if dense is None:
            return sample
        if not isinstance(dense, ScalarMap):
            raise DataError(f"Thinned.label={self.label!r} is a {type(dense).__name__}, expected a ScalarMap; name one")
        values = np.full_like(dense.values, np.nan)
        kept = np.s_[self.every // 2 :: self.every, self.every // 2 :: self.every]
        values[kept] = dense.values[kept]
        return sample.but(labels={**sample.labels, self.label: replace(dense, values=values)})
