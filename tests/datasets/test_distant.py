"""The sky is far: labeled so from classes, learned as the end of the range, not scored, and still far after a warp."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from hydranet.annotations import ClassMap, ScalarMap
from hydranet.core.dataset import Dataset
from hydranet.core.sample import Sample
from hydranet.core.spec import SpecError
from hydranet.datasets.distant import Distant
from hydranet.tasks.depth.task import Depth
from hydranet.transforms.augment import Augment, fit

IDS = np.array([[0, 0, 1, 255], [0, 1, 1, 1], [2, 2, 1, 1], [2, 2, 0, 0]], np.uint8)


@dataclass(frozen=True)
class Streets(Dataset):
    """One image whose upper half is sky; with `lidar`, one pixel of it was measured all the same (a roof)."""

    lidar: bool = False

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        return {"semantic": ("sky", "road", "car")}

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Sample:
        ids = IDS.repeat(16, 0).repeat(16, 1)
        labels = {"semantic": ClassMap(ids)}
        if self.lidar:
            meters = np.full(ids.shape, np.nan, np.float32)
            meters[0, 0] = 12.0
            labels["depth"] = ScalarMap(meters, unit="m")
        return Sample(np.zeros((*ids.shape, 3), np.uint8), labels, key="street")


def test_classes_become_distances() -> None:
    depth = Distant(Streets(), label="semantic", names=("sky", "car"), every=1)[0].labels["depth"]
    assert depth.unit == "m"
    assert np.array_equal(np.isinf(depth.values[::16, ::16]), (IDS == 0) | (IDS == 2))
    assert np.isnan(depth.values[::16, ::16][(IDS == 1) | (IDS == 255)]).all()


def test_a_share_is_labeled_and_what_was_measured_stays() -> None:
    depth = Distant(Streets(lidar=True), label="semantic", names=("sky",), every=4)[0].labels["depth"]
    assert depth.values[0, 0] == 12.0
    assert np.isinf(depth.values).sum() == 5 * 16 * 16 // 16 - 1


@pytest.mark.parametrize("size", [(64, 64), (40, 72)])
def test_far_is_far_in_a_zoomed_image(size: tuple[int, int]) -> None:
    sample = Distant(Streets(), label="semantic", names=("sky",), every=1)[0]
    for zoomed in (fit(sample, size)[0], Augment(scale=(1.5, 1.5))(sample, size, np.random.default_rng(0))):
        ids, values = zoomed.labels["semantic"].ids, zoomed.labels["depth"].values
        assert np.isinf(values).any()
        assert not np.isfinite(values).any()
        assert (np.isinf(values) == (ids == 0)).mean() > 0.9


def test_far_is_learned_as_the_end_of_the_range_and_not_scored() -> None:
    raw = torch.randn(1, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    camera = torch.tensor([[200.0, 200.0, 8.0, 8.0]])
    for focal in (None, 300.0):
        task = Depth("depth", min_m=1.0, max_m=50.0, objective="log_l1", canonical_focal_px=focal)
        ends = [
            task.loss(raw, ScalarMap(torch.full((1, 16, 16), far), unit="m"), camera) for far in (float("inf"), 50.0)
        ]
        assert ends[0].total == ends[1].total > 0
        assert ends[0].count == ends[1].count == 256
    far = ScalarMap(np.full((16, 16), np.inf, np.float32), unit="m")
    assert task.measure(ScalarMap(np.full((16, 16), 3.0, np.float32), unit="m"), far)["images"] == 0


def test_what_is_refused() -> None:
    with pytest.raises(SpecError, match=r"class map .* called 'lanes'; there are: semantic"):
        Distant(Streets(), label="lanes", names=("sky",))
    with pytest.raises(SpecError, match=r"called 'sjy'.*sky"):
        Distant(Streets(), label="semantic", names=("sjy",))
    with pytest.raises(SpecError, match="every=0, expected"):
        Distant(Streets(), label="semantic", names=("sky",), every=0)
