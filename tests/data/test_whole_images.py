"""Images for a comparison: broken ones of a source that skips such are left out and counted."""

from dataclasses import dataclass

import numpy as np
import pytest

from hydranet.config.source import Source
from hydranet.core.dataset import Dataset
from hydranet.core.ledger import Omission
from hydranet.core.sample import DataError, Sample
from hydranet.data.whole_images import WholeImages


@dataclass(frozen=True)
class FiveOfWhichOneIsBroken(Dataset):
    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int) -> Sample:
        if index == 1:
            raise DataError("cut short")
        return Sample(np.zeros((8, 8, 3), np.uint8), key=f"{index}.png")


def test_broken_images_are_left_out_and_counted() -> None:
    whole = Source("whole", FiveOfWhichOneIsBroken(), (8, 8), on_error="skip")
    images = WholeImages([whole, Source("other", FiveOfWhichOneIsBroken(), (16, 16), on_error="skip")])
    assert [(sample.key, size) for sample, size in images] == [
        (f"{index}.png", size) for size in ((8, 8), (16, 16)) for index in (0, 2, 3, 4)
    ]
    assert images.left_out.count(Omission.IMAGE_LEFT_OUT) == 2
    assert "cut short" in "\n".join(images.left_out.sentences())
    assert [sample.key for sample, _ in WholeImages([whole], limit=3)] == ["0.png", "2.png"]


def test_elsewhere_a_broken_image_ends_it() -> None:
    with pytest.raises(DataError, match="whole, item 1: cut short"):
        list(WholeImages([Source("whole", FiveOfWhichOneIsBroken(), (8, 8))]))
