"""Views compose and invert, and every kind of label follows its image."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as oracle

from fakes import FAKES, picture
from hydranet.annotations import (
    UNKNOWN_ID,
    Annotation,
    Boxes,
    ClassMap,
    NormalMap,
    Quantity,
    ScalarMap,
)
from hydranet.core.batch import stack
from hydranet.core.sample import DataError, Sample
from hydranet.transforms.warp import (
    View,
    crop,
    flip,
    letterbox,
    random_view,
    rotate,
    stretch,
    unwarp,
    warp,
    warp_annotation,
)

H, W = 40, 64
RNG = np.random.default_rng
sizes = st.tuples(st.integers(8, 400), st.integers(8, 400))


def same(a: Annotation, b: Annotation) -> None:
    """Equal in every array and every bit."""
    for name in a.arrays():
        one, two = getattr(a, name), getattr(b, name)
        assert (one is None) == (two is None), name
        if one is not None:
            np.testing.assert_array_equal(one, two, err_msg=name)


# --- every kind ---------------------------------------------------------------------------------------------------


def test_every_kind_has_a_fake():
    assert set(FAKES) == set(Annotation.KINDS)


@pytest.mark.parametrize("kind", Annotation.KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_flip_twice_is_the_identity(kind, seed):
    label = FAKES[kind](RNG(seed), H, W)
    view = flip((H, W))
    same(warp_annotation(warp_annotation(label, view, (H, W)), view, (H, W)), label)


@pytest.mark.parametrize("kind", Annotation.KINDS)
def test_flip_changes_something(kind):
    label = FAKES[kind](RNG(0), H, W)
    flipped = warp_annotation(label, flip((H, W)), (H, W))
    if kind is not Quantity:
        with pytest.raises(AssertionError):
            same(flipped, label)


@pytest.mark.parametrize("kind", Annotation.KINDS)
def test_warped_labels_stack_and_leave_the_original_alone(kind):
    label, before = FAKES[kind](RNG(1), H, W), FAKES[kind](RNG(1), H, W)
    view = random_view((H, W), (24, 48), RNG(2), scale=(0.5, 2.0), rotate_rad=0.2, mirror=True)
    warped = [warp_annotation(label, view, (H, W)), warp_annotation(label, letterbox((H, W), (24, 48)), (H, W))]
    assert stack(warped).__class__ is kind
    same(label, before)


@pytest.mark.parametrize("kind", Annotation.KINDS)
def test_identity_view_changes_nothing(kind):
    label = FAKES[kind](RNG(3), H, W)
    same(warp_annotation(label, View.identity((H, W)), (H, W)), label)


@pytest.mark.parametrize("kind", Annotation.KINDS)
def test_magnified_and_back_is_the_identity(kind):
    """Enlarging by a whole number loses nothing, so that `unwarp` must give the label back."""
    label = FAKES[kind](RNG(4), H, W)
    view = letterbox((H, W), (3 * H + 20, 3 * W))
    back = unwarp(warp_annotation(label, view, (H, W)), view, (H, W))
    for name in kind.arrays():
        np.testing.assert_allclose(getattr(back, name), getattr(label, name), atol=1e-4, err_msg=name)


def test_unknown_kind_is_named():
    class Cloud(Annotation):
        pass

    try:
        with pytest.raises(TypeError, match=r"no geometry for a Cloud; add one in transforms/warp\.py"):
            warp_annotation(Cloud(), flip((H, W)), (H, W))
    finally:
        Annotation.KINDS = tuple(kind for kind in Annotation.KINDS if kind is not Cloud)


# --- views --------------------------------------------------------------------------------------------------------


@given(sizes, sizes)
@settings(max_examples=100, deadline=None)
def test_letterbox_and_back_moves_no_point(size, to):
    view = letterbox(size, to)
    corners = np.array([[0, 0], [size[1], size[0]], [size[1] / 3, size[0] / 2]])
    inside = view.points(corners)
    assert (inside >= -1e-9).all()
    assert (inside <= np.array(to[::-1]) + 1e-9).all()
    np.testing.assert_allclose(view.inverse(size).points(inside), corners, atol=1e-9)
    np.testing.assert_allclose(view.then(view.inverse(size)).matrix, np.eye(3), atol=1e-9)


@given(sizes, sizes, st.integers(0, 1000))
@settings(max_examples=100, deadline=None)
def test_letterbox_and_back_moves_a_box_less_than_half_a_pixel(size, to, seed):
    label = FAKES[Boxes](RNG(seed), *size)
    view = letterbox(size, to)
    back = unwarp(warp_annotation(label, view, size), view, size)
    np.testing.assert_allclose(back.xyxy, label.xyxy, atol=0.5)


@given(st.integers(0, 10_000), st.floats(1.0, 3.0), sizes)
@settings(max_examples=60, deadline=None)
def test_no_padding_at_scale_one_and_above(seed, scale, size):
    view = random_view(size, (H, W), RNG(seed), scale=(scale, scale))
    corners = view.inverse(size).points(np.array([[0, 0], [W, H]]))
    assert (corners >= -1e-6).all()
    assert (corners <= np.array(size[::-1]) + 1e-6).all()
    ratios = H / size[0], W / size[1]
    assert view.zoom == pytest.approx(scale * max(ratios) / min(ratios))


@pytest.mark.parametrize("size", [(375, 1242), (720, 1280), (640, 480)])
def test_what_is_one_size_in_training_and_in_deployment_is_at_one_distance(size):
    """A thing of so many pixels is so far away, whether it was cropped or letterboxed."""
    to = (192, 640)
    trained, deployed = random_view(size, to, RNG(0), scale=(1.0, 1.0)), letterbox(size, to)
    assert trained.scale[0] / trained.zoom == pytest.approx(deployed.scale[0], rel=0.01)


@given(st.floats(-3, 3), st.booleans(), st.floats(0.2, 4))
@settings(max_examples=60, deadline=None)
def test_turn_is_the_nearest_orthogonal_map(angle, mirrored, scale):
    view = rotate((H, W), angle).then(stretch((H, W), (round(H * scale), round(W * scale))))
    view = view.then(flip(view.size)) if mirrored else view
    u, _, v = np.linalg.svd(view.matrix[:2, :2])
    np.testing.assert_allclose(view.turn, u @ v, atol=1e-9)
    assert view.mirrored == mirrored


@pytest.mark.parametrize(
    ("matrix", "size", "zoom", "message"),
    [
        (np.eye(2), (4, 4), 1.0, "expected a finite 3x3 affine map"),
        (np.full((3, 3), np.nan), (4, 4), 1.0, "expected a finite 3x3 affine map"),
        (np.eye(3), (0, 4), 1.0, "got size .* at least one pixel"),
        (np.eye(3), (4, 4), 0.0, "got zoom 0.0, expected a factor above 0"),
    ],
)
def test_bad_views_are_refused(matrix, size, zoom, message):
    with pytest.raises(ValueError, match=message):
        View(matrix, size, zoom)


# --- images and maps, with torchvision as the oracle --------------------------------------------------------------


def tensor(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image.transpose(2, 0, 1).copy())


@pytest.mark.parametrize("to", [(80, 128), (100, 96), (20, 32), (13, 50)])
def test_resized_picture_is_torchvisions(to):
    image = picture(RNG(0), H, W)
    ours = warp(Sample(image), stretch((H, W), to)).image
    theirs = oracle.resize(tensor(image), list(to), antialias=True).numpy().transpose(1, 2, 0)
    assert np.abs(ours.astype(int) - theirs).max() <= 8
    assert np.abs(ours.astype(int) - theirs).mean() < 1


def test_flipped_picture_boxes_and_mask_are_torchvisions():
    rng, view = RNG(0), flip((H, W))
    image, box, mask = picture(rng, H, W), FAKES[Boxes](rng, H, W), FAKES[ClassMap](rng, H, W)
    seen = warp(Sample(image, {"box": box, "mask": mask}), view)
    np.testing.assert_array_equal(tensor(seen.image), oracle.horizontal_flip(tensor(image)))
    theirs = oracle.horizontal_flip(tv_tensors.BoundingBoxes(box.xyxy, format="XYXY", canvas_size=(H, W)))
    np.testing.assert_allclose(seen.labels["box"].xyxy, theirs.numpy(), atol=1e-4)
    np.testing.assert_array_equal(seen.labels["mask"].ids, oracle.horizontal_flip(torch.from_numpy(mask.ids)))


def test_rotated_picture_boxes_and_mask_are_torchvisions():
    """torchvision turns clockwise, as we do, and grows boxes to the hull too; it rounds no coordinate of floats."""
    rng, degrees = RNG(1), 20.0
    image, mask = picture(rng, H, W), FAKES[ClassMap](rng, H, W)
    box = Boxes(np.array([[20.0, 12, 40, 30]], dtype=np.float32), np.array([0]))
    seen = warp(Sample(image, {"box": box, "mask": mask}), rotate((H, W), np.radians(degrees)))
    turn = {"angle": degrees, "translate": [0, 0], "scale": 1.0, "shear": [0.0, 0.0]}
    theirs = oracle.affine(tensor(image), **turn, interpolation=oracle.InterpolationMode.BILINEAR, fill=114)
    inner = np.s_[8:-8, 16:-16]
    assert np.abs(seen.image[inner].astype(int) - theirs.numpy().transpose(1, 2, 0)[inner]).max() <= 3
    hull = oracle.affine(tv_tensors.BoundingBoxes(box.xyxy, format="XYXY", canvas_size=(H, W)), **turn)
    np.testing.assert_allclose(seen.labels["box"].xyxy, hull.numpy(), atol=1e-3)
    ids = oracle.affine(tv_tensors.Mask(torch.from_numpy(mask.ids)), **turn, fill=255).numpy()
    assert (seen.labels["mask"].ids == ids).mean() > 0.98


def test_cropped_picture_is_a_slice():
    image, label = picture(RNG(2), H, W), FAKES[ScalarMap](RNG(2), H, W)
    seen = warp(Sample(image, {"depth": label}), crop(5, 7, (20, 30)))
    np.testing.assert_array_equal(seen.image, image[5:25, 7:37])
    np.testing.assert_array_equal(seen.labels["depth"].values, label.values[5:25, 7:37])


def test_picture_and_labels_stay_together():
    """A square of one class, one depth and one box is where its color is, whatever the view."""
    image = np.zeros((120, 160, 3), dtype=np.uint8)
    image[30:90, 50:110] = 255
    bright = image[..., 0] > 127
    labels = {
        "class": ClassMap(bright.astype(np.uint8)),
        "depth": ScalarMap(np.where(bright, 5.0, 50.0).astype(np.float32), unit="m"),
        "box": Boxes(np.array([[50.0, 30, 110, 90]]), np.array([0])),
    }
    for seed in range(10):
        view = random_view((120, 160), (64, 96), RNG(seed), (0.6, 1.6), rotate_rad=0.3, mirror=bool(seed % 2))
        seen = warp(Sample(image, labels), view)
        known = seen.labels["class"].ids != UNKNOWN_ID
        white = seen.image[..., 0] > 127
        assert (white == (seen.labels["class"].ids == 1))[known].mean() > 0.985
        near = seen.labels["depth"].values * view.zoom < 20
        np.testing.assert_array_equal(near[known], (seen.labels["class"].ids == 1)[known])
        rows, columns = np.nonzero(seen.labels["class"].ids == 1)
        left, top, right, bottom = seen.labels["box"].xyxy[0]
        assert columns.min() >= left - 1
        assert columns.max() <= right
        assert abs(rows.min() - top) <= 1.5
        assert abs(rows.max() + 1 - bottom) <= 1.5


def test_padding_is_unknown_never_background():
    labels = {kind.__name__: FAKES[kind](RNG(0), H, W) for kind in (ClassMap, ScalarMap, NormalMap)}
    labels["ClassMap"] = ClassMap(np.zeros((H, W), dtype=np.uint8), probs=np.full((2, H, W), 0.5, dtype=np.float32))
    seen = warp(Sample(picture(RNG(0), H, W), labels), letterbox((H, W), (H + 20, W)))
    for rows in (np.s_[:10], np.s_[-10:]):
        assert (seen.image[rows] == 114).all()
        assert (seen.labels["ClassMap"].ids[rows] == UNKNOWN_ID).all()
        assert (seen.labels["ClassMap"].probs[:, rows] == 0).all()
        assert np.isnan(seen.labels["ScalarMap"].values[rows]).all()
        assert np.isnan(seen.labels["NormalMap"].xyz[:, rows]).all()
    assert (seen.labels["ClassMap"].ids[10:-10] == 0).all()


def test_no_class_id_is_invented():
    """Between class 0 and class 10 there is no class 5."""
    ids = np.where(np.indices((H, W)).sum(0) % 9 < 4, 0, 10).astype(np.uint8)
    for seed in range(5):
        view = random_view((H, W), (33, 57), RNG(seed), (0.5, 2.0), rotate_rad=0.5)
        assert set(np.unique(warp_annotation(ClassMap(ids), view, (H, W)).ids)) <= {0, 10, UNKNOWN_ID}


def test_maps_of_another_size_are_refused():
    label = FAKES[ClassMap](RNG(0), H, W)
    with pytest.raises(DataError, match=r"ClassMap of 40x64 for an image of 80x64; resize it"):
        warp_annotation(label, flip((80, W)), (80, W))
