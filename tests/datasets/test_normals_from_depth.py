"""Normals from depth: exact on planes, sharp at creases, close to published ones."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hydranet.annotations import NormalMap, ScalarMap
from hydranet.core.sample import Camera
from hydranet.datasets.nyuv2 import NyuV2Examples
from hydranet.io.normals_from_depth import normals_from_depth

CAMERA = Camera(np.array([[60.0, 0, 33], [0, 55, 22], [0, 0, 1]]))
SIZE = (48, 64)


def rays() -> np.ndarray:
    v, u = np.indices(SIZE) + 0.5
    return np.stack([(u - 33) / 60, (v - 22) / 55, np.ones(SIZE)])


def plane(normal: np.ndarray, distance_m: float) -> np.ndarray:
    """Depth of the points with -normal·P = distance."""
    return distance_m / -np.tensordot(normal, rays(), axes=1)


def angle_deg(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.degrees(np.arccos(np.clip((a * b).sum(0), -1, 1)))


@settings(max_examples=25, deadline=None)
@given(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5), st.floats(0.5, 60))
def test_a_plane_has_its_normal_everywhere(x: float, y: float, distance_m: float) -> None:
    normal = np.array([x, y, -1]) / np.linalg.norm([x, y, 1])
    seen = normals_from_depth(plane(normal, distance_m), CAMERA).xyz
    assert seen.dtype == np.float32
    assert angle_deg(seen, normal[:, None, None]).max() < 0.1


def test_the_road_points_up_and_a_wall_to_the_camera() -> None:
    road = normals_from_depth(np.where(rays()[1] > 0.05, 1.5 / np.maximum(rays()[1], 0.05), np.nan), CAMERA).xyz
    assert np.nanmax(angle_deg(road, np.array([0, -1, 0])[:, None, None])) < 0.1, "y points down, so up is -y"
    wall = normals_from_depth(np.full(SIZE, 3.0), CAMERA).xyz
    assert np.nanmax(angle_deg(wall, np.array([0, 0, -1])[:, None, None])) < 0.1


def test_unknown_depth_has_unknown_normals() -> None:
    depth = np.full(SIZE, 3.0)
    depth[:, 30:] = np.nan
    depth[5, 5] = 0
    seen = np.isfinite(normals_from_depth(depth, CAMERA).xyz)
    expected = np.isfinite(depth) & (depth > 0)
    assert np.array_equal(seen, np.broadcast_to(expected, seen.shape))
    lonely = np.full(SIZE, np.nan)
    lonely[20, 20] = 3.0
    assert np.isnan(normals_from_depth(lonely, CAMERA).xyz).all()


def test_a_jump_in_depth_bends_nothing() -> None:
    depth = np.full(SIZE, 3.0)
    depth[:, 32:] = 6.0
    seen = normals_from_depth(depth, CAMERA).xyz
    assert np.nanmax(angle_deg(seen, np.array([0, 0, -1])[:, None, None])) < 3


def test_published_normals_are_met(data_root: Path) -> None:
    sample = NyuV2Examples(str(data_root / "nyuv2" / "drsleep_examples"))[1]
    depth, truth = sample.labels["depth"], sample.labels["normals"]
    assert isinstance(depth, ScalarMap)
    assert isinstance(truth, NormalMap)
    assert sample.camera is not None
    seen = normals_from_depth(depth.values, sample.camera).xyz
    error = angle_deg(seen, truth.xyz)
    error = error[np.isfinite(error)]
    assert error.mean() < 6
    assert np.median(error) < 3
    assert (error < 11.25).mean() > 0.88


@pytest.mark.parametrize("radius_px", [2, 8])
def test_window_size_does_not_matter_on_a_plane(radius_px: int) -> None:
    normal = np.array([0.3, -0.2, -1]) / np.linalg.norm([0.3, -0.2, -1])
    seen = normals_from_depth(plane(normal, 4.0), CAMERA, radius_px).xyz
    assert angle_deg(seen, normal[:, None, None]).max() < 0.1
