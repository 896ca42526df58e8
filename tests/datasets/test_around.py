"""Images cut to the surroundings of their one object: the square is the cascade's, and labels go with the pixels."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytest

from hydranet.annotations import Annotation, Boxes, Keypoints, Tag
from hydranet.core.dataset import Dataset
from hydranet.core.sample import DataError, Sample
from hydranet.core.spec import SpecError
from hydranet.data.overlap import bare
from hydranet.datasets.around import Around
from hydranet.datasets.subset import Subset
from hydranet.datasets.unlike import Unlike

IMAGE = np.arange(40 * 60 * 3, dtype=np.uint32).reshape(40, 60, 3).astype(np.uint8)


@dataclass(frozen=True, eq=False)
class Given(Dataset):
    labels: Mapping[str, Annotation]

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Sample:
        return Sample(IMAGE, dict(self.labels), key="a.png")


def points(*xy: tuple[float, float], visible: tuple[int, ...] = ()) -> Keypoints:
    return Keypoints(np.float32([xy]), np.array([visible or (2,) * len(xy)]))


def test_the_square_has_its_margin_and_points_go_with_it() -> None:
    face = points((20, 10), (30, 14), (0, 0), visible=(2, 2, 0))
    sample = Around(Given({"face": face}), label="face", margin=0.2)[0]
    assert np.array_equal(sample.image, IMAGE[5:19, 18:32])  # 10 wide + 2 x 2, around (25, 12)
    moved = sample.labels["face"]
    assert isinstance(moved, Keypoints)
    np.testing.assert_allclose(moved.xy[0, :2], [[2, 5], [12, 9]])
    assert moved.visible.tolist() == [[2, 2, 0]]


def test_a_square_at_the_border_ends_there() -> None:
    box = Boxes(np.float32([[50, 30, 60, 40]]), np.array([0]))
    sample = Around(Given({"cars": box}), label="cars", margin=0.5)[0]
    assert np.array_equal(sample.image, IMAGE[25:, 45:])


def test_a_crop_is_still_the_image_that_it_was_cut_from() -> None:
    """Else a network could train on crops of the images that it is scored on, and nobody would say so."""
    whole = Given({"face": points((20, 10), (30, 14))})
    cut = Around(whole, label="face")
    assert bare(cut) is whole
    part = bare(Subset(cut, "0"))
    assert isinstance(part, Subset)
    assert part.dataset is whole
    with pytest.raises(DataError, match="all of the 1 images look like"):
        len(Unlike(cut, whole))


@pytest.mark.parametrize(
    "labels",
    [
        {},
        {"face": points((5, 5), visible=(0,))},
        {"face": Boxes(np.zeros((0, 4), np.float32), np.zeros(0, int))},
    ],
)
def test_without_an_object_an_image_stays_whole(labels: Mapping[str, Annotation]) -> None:
    assert np.array_equal(Around(Given(labels), label="face")[0].image, IMAGE)


def test_what_has_no_one_place_is_refused() -> None:
    two = Boxes(np.float32([[1, 1, 5, 5], [2, 2, 9, 9]]), np.array([0, 0]))
    with pytest.raises(DataError, match=r"a\.png: 2 instances in 'cars', expected one"):
        Around(Given({"cars": two}), label="cars")[0]
    with pytest.raises(DataError, match="label 'kind': a Tag has no instances; name a label of boxes"):
        Around(Given({"kind": Tag(np.asarray(1))}), label="kind")[0]
    with pytest.raises(SpecError, match=r"Around\.margin"):
        Around(Given({}), label="cars", margin=-1)
