"""A random annotation of every kind, for tests that must hold for all of them. No two arrays of one kind are alike."""

from collections.abc import Callable

import numpy as np

from hydranet.annotations import (
    UNKNOWN_ID,
    Annotation,
    Boxes,
    ClassMap,
    Keypoints,
    NormalMap,
    Polylines,
    Quantity,
    ScalarMap,
    Tag,
)

CLASSES = 4


def class_map(rng: np.random.Generator, h: int, w: int) -> ClassMap:
    """Blocks of four classes, a tenth unknown, soft labels that agree with the ids."""
    ids = rng.integers(0, CLASSES, (-(-h // 8), -(-w // 8)), dtype=np.uint8).repeat(8, 0).repeat(8, 1)[:h, :w].copy()
    probs = np.eye(CLASSES, dtype=np.float32)[ids].transpose(2, 0, 1) * 0.8 + 0.2 / CLASSES
    ids[rng.random((h, w)) < 0.1] = UNKNOWN_ID
    return ClassMap(
        ids,
        probs=probs.astype(np.float32),
        annotated_classes=np.ones(CLASSES, dtype=bool),
        confidence=probs.max(0).astype(np.float32),
    )


def scalar_map(rng: np.random.Generator, h: int, w: int) -> ScalarMap:
    """Metres, 1..80, a fifth of the pixels unknown."""
    values = rng.uniform(1, 80, (h, w)).astype(np.float32)
    values[rng.random((h, w)) < 0.2] = np.nan
    return ScalarMap(values, unit="m")


def normal_map(rng: np.random.Generator, h: int, w: int) -> NormalMap:
    """Unit vectors facing the camera, a fifth unknown."""
    xyz = rng.normal(size=(3, h, w))
    xyz[2] = -np.abs(xyz[2]) - 0.1
    xyz /= np.linalg.norm(xyz, axis=0)
    xyz[:, rng.random((h, w)) < 0.2] = np.nan
    return NormalMap(xyz.astype(np.float32))


def boxes(rng: np.random.Generator, h: int, w: int) -> Boxes:
    """Five boxes inside the image, at least 4 px wide and high, with every optional array."""
    size = rng.uniform(4, [w / 2, h / 2], (5, 2))
    corner = rng.uniform(0, [w, h] - size)
    return Boxes(
        np.concatenate([corner, corner + size], axis=1).astype(np.float32),
        rng.integers(0, CLASSES, 5),
        score=rng.random(5).astype(np.float32),
        ignore=np.array([True, False, False, False, False]),
        truncation=rng.random(5).astype(np.float32),
        occlusion=rng.integers(0, 4, 5),
        track=rng.permutation(5),
        distance_m=np.array([12.5, 3.0, np.nan, 70.0, 8.0], np.float32),
        value=np.array([31.0, 4.5, 80.0, np.nan, 55.0], np.float32),
        annotated_classes=np.ones(CLASSES, dtype=bool),
    )


def polylines(rng: np.random.Generator, h: int, w: int) -> Polylines:
    """Three lines of up to six points, near to far, with every optional array."""
    points = rng.uniform(0, [w, h], (3, 6, 2)).astype(np.float32)
    points[..., 1] = -np.sort(-points[..., 1], axis=1)
    valid = np.arange(6) < np.array([[6], [4], [2]])
    return Polylines(
        points,
        valid,
        label=np.arange(3),
        score=rng.random(3).astype(np.float32),
        ignore=np.array([False, False, True]),
        track=np.array([7, 5, 6]),
        annotated_classes=np.ones(CLASSES, dtype=bool),
    )


def keypoints(rng: np.random.Generator, h: int, w: int) -> Keypoints:
    """Two instances of nose, left eye, right eye, with every optional array."""
    xy = rng.uniform(0, [w, h], (2, 3, 2)).astype(np.float32)
    visible = np.array([[2, 1, 2], [2, 0, 2]])
    return Keypoints(
        xy,
        visible,
        label=np.array([3, 1]),
        score=rng.random(2).astype(np.float32),
        point_score=rng.random((2, 3)).astype(np.float32),
        area=rng.uniform(0.1, 0.3, 2).astype(np.float32) * h * w,
        xyxy=np.concatenate([xy.min(1) - 1, xy.max(1) + 2], axis=1).astype(np.float32),
        ignore=np.array([False, True]),
        track=np.array([9, 4]),
        annotated_classes=np.ones(CLASSES, dtype=bool),
        mirror=(0, 2, 1),
    )


def tag(rng: np.random.Generator, h: int, w: int) -> Tag:
    """One of four signs: two are mirror images of each other, two are symmetric."""
    probs = rng.random(CLASSES).astype(np.float32)
    probs /= probs.sum()
    return Tag(np.asarray(int(probs.argmax())), probs=probs, mirror=(1, 0, 2, 3))


def quantity(rng: np.random.Generator, h: int, w: int) -> Quantity:
    """An age."""
    return Quantity(np.asarray(rng.uniform(1, 90), dtype=np.float32))


FAKES: dict[type[Annotation], Callable[[np.random.Generator, int, int], Annotation]] = {
    ClassMap: class_map,
    ScalarMap: scalar_map,
    NormalMap: normal_map,
    Boxes: boxes,
    Polylines: polylines,
    Keypoints: keypoints,
    Tag: tag,
    Quantity: quantity,
}


def picture(rng: np.random.Generator, h: int, w: int) -> np.ndarray:
    """uint8 h w 3: smooth colors, so that an image and its resampled version can be compared."""
    y, x = np.mgrid[0:h, 0:w]
    phase = rng.uniform(0, 6, 3)
    return (127 + 120 * np.sin(phase + (x / w * 5 + y / h * 3)[..., None])).astype(np.uint8)
