"""The face network of the examples: its points lie where persons put them, also in mirrored images."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from hydranet.annotations import Keypoints
from hydranet.datasets.face_keypoints import EYE_CORNERS, MIRROR, POINTS, FaceKeypoints

FILE = Path(__file__).parents[2] / "examples/face_teachers.py"


@pytest.fixture(scope="module")
def teacher() -> ModuleType:
    spec = importlib.util.spec_from_file_location("face_teachers", FILE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    try:
        module.weights()
    except OSError as error:
        pytest.skip(f"no npm here: {error}")
    return module


def in_face(teacher: ModuleType, image: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """What it says of the square around a face, in pixels of the image."""
    low, high = xy.min(0), xy.max(0)
    center, half = (low + high) / 2, 0.7 * (high - low).max()
    left, top = np.maximum(center - half, 0).astype(int)
    right, bottom = np.minimum(center + half, image.shape[1::-1]).astype(int)
    answer = teacher.points(np.ascontiguousarray(image[top:bottom, left:right]))["keypoints"]
    assert isinstance(answer, Keypoints)
    found: np.ndarray = answer.xy[0] + (left, top)
    return found


def test_points_lie_where_persons_put_them(teacher: ModuleType, data_root: Path) -> None:
    faces = FaceKeypoints(str(data_root / "face_keypoints"), split="val")
    errors = []
    for index in range(0, len(faces), 8):
        sample = faces[index]
        label = sample.labels["keypoints"]
        assert isinstance(label, Keypoints)
        xy = label.xy[0]
        far = np.linalg.norm(in_face(teacher, sample.image, xy) - xy, axis=1).mean()
        errors.append(far / np.linalg.norm(np.subtract(*xy[list(EYE_CORNERS)])))
    assert np.median(errors) < 0.07


def test_a_mirrored_face_has_mirrored_points(teacher: ModuleType) -> None:
    image = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    points, mirrored = (teacher.points(np.ascontiguousarray(one))["keypoints"].xy[0] for one in (image, image[:, ::-1]))
    assert points.shape == (POINTS, 2)
    np.testing.assert_allclose(mirrored[list(MIRROR)] * (-1, 1) + (200, 0), points, atol=1e-3)
