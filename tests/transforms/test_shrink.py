"""How images become smaller: against a restatement pixel by pixel, without a shift, without flicker; and as before."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from hydranet.deploy.fitting import Fitting
from hydranet.deploy.graph_arrays import prepared
from hydranet.deploy.manifest import Input, Manifest, ManifestError
from hydranet.transforms.shrink import block_of
from hydranet.transforms.view import Size, View, letterbox, stretch
from hydranet.transforms.warp_maps import PAD, image_of

SIZES = [
    ((375, 1242), (192, 640)),
    ((96, 96), (64, 64)),  # 1.5: halves to the larger block
    ((97, 161), (40, 64)),  # neither side a multiple
    ((50, 91), (10, 13)),
    ((30, 40), (48, 64)),  # it grows
    ((383, 383), (192, 192)),  # as many blocks as pixels, which are a little narrower
    ((7, 5), (1, 1)),
]


def noise(size: Size, seed: int = 0) -> np.ndarray:
    small = np.random.default_rng(seed).integers(
        0, 256, (max(2, size[0] // 5), max(2, size[1] // 5), 3), dtype=np.uint8
    )
    return cv2.resize(small, size[::-1], interpolation=cv2.INTER_CUBIC)


def restated(image: np.ndarray, size: Size) -> np.ndarray:
    """Blocks, then linear, one axis after the other, in plain numbers."""
    rows, columns = image.shape[:2]
    factor = min(size[0] / rows, size[1] / columns)
    to = [max(1, round(side * factor)) for side in (rows, columns)]
    block = [max(1, int(old / new + 0.5)) for old, new in zip((rows, columns), to, strict=True)]
    means = np.array(
        [
            [
                np.mean(
                    [
                        image[min(y * block[0] + i, rows - 1), min(x * block[1] + j, columns - 1)].astype(float)
                        for i in range(block[0])
                        for j in range(block[1])
                    ],
                    axis=0,
                )
                for x in range(-(-columns // block[1]))
            ]
            for y in range(-(-rows // block[0]))
        ]
    )
    for axis in (0, 1):
        place = (np.arange(to[axis]) + 0.5) * image.shape[axis] / to[axis] / block[axis] - 0.5
        known = np.arange(means.shape[axis])
        means = np.apply_along_axis(lambda line, at=place, of=known: np.interp(at, of, line), axis, means)
    canvas = np.full((*size, 3), float(PAD))
    top, left = (size[0] - to[0]) // 2, (size[1] - to[1]) // 2
    canvas[top : top + to[0], left : left + to[1]] = means
    return canvas


@pytest.mark.parametrize(("size", "to"), SIZES)
def test_a_letterboxed_image_is_the_restated_one(size: Size, to: Size) -> None:
    image = noise(size)
    difference = np.abs(image_of(image, letterbox(size, to)) - restated(image, to))
    assert difference.max() <= 8 if size == (383, 383) else 2  # a general warp there, in 1/32 of a pixel
    assert difference.mean() < 0.6


@pytest.mark.parametrize(("size", "to"), [pair for pair in SIZES if min(pair[1]) > 1])
def test_nothing_is_shifted(size: Size, to: Size) -> None:
    """A ramp stays the ramp it was, to the far edge."""
    ramp = np.linspace(20, 230, size[1])
    image = np.repeat(np.broadcast_to(ramp.round().astype(np.uint8), size)[..., None], 3, axis=2)
    seen = image_of(image, stretch(size, to))
    inside = np.clip((np.arange(to[1]) + 0.5) * size[1] / to[1] - 0.5, 0, size[1] - 1)
    expected = np.interp(inside, np.arange(size[1]), ramp)
    assert np.abs(seen[:, 2:-2, 0] - expected[2:-2]).max() <= 1.5


@pytest.mark.parametrize("to", [(64, 64), (66, 66), (43, 43), (32, 32)])
def test_a_fine_pattern_becomes_gray(to: Size) -> None:
    checks = np.indices((128, 128)).sum(0) % 2 * 200
    seen = image_of(np.repeat(checks.astype(np.uint8)[..., None], 3, axis=2), stretch((128, 128), to))
    assert np.abs(seen.astype(int) - 100).max() <= 25


def test_blocks_are_the_nearest_whole_factor() -> None:
    assert block_of((1.0, 1.0)) == (1, 1)
    assert block_of((0.5, 1 / 3)) == (3, 2)
    assert block_of((1 / 1.49, 1 / 1.5)) == (2, 1)
    assert block_of((64 / 160, 3.0)) == (1, 3)


def test_a_view_that_turns_shrinks_too() -> None:
    checks = np.repeat((np.indices((120, 120)).sum(0) % 2 * 200).astype(np.uint8)[..., None], 3, axis=2)
    angle = 0.3
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 3]]) / 3
    seen = image_of(checks, View(turn, (30, 25)))
    assert np.abs(seen[8:20, 2:10].astype(int) - 100).max() <= 40


def manifest(fitting: Fitting | None) -> Manifest:
    return Manifest(name="by hand", input=Input((48, 64), fitting=fitting), heads={}, outputs={})


def test_files_that_learned_from_areas_still_see_areas() -> None:
    image = noise((90, 130), seed=1)
    by_area = cv2.resize(image, (64, 44), interpolation=cv2.INTER_AREA)
    for older in (Fitting(shrink="area"), None):
        ((seen,), _) = prepared([image], manifest(older), (48, 64))
        np.testing.assert_array_equal(seen[2:46], by_area)
        assert (seen[:2] == PAD).all()
    ((now,), _) = prepared([image], manifest(Fitting()), (48, 64))
    np.testing.assert_array_equal(now, image_of(image, letterbox((90, 130), (48, 64))))
    assert not np.array_equal(now[2:46], by_area)


def test_a_file_that_shrinks_in_an_unknown_way_is_refused() -> None:
    tree = json.loads(manifest(Fitting()).to_json())
    assert tree["input"]["fitting"]["shrink"] == "blocks"
    tree["input"]["fitting"]["shrink"] = "lanczos"
    with pytest.raises(ManifestError, match="got shrink='lanczos' for Fitting, expected blocks or area"):
        Manifest.from_json(json.dumps(tree))


def test_the_source_is_never_handed_out() -> None:
    image = noise((48, 64))
    for view in (View.identity((48, 64)), replace(View.identity((48, 64)), size=(60, 64))):
        image_of(image, view)[...] = 0
    assert image.any()
