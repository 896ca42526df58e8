"""The camera of an image, and how it travels with a batch."""

import numpy as np
import pytest
import torch

from hydranet.annotations import ScalarMap
from hydranet.core.batch import collate
from hydranet.core.sample import Camera, DataError, Sample, intrinsics
from hydranet.training.meta_gradients import select_images
from hydranet.transforms.augment import fit
from hydranet.transforms.view import View, crop
from hydranet.transforms.warp import warp

PIXELS = np.zeros((32, 64, 3), np.uint8)


def test_a_centered_camera_looks_through_the_middle() -> None:
    camera = Camera.centered(50.0, (32, 64))
    assert intrinsics([camera, None])[0].tolist() == [50, 50, 32, 16]
    assert np.isnan(intrinsics([camera, None])[1]).all()
    assert intrinsics([]).shape == (0, 4)
    assert Camera(np.array([[40.0, 0, 1], [0, 90, 1], [0, 0, 1]])).focal_px == 60


@pytest.mark.parametrize("matrix", [np.eye(2), np.diag([-1.0, 1, 1]), np.full((3, 3), np.nan), np.diag([0.0, 1, 1])])
def test_a_matrix_of_no_camera_is_refused(matrix: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"got a camera matrix .*, expected \[\[fx, 0, cx\]"):
        Camera(matrix)


def test_a_batch_holds_the_camera_of_each_image_and_nan_for_none() -> None:
    samples = [Sample(PIXELS, camera=Camera.centered(float(f), (32, 64)) if f else None, key=str(f)) for f in (0, 5, 9)]
    batch = collate(samples)
    assert batch.camera.dtype == torch.float32
    assert batch.camera[1:, 0].tolist() == [5, 9]
    assert batch.camera[0].isnan().all()
    assert batch.to("cpu").camera[1:].equal(batch.camera[1:])
    assert select_images(batch, [2, 1]).camera[:, 0].tolist() == [9, 5]


def test_a_device_keeps_what_teachers_added() -> None:
    batch = collate([Sample(PIXELS)])
    assert batch.to("cpu").distillation == batch.distillation


def test_a_letterbox_scales_the_camera_and_a_zoom_scales_distances() -> None:
    """Both say the same of the world: focal length over distance is what the image shows."""
    depth = ScalarMap(np.full((32, 64), 12.0, np.float32), "m")
    sample = Sample(PIXELS, {"depth": depth}, Camera.centered(60.0, (32, 64)))
    fitted, _ = fit(sample, (64, 128))
    assert intrinsics([fitted.camera])[0].tolist() == [120, 120, 64, 32]
    assert np.nanmedian(fitted.labels["depth"].values) == 12
    zoomed = warp(sample, View(np.diag([2.0, 2, 1]), (64, 128), 2.0).then(crop(16, 32, (32, 64))))
    assert intrinsics([zoomed.camera])[0].tolist() == [60, 60, 32, 16]
    assert np.nanmedian(zoomed.labels["depth"].values) == 6
