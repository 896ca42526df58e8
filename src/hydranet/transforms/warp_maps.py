"""Images and maps (one value for every pixel) seen through a `View`: the part of `transforms.warp` that resamples."""

from dataclasses import replace

import cv2
import numpy as np

from hydranet.annotations import UNKNOWN_ID, ClassMap, NormalMap, ScalarMap
from hydranet.core.sample import DataError
from hydranet.transforms.fast_unletterbox import resized, window
from hydranet.transforms.shrink import WAYS, Shrink
from hydranet.transforms.view import Size, View

PAD = 114
"""Gray of padding in images."""


def _sampled(plane: np.ndarray, matrix: np.ndarray, size: Size, how: int, border: int, fill: float = 0) -> np.ndarray:
    """OpenCV counts from the center of the first pixel, we from its corner: hence the half pixels."""
    half = np.array([0.5, 0.5])
    shifted = np.column_stack([matrix[:2, :2], matrix[:2, :2] @ half + matrix[:2, 2] - half])
    return cv2.warpAffine(plane, shifted, size[::-1], flags=how, borderMode=border, borderValue=(fill,) * 4)


def _nearest(plane: np.ndarray, view: View, fill: float) -> np.ndarray:
    return _sampled(plane, view.matrix, view.size, cv2.INTER_NEAREST, cv2.BORDER_CONSTANT, fill)


def _linear(plane: np.ndarray, view: View) -> np.ndarray:
    return _sampled(plane, view.matrix, view.size, cv2.INTER_LINEAR, cv2.BORDER_REPLICATE)


def outside(view: View, source_size: Size) -> np.ndarray:
    """bool h w: the pixels of the view whose center shows nothing of the source."""
    return _nearest(np.ones(source_size, dtype=np.uint8), view, 0) == 0


def image_of(image: np.ndarray, view: View, shrink: Shrink = "blocks") -> np.ndarray:
    """Bilinear; what shrinks is averaged first (`transforms.shrink`), or else thin things would flicker."""
    size = image.shape[0], image.shape[1]
    smaller, averaged = WAYS[shrink](image, view.scale)
    rest = averaged.inverse(size).then(view)
    if (fitted := resized(smaller, rest, window(view, size), PAD)) is not None:
        return fitted
    warped = _linear(smaller, rest)
    warped[outside(view, size)] = PAD
    return warped


def _plane(value: np.ndarray, dtype: type, source_size: Size, kind: str) -> np.ndarray:
    if value.shape[-2:] != source_size:
        raise DataError(
            f"got a {kind} of {value.shape[-2]}x{value.shape[-1]} for an image of {source_size[0]}x{source_size[1]}; "
            "resize it to the image when loading"
        )
    return np.ascontiguousarray(value, dtype=dtype)


def class_map(label: ClassMap, view: View, source_size: Size) -> ClassMap:
    """Ids, and how sure they are, by nearest pixel; padding 255 and 0. Probabilities are interpolated; in padding they
    are all 0."""
    ids = _nearest(_plane(label.ids, np.uint8, source_size, "ClassMap"), view, UNKNOWN_ID)
    if label.confidence is not None:
        sure = _nearest(_plane(label.confidence, np.float32, source_size, "ClassMap"), view, 0)
        label = replace(label, confidence=sure)
    if label.probs is None:
        return replace(label, ids=ids)
    probs = np.stack([_linear(p, view) for p in _plane(label.probs, np.float32, source_size, "ClassMap")])
    probs[:, outside(view, source_size)] = 0
    return replace(label, ids=ids, probs=probs)


def _values(planes: np.ndarray, view: View, smooth: bool) -> np.ndarray:
    """float32 c h w by nearest pixel; if `smooth`, bilinear wherever all four neighbors are known.

    Labels are not smoothed: the mean of a car and the wall behind it is a distance at which nothing stands.
    """
    nearest = np.stack([_nearest(plane, view, np.nan) for plane in planes])
    if not smooth:
        return nearest
    linear = np.stack([_linear(plane, view) for plane in planes])
    return np.where(np.isnan(linear) | np.isnan(nearest), nearest, linear)


def scalar_map(label: ScalarMap, view: View, source_size: Size, smooth: bool) -> ScalarMap:
    """Numbers move with the image and change with its zoom as their unit says; unknown ones stay unknown."""
    source = _plane(label.values, np.float32, source_size, "ScalarMap")
    values = _values(source[None], view, smooth)[0]
    if min(view.scale) < 1:
        values = _keep_points(values, source, view, near_is_small=label.unit != "px")
    factor = {"m": 1 / view.zoom, "px": view.scale[0]}.get(label.unit, 1.0)
    return replace(label, values=values if factor == 1.0 else values * np.float32(factor))


def _keep_points(values: np.ndarray, source: np.ndarray, view: View, near_is_small: bool) -> np.ndarray:
    """Fills pixels that the nearest neighbor leaves unknown with a known point that falls into them.

    Lidar knows 5 % of the pixels: picking every n-th would lose most. Of several points the nearest to the camera wins.
    """
    rows, columns = np.divmod(np.flatnonzero(~np.isnan(source)), source.shape[1])
    x, y = np.floor(view.points(np.stack([columns, rows], axis=-1) + 0.5)).astype(np.intp).T
    inside = (x >= 0) & (x < view.size[1]) & (y >= 0) & (y < view.size[0])
    places, numbers = y[inside] * view.size[1] + x[inside], source[rows[inside], columns[inside]]
    scattered = np.full(values.size, np.inf if near_is_small else -np.inf, dtype=np.float32)
    (np.minimum if near_is_small else np.maximum).at(scattered, places, numbers)
    missed = np.isnan(values) & np.isfinite(scattered).reshape(values.shape)
    return np.where(missed, scattered.reshape(values.shape), values)


def normal_map(label: NormalMap, view: View, source_size: Size, smooth: bool) -> NormalMap:
    """Directions turn with the image: a flip negates x, a rotation turns x and y. Always unit length or NaN."""
    xyz = _values(_plane(label.xyz, np.float32, source_size, "NormalMap"), view, smooth)
    if smooth:
        xyz /= np.maximum(np.linalg.norm(xyz, axis=0), 1e-6)
    if not np.array_equal(view.turn, np.eye(2)):
        xyz[:2] = np.einsum("ij,jhw->ihw", view.turn.astype(np.float32), xyz[:2])
    return replace(label, xyz=xyz)
