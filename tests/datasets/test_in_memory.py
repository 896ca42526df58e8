"""Samples that are kept are those of the data set, made once, and nobody can spoil them."""

import numpy as np

from hydranet.core.sample import Sample
from hydranet.datasets.in_memory import InMemory
from toys import Noise


class Counting(Noise):
    """Counts how often a sample is made."""

    made = 0

    def __getitem__(self, index: int) -> Sample:
        Counting.made += 1
        return super().__getitem__(index)


def test_each_sample_is_made_once() -> None:
    Counting.made = 0
    kept, whole = InMemory(Counting(count=3)), Noise(count=3)
    for index in (0, 1, 0, 2, 1, 0):
        first = kept[index]
        assert np.array_equal(first.image, whole[index].image)
        first.image[:] = 0
    assert Counting.made == 3
    assert kept == InMemory(Counting(count=3)), "what is kept makes no difference to what it is"
