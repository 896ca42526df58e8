"""Metric depth of several cameras: learned in a canonical focal length, decoded for the image's own."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from hydranet.annotations import ScalarMap
from hydranet.core.distillation_target import DistillationTarget
from hydranet.core.sample import Camera, intrinsics
from hydranet.core.spec import SpecError
from hydranet.models.heads.dense import full_size
from hydranet.tasks.depth.losses import LOSSES
from hydranet.tasks.depth.task import Depth

CANONICAL = Depth("depth", min_m=1.0, max_m=80.0, canonical_focal_px=100.0)
PLAIN = replace(CANONICAL, canonical_focal_px=None)
FOCALS = (50.0, 100.0, 200.0)


def cameras(*focals: float) -> Tensor:
    return torch.from_numpy(intrinsics([Camera.centered(focal, (16, 24)) for focal in focals]))


def raw(images: int) -> Tensor:
    return torch.randn(images, 1, 4, 6, generator=torch.Generator().manual_seed(0)) * 0.2


def test_one_output_means_distances_in_proportion_to_the_focal_length() -> None:
    """What a camera of twice the focal length shows alike is twice as far away."""
    decoded = CANONICAL.decode(raw(1).expand(3, -1, -1, -1), cameras(*FOCALS))
    plain = PLAIN.decode(raw(1)).values
    torch.testing.assert_close(decoded.values[1:2], plain)
    torch.testing.assert_close(decoded.values[0:1], plain / 2)
    torch.testing.assert_close(decoded.values[2:3], plain * 2)


def test_focal_lengths_of_both_axes_count_as_their_geometric_mean() -> None:
    squeezed = torch.tensor([[25.0, 400.0, 12.0, 8.0]])
    torch.testing.assert_close(
        CANONICAL.decode(raw(1), squeezed).values, CANONICAL.decode(raw(1), cameras(100.0)).values
    )


@pytest.mark.parametrize("objective", LOSSES)
def test_the_loss_is_zero_exactly_where_decoding_gives_the_label(objective: str) -> None:
    task = replace(CANONICAL, objective=objective)
    z, camera = raw(3), cameras(*FOCALS)
    ratio = torch.tensor(FOCALS)[:, None, None] / 100
    perfect = task.meters(full_size(z)) * ratio
    assert ((perfect > task.min_m) & (perfect < task.max_m)).all()
    loss = task.loss(z, ScalarMap(perfect, "m"), camera)
    assert float(loss.mean()) == pytest.approx(0, abs=1e-5)
    assert float(task.loss(z, ScalarMap(perfect, "m"), cameras(100, 50, 100)).mean()) > 0.02


def test_a_head_that_sees_only_looks_fits_two_cameras_and_a_third_only_with_a_canonical_focal_length() -> None:
    """The image shows f / d alone. One free number per look: without the focal length no number is right for both."""
    looks = torch.tensor([-0.5, 0.0, 0.5])  # by image, log(d / f) up to a constant
    distances = {focal: 10.0 * focal / 100 * looks.exp() for focal in (80.0, 120.0, 200.0)}

    def fitted(task: Depth) -> Tensor:
        z = torch.zeros(3, 1, 4, 4, requires_grad=True)
        optimizer = torch.optim.Adam([z], lr=0.05)
        for _ in range(200):
            losses = [loss_of(task, z, focal) for focal in (80.0, 120.0)]
            optimizer.zero_grad()
            torch.stack(losses).sum().backward()
            optimizer.step()
        return z.detach()

    def loss_of(task: Depth, z: Tensor, focal: float) -> Tensor:
        label = ScalarMap(distances[focal][:, None, None].expand(3, 16, 16).contiguous(), "m")
        return task.with_camera(cameras(focal, focal, focal)).loss(z, label).mean()

    def abs_rel(task: Depth, z: Tensor, focal: float) -> float:
        decoded = task.with_camera(cameras(focal, focal, focal)).decode(z).values[:, 0, 0]
        return float(((decoded - distances[focal]).abs() / distances[focal]).mean())

    canonical, plain = replace(CANONICAL, objective="log_l1"), replace(PLAIN, objective="log_l1")
    z = fitted(canonical)
    assert max(abs_rel(canonical, z, focal) for focal in distances) < 0.02
    z = fitted(plain)
    assert max(abs_rel(plain, z, focal) for focal in (80.0, 120.0)) > 0.15
    assert abs_rel(plain, z, 200.0) > 0.35


def test_the_range_is_of_meters_in_the_scene() -> None:
    """A label of 60 m is learned, though a short focal length makes it 120 canonical meters; 90 m is not, nor shown."""
    label = ScalarMap(torch.full((2, 16, 24), 60.0), "m")
    label.values[1] = 90.0
    assert CANONICAL.loss(raw(2), label, cameras(50, 200)).count == 16 * 24
    far = CANONICAL.decode(torch.full((1, 1, 4, 6), 9.0), cameras(50)).values
    near = CANONICAL.decode(torch.full((1, 1, 4, 6), -9.0), cameras(200)).values
    assert (far.unique().item(), near.unique().item()) == (80.0, 1.0)


def test_sums_add_up_over_splits() -> None:
    label, camera = torch.rand(3, 16, 24, generator=torch.Generator().manual_seed(1)) * 50 + 1, cameras(*FOCALS)
    whole = CANONICAL.loss(raw(3), ScalarMap(label, "m"), camera)
    singles = [CANONICAL.loss(raw(3)[i : i + 1], ScalarMap(label[i : i + 1], "m"), camera[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(whole.total, sum(one.total for one in singles), rtol=1e-5, atol=1e-5)


def test_an_image_without_a_camera_has_unknown_depth_and_teaches_nothing() -> None:
    camera = cameras(100, 100)
    camera[1] = math.nan
    z = raw(2).requires_grad_()
    loss = CANONICAL.loss(z, ScalarMap(torch.full((2, 16, 24), 10.0), "m"), camera)
    loss.mean().backward()
    assert loss.count == 16 * 24
    assert z.grad is not None
    assert (z.grad[0] != 0).any()
    assert (z.grad[1] == 0).all()
    decoded = CANONICAL.decode(raw(2), camera).values
    assert decoded[0].isfinite().all()
    assert decoded[1].isnan().all()


def test_cameras_reach_all_that_a_task_does() -> None:
    seen = CANONICAL.with_camera(cameras(200))
    torch.testing.assert_close(seen.decode(raw(1)).values, CANONICAL.decode(raw(1), cameras(200)).values)
    torch.testing.assert_close(seen.to_label(raw(1)).values, seen.decode(raw(1)).values)
    label = ScalarMap(torch.full((1, 16, 24), 10.0), "m")
    taught = seen.distill(raw(1), DistillationTarget("depth", torch.arange(1), label))
    torch.testing.assert_close(taught.total, seen.loss(raw(1), label).total)
    assert PLAIN.with_camera(None) is PLAIN


def test_a_forgotten_camera_is_an_error_and_no_wrong_distance() -> None:
    for call in (lambda: CANONICAL.with_camera(None), lambda: CANONICAL.decode(raw(1))):
        with pytest.raises(ValueError, match="'depth' needs the cameras of its images, got none"):
            call()


@pytest.mark.parametrize("focal", [0.0, -3.0, math.inf, math.nan])
def test_a_canonical_focal_length_is_a_positive_number(focal: float) -> None:
    with pytest.raises(SpecError, match=f"got canonical_focal_px={focal}, expected a focal length above 0"):
        Depth("depth", canonical_focal_px=focal)


def test_it_is_part_of_what_the_weights_mean() -> None:
    assert CANONICAL.calibration()["canonical_focal_px"] == 100.0
    assert np.isfinite(CANONICAL.farthest_m)
