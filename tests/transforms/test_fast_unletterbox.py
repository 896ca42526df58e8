"""The fast way back from the network's input against the general one, and its limits."""

from dataclasses import replace

import numpy as np
import pytest

from fakes import normal_map, picture, scalar_map
from hydranet.annotations import Annotation, Boxes, ClassMap, NormalMap, ScalarMap
from hydranet.transforms import fast_unletterbox, warp
from hydranet.transforms.view import View
from hydranet.transforms.warp import flip, letterbox, random_view, stretch, unwarp
from hydranet.transforms.warp_maps import image_of

SIZES = [((75, 240), (64, 160)), ((40, 30), (64, 160)), ((64, 160), (64, 160)), ((33, 71), (32, 64))]


def smooth(kind: type[Annotation], size: tuple[int, int]) -> Annotation:
    """A map without holes, as networks predict it."""
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float32) / 20
    if kind is ScalarMap:
        return ScalarMap(20 + 5 * np.sin(x) + 5 * np.cos(y), unit="m")
    xyz = np.stack([np.sin(x), np.cos(y), -np.ones_like(x)])
    return NormalMap(xyz / np.linalg.norm(xyz, axis=0))


@pytest.mark.parametrize("make", [letterbox, stretch])
@pytest.mark.parametrize("kind", [ScalarMap, NormalMap])
@pytest.mark.parametrize(("size", "to"), SIZES)
def test_it_gives_what_the_general_warp_gives(
    make: type, kind: type[Annotation], size: tuple[int, int], to: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    view, seen = make(size, to), smooth(kind, to)
    field = kind.arrays()[0]
    assert fast_unletterbox.unfitted(seen, view, size) is not None
    fast = getattr(unwarp(seen, view, size), field)
    monkeypatch.setattr(warp, "unfitted", lambda *_: None)
    general = getattr(unwarp(seen, view, size), field)
    assert fast.shape == general.shape
    assert fast.dtype == general.dtype
    inner = (..., slice(4, -4), slice(4, -4))
    np.testing.assert_allclose(fast[inner], general[inner], rtol=2e-2, atol=2e-2)  # OpenCV warps in 1/32 of a pixel
    np.testing.assert_allclose(fast, general, atol=1.0)  # and the rim is one pixel's affair


@pytest.mark.parametrize("make", [letterbox, stretch])
@pytest.mark.parametrize(("size", "to"), SIZES)
def test_classes_are_those_at_the_centers_of_pixels(make: type, size: tuple[int, int], to: tuple[int, int]) -> None:
    rng, view = np.random.default_rng(0), make(size, to)
    ids, sure = rng.integers(0, 9, to).astype(np.uint8), rng.random(to).astype(np.float32)
    seen = unwarp(ClassMap(ids, confidence=sure), view, size)
    assert isinstance(seen, ClassMap)
    for row in range(size[0]):
        for column in range(size[1]):
            x, y = np.floor(view.points(np.array([column + 0.5, row + 0.5])) + 1e-9).astype(int)
            assert seen.ids[row, column] == ids[y, x]
            assert seen.confidence[row, column] == sure[y, x]


def test_classes_are_nearly_those_of_the_general_warp(monkeypatch: pytest.MonkeyPatch) -> None:
    size, view = (375, 1242), letterbox((375, 1242), (192, 640))
    ids = np.random.default_rng(0).integers(0, 9, view.size).astype(np.uint8)
    fast = unwarp(ClassMap(ids), view, size)
    monkeypatch.setattr(warp, "unfitted", lambda *_: None)
    general = unwarp(ClassMap(ids), view, size)
    assert isinstance(fast, ClassMap)
    assert isinstance(general, ClassMap)
    assert (fast.ids != general.ids).mean() < 0.01  # OpenCV rounds places to 1/1024 of a pixel


@pytest.mark.parametrize(("size", "to"), SIZES)
def test_a_letterboxed_picture_is_that_of_the_general_warp(
    size: tuple[int, int], to: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    image, view = picture(np.random.default_rng(0), *size), letterbox(size, to)
    fast = image_of(image, view)
    monkeypatch.setattr("hydranet.transforms.warp_maps.resized", lambda *_: None)
    difference = np.abs(fast.astype(int) - image_of(image, view))
    assert difference.max() <= 8  # OpenCV's warps round places to 1/32 of a pixel
    assert difference.mean() < 0.5


@pytest.mark.parametrize("make", [letterbox, stretch])
@pytest.mark.parametrize("count", [0, 1, 50])
@pytest.mark.parametrize(("size", "to"), SIZES)
def test_boxes_are_those_of_the_general_warp_to_the_bit(
    make: type, count: int, size: tuple[int, int], to: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    rng, view = np.random.default_rng(count), make(size, to)
    corners = rng.uniform(-20, max(to) + 20, (count, 2, 2)).astype(np.float32)
    xyxy = np.concatenate([corners.min(1), corners.max(1)], 1)  # some reach beyond the image, some lie outside
    boxes = Boxes(xyxy, rng.integers(0, 3, count), rng.random(count).astype(np.float32))
    assert fast_unletterbox.unfitted(boxes, view, size) is not None
    fast = unwarp(boxes, view, size)
    monkeypatch.setattr(warp, "unfitted", lambda *_: None)
    general = unwarp(boxes, view, size)
    for name in ("xyxy", "label", "score"):
        np.testing.assert_array_equal(getattr(fast, name), getattr(general, name))
        assert getattr(fast, name).dtype == getattr(general, name).dtype


def test_equal_sizes_have_one_letterbox_that_nobody_changes() -> None:
    view = letterbox((75, 240), (64, 160))
    assert letterbox((75, 240), (64, 160)) is view
    with pytest.raises(ValueError, match="read-only"):
        view.matrix[0, 0] = 2


def test_what_is_no_plain_fit_takes_the_general_way() -> None:
    rng, size = np.random.default_rng(0), (32, 64)
    seen = smooth(ScalarMap, size)
    assert fast_unletterbox.unfitted(scalar_map(rng, *size), letterbox(size, size), size) is None  # it has holes
    assert fast_unletterbox.unfitted(normal_map(rng, *size), letterbox(size, size), size) is None
    assert fast_unletterbox.unfitted(seen, flip(size), size) is None
    assert fast_unletterbox.unfitted(seen, random_view((50, 50), size, rng, rotate_rad=0.2), (50, 50)) is None
    assert fast_unletterbox.unfitted(replace(seen, unit="px"), letterbox(size, size), size) is None
    classes = ClassMap(np.zeros(size, np.uint8), probs=np.ones((1, *size), np.float32))
    assert fast_unletterbox.unfitted(classes, letterbox(size, size), size) is None  # probabilities are interpolated
    assert fast_unletterbox.window(View(np.diag([0.3, 0.3, 1.0]), size), size) is None


@pytest.mark.parametrize("kind", [ScalarMap, NormalMap])
def test_a_single_pixel_that_is_no_number_is_seen(kind: type) -> None:
    size = (32, 64)
    seen, view = smooth(kind, size), letterbox(size, size)
    assert fast_unletterbox.unfitted(seen, view, size) is not None
    (name,) = kind.arrays()[:1]
    for odd in (np.nan, np.inf, -np.inf):
        values = getattr(seen, name).copy()
        values[..., -1, 5] = odd
        assert fast_unletterbox.unfitted(replace(seen, **{name: values}), view, size) is None
    huge = np.full_like(getattr(seen, name), 3e38)
    assert fast_unletterbox.unfitted(ScalarMap(huge.reshape(-1, 64)[:32]), view, size) is not None
