"""A map with fewer known pixels: which ones stay, what else stays, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.datasets.scenes.dataset import Scenes
from hydranet.datasets.thinned import Thinned

SCENES = Scenes(count=2, size=(48, 64), seed=3)


@pytest.mark.parametrize(("every", "share"), [(1, 1.0), (2, 1 / 4), (3, 1 / 9)])
def test_each_nth_pixel_stays_as_it_was(every: int, share: float) -> None:
    whole, thin = SCENES[0].labels["depth"], Thinned(SCENES, label="depth", every=every)[0].labels["depth"]
    known = np.isfinite(thin.values)
    np.testing.assert_array_equal(thin.values[known], whole.values[known])
    assert thin.unit == whole.unit == "m"
    place = np.arange(every // 2, 48, every)
    sampled = whole.values[np.ix_(place, np.arange(every // 2, 64, every))]
    assert known.sum() == np.isfinite(sampled).sum()
    assert known.sum() / np.isfinite(whole.values).sum() == pytest.approx(share, rel=0.1)


def test_everything_else_stays(tmp_path: Path) -> None:
    thin = Thinned(SCENES, label="depth")
    assert (len(thin), thin.classes, thin.keys()) == (2, SCENES.classes, SCENES.keys())
    sample, before = thin[1], SCENES[1]
    np.testing.assert_array_equal(sample.image, before.image)
    np.testing.assert_array_equal(sample.labels["semantic"].ids, before.labels["semantic"].ids)
    without = Scenes(count=2, size=(48, 64), seed=3, labels=("semantic",))
    assert set(Thinned(without, label="depth")[0].labels) == {"semantic"}


def test_what_is_no_map_of_numbers_is_refused() -> None:
    with pytest.raises(DataError, match=r"Thinned.label='semantic' is a ClassMap, expected a ScalarMap"):
        Thinned(SCENES, label="semantic")[0]
    with pytest.raises(SpecError, match=r"got Thinned.every=0, expected a whole number >= 1"):
        Thinned(SCENES, label="depth", every=0)
