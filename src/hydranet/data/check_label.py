"""What an image and the labels of every kind must look like when they enter: types, shapes, plain nonsense."""

from collections.abc import Callable, Mapping
from functools import singledispatch

import numpy as np

from hydranet.annotations import (
    Annotation,
    Boxes,
    ClassMap,
    Instances,
    Keypoints,
    NormalMap,
    Polylines,
    Quantity,
    ScalarMap,
    Tag,
    UnknownKind,
)
from hydranet.core.sample import DataError, Sample
from hydranet.core.task import Task


def check_labels(sample: Sample) -> None:
    """Raises DataError for a label whose arrays are not as its kind says, or not as large as the image."""
    for name, label in sample.labels.items():
        if not isinstance(label, Annotation):
            raise DataError(f"label {name!r} is a {type(label).__name__}, expected a kind of hydranet.annotations")
        try:
            for array, value in _arrays(label).items():
                if not isinstance(value, np.ndarray | np.generic):
                    raise DataError(f"{array} is a {type(value).__name__}, expected a numpy array; use np.asarray")
            check_label(label, sample.size)
        except DataError as error:
            raise DataError(f"label {name!r}: {type(label).__name__}.{error}") from error


@singledispatch
def check_label(label: Annotation, size: tuple[int, int]) -> None:
    """Raises DataError for a label (numpy) that is not what its kind says, in an image of `size` (height, width)."""
    raise UnknownKind("check", type(label), "data/check_label.py")


def _arrays(label: Annotation) -> dict[str, np.ndarray]:
    values = {name: vars(label)[name] for name in label.arrays()}
    return {name: value for name, value in values.items() if value is not None}


Kind = tuple[str, Callable[[np.ndarray], bool]]
FLOAT: Kind = ("float", lambda array: array.dtype.kind == "f")
INT: Kind = ("int", lambda array: array.dtype.kind in "iu")
BOOL: Kind = ("bool", lambda array: array.dtype == np.bool_)
BYTE: Kind = ("uint8", lambda array: array.dtype == np.uint8)


def _expect(name: str, array: np.ndarray, kind: Kind, shape: tuple[int | None, ...], cure: str) -> None:
    word, fits = kind
    sizes = len(array.shape) == len(shape) and all(
        want in (None, side) for side, want in zip(array.shape, shape, strict=True)
    )
    if not fits(np.asarray(array)) or not sizes:
        wanted = " ".join("any" if side is None else str(side) for side in shape) or "no axis"
        given = " ".join(map(str, array.shape)) or "no axis"
        raise DataError(f"{name} is {array.dtype} {given}, expected {word} {wanted}; {cure}")


def _rows(label: Instances, count: int, kinds: Mapping[str, Kind]) -> None:
    """Every array has a row per instance; the listed ones are of one axis and of a type."""
    arrays = _arrays(label)
    known = arrays.pop("annotated_classes", None)
    if known is not None:
        _expect("annotated_classes", known, BOOL, (None,), "give a truth value per class")
    for name, array in arrays.items():
        if name in kinds:
            _expect(name, array, kinds[name], (count,), "give one value per instance")
        elif array.shape[:1] != (count,):
            raise DataError(f"{name} has shape {array.shape}, expected {count} rows; give one row per instance")


@check_label.register
def _(label: ClassMap, size: tuple[int, int]) -> None:
    cure = "give an id per pixel of the image as uint8, 255 where nobody knows (-1 and 256 are no ids)"
    _expect("ids", label.ids, BYTE, size, cure)
    if label.probs is not None:
        _expect("probs", label.probs, FLOAT, (None, *size), "give a probability per class and pixel")
    if label.annotated_classes is not None:
        _expect("annotated_classes", label.annotated_classes, BOOL, (None,), "give a truth value per class")


@check_label.register
def _(label: ScalarMap, size: tuple[int, int]) -> None:
    _expect("values", label.values, FLOAT, size, "give a number per pixel of the image, NaN where nobody knows")
    if np.isneginf(label.values).any() or (label.unit != "m" and np.isposinf(label.values).any()):
        raise DataError("values holds infinite numbers, expected finite ones; write NaN where nobody knows")


