"""Sources that share images: none of them trains on what another one scores."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from hydranet.core.dataset import Dataset
from hydranet.core.sample import DataError
from hydranet.data.apart import apart
from hydranet.datasets.folder import Folder
from hydranet.datasets.subset import Subset


def images(root: Path, numbers: range) -> Folder:
    """Images that do not look alike; one of a number is the same in every folder."""
    root.mkdir(parents=True)
    for i in numbers:
        coarse = np.random.default_rng(i).integers(0, 255, (6, 8, 3), dtype=np.uint8)
        cv2.imwrite(str(root / f"{i}.png"), cv2.resize(coarse, (64, 48), interpolation=cv2.INTER_NEAREST))
    return Folder(str(root))


def numbers(dataset: Dataset) -> list[int]:
    keys = dataset.keys()
    return sorted(int(Path(key).stem) for key in keys)


def test_images_that_another_source_scores_train_nothing(tmp_path: Path) -> None:
    one, other, third = (images(tmp_path / f"{i}", range(i, i + 10)) for i in (0, 5, 40))
    parts = [(Subset(one, "0-7"), Subset(one, "8-9")), (Subset(other, "2-9"), Subset(other, "0-1"))]
    alone = (Subset(third, "0-7"), Subset(third, "8-9"))
    first, second, same = apart([*parts, alone])
    assert (numbers(first[0]), numbers(first[1])) == ([0, 1, 2, 3, 4, 7], [8, 9])
    assert (numbers(second[0]), numbers(second[1])) == ([7, 10, 11, 12, 13, 14], [5, 6])
    assert "2 images left out, looks like an image that it must not be among" in str(first[0].ledger().sentences())
    assert same == alone


def test_nothing_left_to_train_on_is_an_error(tmp_path: Path) -> None:
    one, other = images(tmp_path / "a", range(4)), images(tmp_path / "b", range(2, 4))
    with pytest.raises(DataError, match="all of the 2 images look like one of those they must not be among"):
        apart([(Subset(one, "0-1"), Subset(one, "2-3")), (other, Subset(one, "0-1"))])
