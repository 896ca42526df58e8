"""Crops of traffic signs, and what their mirror images mean."""

import numpy as np
import pytest

from hydranet.core.batch import collate
from hydranet.datasets.scenes.crops import SceneSigns
from hydranet.datasets.scenes.signs import CLASSES, MIRROR, design
from hydranet.transforms.warp import can_flip, flip, warp


def covered(label: int, mirrored: bool) -> np.ndarray:
    """float 41 41 3: the sign on a grid, drawn by asking each polygon which points it holds."""
    grid = np.linspace(-1, 1, 41)
    x, y = np.meshgrid(-grid if mirrored else grid, grid)
    picture = np.zeros((41, 41, 3))
    for points, color in design(label):
        ends = np.roll(points, -1, axis=0)
        turn = [(b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0]) for a, b in zip(points, ends, strict=True)]
        picture[np.min(turn, axis=0) >= -1e-9] = color
    return picture


def test_crops_are_repeatable_and_cover_all_classes() -> None:
    signs = SceneSigns(count=80, seed=2)
    again = SceneSigns(count=80, seed=2)
    assert all(np.array_equal(signs[i].image, again[i].image) for i in (5, 0, 3))
    assert not np.array_equal(signs[0].image, SceneSigns(seed=3)[0].image)
    assert {int(signs[i].labels["sign"].label) for i in range(80)} == set(range(len(CLASSES)))
    assert signs[0].image.shape == (64, 64, 3)
    assert signs.classes == {"sign": CLASSES}


def test_a_mirror_image_is_the_sign_that_mirror_names() -> None:
    for label, other in enumerate(MIRROR):
        if other >= 0:
            assert MIRROR[other] == label
            assert np.mean(covered(label, mirrored=True) != covered(other, mirrored=False)) < 0.01
        else:
            found = [np.mean(covered(label, True) != covered(k, False)) for k in range(len(CLASSES))]
            assert min(found) > 0.01


def test_flipping_respects_the_class() -> None:
    samples = {CLASSES[int(s.labels["sign"].label)]: s for s in map(SceneSigns(count=80).__getitem__, range(80))}
    left = warp(samples["turn left"], flip((64, 64)))
    assert CLASSES[int(left.labels["sign"].label)] == "turn right"
    assert not can_flip(samples["stop"])
    assert not can_flip(samples["speed 30"])


def test_crops_make_a_batch() -> None:
    batch = collate([SceneSigns()[i] for i in range(4)])
    assert batch.labels["sign"].label.shape == (4,)


def test_the_end_is_an_error() -> None:
    with pytest.raises(IndexError, match=r"got sign 4, expected 0..3"):
        SceneSigns(count=4)[4]