@check_label.register
def _(label: NormalMap, size: tuple[int, int]) -> None:
    _expect("xyz", label.xyz, FLOAT, (3, *size), "give x, y, z per pixel of the image, NaN where nobody knows")


@check_label.register
def _(label: Boxes, size: tuple[int, int]) -> None:
    count = len(label.label) if np.ndim(label.label) else 0
    _expect("label", label.label, INT, (count,), "give a class id per box as whole numbers")
    _expect("xyxy", label.xyxy, FLOAT, (count, 4), "give left, top, right, bottom per box in pixels")
    if not np.isfinite(label.xyxy).all():
        broken = label.xyxy[~np.isfinite(label.xyxy).all(1)]
        raise DataError(f"xyxy holds {broken[0].tolist()}, expected finite numbers; repair the label file")
    solid = np.ones(count, bool) if label.ignore is None else ~np.asarray(label.ignore, bool)
    left, top, right, bottom = np.asarray(label.xyxy, dtype=np.float64).T
    inverted = solid & ((right <= left) | (bottom <= top))
    if inverted.any():
        raise DataError(
            f"xyxy holds {label.xyxy[inverted][0].tolist()}, expected left < right and top < bottom in pixels; "
            "is it left, top, width, height?"
        )
    outside = solid & ((right <= 0) | (bottom <= 0) | (left >= size[1]) | (top >= size[0]))
    if outside.any():
        raise DataError(
            f"xyxy holds {label.xyxy[outside][0].tolist()}, which lies outside the image of {size[1]}x{size[0]}; "
            "is it in the pixels of this image?"
        )
    _rows(
        label,
        count,
        {"score": FLOAT, "ignore": BOOL, "truncation": FLOAT, "occlusion": INT, "track": INT},
    )


@check_label.register
def _(label: Polylines, size: tuple[int, int]) -> None:
    _expect("points", label.points, FLOAT, (None, None, 2), "give x, y per point in pixels")
    _expect("valid", label.valid, BOOL, label.points.shape[:2], "say per point whether it is there")
    if not np.isfinite(label.points[label.valid]).all():
        raise DataError("points holds numbers that are not finite, expected pixels; set valid to False there")
    _rows(label, len(label.points), {"label": INT, "score": FLOAT})


@check_label.register
def _(label: Keypoints, size: tuple[int, int]) -> None:
    _expect("xy", label.xy, FLOAT, (None, None, 2), "give x, y per point in pixels")
    _expect("visible", label.visible, INT, label.xy.shape[:2], "give 0, 1 or 2 per point")
    if not np.isin(label.visible, (0, 1, 2)).all():
        raise DataError(f"visible holds {np.unique(label.visible).tolist()}, expected 0, 1 or 2 as in COCO")
    if not np.isfinite(label.xy[label.visible > 0]).all():
        raise DataError("xy holds numbers that are not finite, expected pixels; set visible to 0 there")
    _rows(label, len(label.xy), {})


@check_label.register
def _(label: Tag, size: tuple[int, int]) -> None:
    _expect("label", label.label, INT, (), "give one class id, 255 where nobody knows")
    if not 0 <= int(label.label) <= 255:
        raise DataError(f"label is {int(label.label)}, expected a class id, or 255 where nobody knows")
    if label.probs is not None:
        _expect("probs", label.probs, FLOAT, (None,), "give a probability per class")


@check_label.register
def _(label: Quantity, size: tuple[int, int]) -> None:
    _expect("value", label.value, FLOAT, (), "give one number, NaN where nobody knows")


def check_camera(sample: Sample, task: Task, source: str) -> None:
    """Raises DataError for an image of unknown camera where the task needs it; `source` is named."""
    if task.needs_camera and sample.camera is None:
        raise DataError(without_camera(task.name, source))


def without_camera(task: str, source: str) -> str:
    """What is wrong with an image of unknown camera, for a task that needs it."""
    return (
        f"{task!r} needs the camera, got an image without one; set focal_px of source {source!r} (focal length in "
        "pixels of its images), or let its data set read the calibration"
    )
