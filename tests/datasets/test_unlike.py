"""What trains without what is scored: the same image under another name, and another size of it, are left out."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from foreign_layouts import write
from hydranet.core.ledger import Omission
from hydranet.core.sample import DataError
from hydranet.datasets.masks import Masks
from hydranet.datasets.unlike import Unlike
from hydranet.io.fingerprint import content, perceptual_hash


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYDRANET_CACHE", str(tmp_path / "cache"))


def masks(root: Path, **images: np.ndarray) -> Masks:
    """A data set of these images by name."""
    for name, image in images.items():
        write(root / "images" / f"{name}.png", image)
        write(root / "masks" / f"{name}.png", np.zeros(image.shape[:2], np.uint8))
    return Masks(str(root), images="images", labels="masks", names=("a",))


def drawing(seed: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return cv2.resize(coarse, (96, 80), interpolation=cv2.INTER_CUBIC)


def test_images_of_the_other_set_are_left_out_and_named(tmp_path: Path) -> None:
    a, b, c, d = map(drawing, range(4))
    smaller = cv2.resize(b, (48, 40), interpolation=cv2.INTER_AREA)
    scored = masks(tmp_path / "val", v1=a, v2=smaller, v3=d)
    unlike = Unlike(masks(tmp_path / "train", t1=a, t2=b, t3=c), scored)
    assert [Path(key).stem for key in list(unlike.keys())] == ["t3"]
    assert len(unlike) == 1
    assert np.array_equal(unlike[0].image, c)
    assert list(unlike.fingerprints().values()) == [(content(c), perceptual_hash(c))]
    (note,) = [one for one in unlike.ledger().entries.values() if one.what is Omission.IMAGE_LEFT_OUT]
    assert note.count == 2
    assert [Path(name).stem for name in note.examples] == ["t1", "t2"]


def test_what_has_nothing_in_common_stays_whole(tmp_path: Path) -> None:
    own = masks(tmp_path / "train", t1=drawing(1), t2=drawing(2))
    unlike = Unlike(own, masks(tmp_path / "val", v1=drawing(3)))
    assert unlike.keys() == own.keys()
    assert unlike.ledger() == own.ledger()


def test_a_set_without_itself_is_empty(tmp_path: Path) -> None:
    own = masks(tmp_path, t1=drawing(1))
    with pytest.raises(DataError, match="all of the 1 images look like one of those they must not be among"):
        len(Unlike(own, own))
