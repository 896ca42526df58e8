"""Pseudo-labels on disk: one file per image and label, and an index that says who made them, how, and of what.

CACHE/index.json               teacher, classes, thresholds, and each image's fingerprint and files
CACHE/LABEL/IMAGE.png          class ids, 255 = unknown; meters x 256 in 16 bits, 0 = unknown (KITTI's);
                               normals as round((n + 1) x 127.5), 0 0 0 = unknown: within 0.4 degrees
CACHE/LABEL/IMAGE.json         boxes: left top right bottom, class id, score
CACHE/LABEL/IMAGE.npz          every other kind, its arrays as they are
"""

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import singledispatch
from pathlib import Path, PurePosixPath

import cv2
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
    UnknownKind,
    given,
)
from hydranet.core.sample import DataError
from hydranet.io.box_rows import is_number, json_numbers, objects, quoted
from hydranet.io.class_map import IdCoding, check_size, read_class_map
from hydranet.io.files import read_json
from hydranet.io.images import read_map
from hydranet.io.orientation import Extent
from hydranet.io.pseudo_label_index import Made

STEPS_PER_M = 256
FARTHEST_M = 65535 / STEPS_PER_M


def file_of(label: str, key: str, made: Made) -> str:
    """Where the label of an image goes, relative to the cache; two keys never share a file."""
    parts = [part if part not in ("..", "/") else "__" for part in PurePosixPath(key).parts]
    suffix = _storage(made).suffix
    if suffix == "png" and made.kind == ScalarMap.__name__ and made.metadata.get("unit") != "m":
        suffix = "npz"
    return str(PurePosixPath(label, *parts)) + f".{suffix}"


@singledispatch
def packed(label: Annotation, made: Made) -> bytes:
    """One image's label (numpy) as the bytes of its file."""
    raise UnknownKind("file", type(label), "io/pseudo_label_cache.py")


@packed.register
def _(label: ClassMap, made: Made) -> bytes:
    return _png(label.ids)


@packed.register
def _(label: ScalarMap, made: Made) -> bytes:
    if label.unit != "m":
        return _npz(label)
    known = np.isfinite(label.values) & (label.values > 0) & (label.values <= FARTHEST_M)
    steps = np.where(known, label.values * STEPS_PER_M, 0)
    return _png(np.where(known, np.maximum(np.rint(steps), 1), 0).astype(np.uint16))


@packed.register
def _(label: NormalMap, made: Made) -> bytes:
    known = np.isfinite(label.xyz).all(0)
    codes = np.rint((np.where(known, label.xyz, -1) + 1) * 127.5).astype(np.uint8)
    return _png(np.ascontiguousarray(codes.transpose(1, 2, 0)[..., ::-1]))


@packed.register
def _(label: Boxes, made: Made) -> bytes:
    boxes = zip(label.xyxy.tolist(), label.label.tolist(), np.asarray(label.score).tolist(), strict=True)
    return json.dumps([{"xyxy": xyxy, "label": int(ids), "score": score} for xyxy, ids, score in boxes]).encode()


@packed.register
def _(label: Polylines | Keypoints | Tag | Quantity, made: Made) -> bytes:
    return _npz(label)


def _npz(label: Annotation) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **given(label))
    return buffer.getvalue()


def unpack(path: Path, made: Made, size: tuple[int, int], least: float = 0.0) -> Annotation:
    """The inverse of `packed`, for an image of `size`; boxes with scores below `least` become ignored regions.

    Raises DataError for a missing or broken file, or one of another size.
    """
    return _storage(made).read(path, made, size, least)


Read = Callable[[Path, Made, tuple[int, int], float], Annotation]


@dataclass(frozen=True)
class _Storage:
    """How the files of a kind end, how they are read, and whether they hold scores."""

    suffix: str
    read: Read
    scores: bool = False


def has_scores(made: Made) -> bool:
    """Whether `unpack` can still raise the least confidence of a label. Raises as `unpack`."""
    return _storage(made).scores


def _storage(made: Made) -> _Storage:
    """Raises DataError for what is no kind of annotation, UnknownKind for one that has no file yet."""
    kind = next((one for one in Annotation.KINDS if one.__name__ == made.kind), None)
    if kind is None:
        raise DataError(
            f"got pseudo-labels of kind {made.kind!r}, expected one of "
            f"{', '.join(one.__name__ for one in Annotation.KINDS)}; update hydranet, or label again"
        )
    if kind not in _STORAGE:
        raise UnknownKind("file", kind, "io/pseudo_label_cache.py")
    return _STORAGE[kind]


def _read_ids(path: Path, made: Made, size: tuple[int, int], least: float) -> ClassMap:
    ids = {**dict(enumerate(made.classes)), UNKNOWN_ID: None}  # here 255 does mean unknown
    return read_class_map(path, IdCoding(made.classes, values=ids), Extent(size))


def _read_numbers(path: Path, made: Made, size: tuple[int, int], least: float) -> Annotation:
    if path.suffix != ".png":
        return _read_npz(ScalarMap)(path, made, size, least)
    stored = _read_pixels(path, size, 2, np.uint16)
    values = stored.astype(np.float32) / STEPS_PER_M
    return ScalarMap(np.where(stored > 0, values, np.float32(np.nan)), unit="m")


def _read_normals(path: Path, made: Made, size: tuple[int, int], least: float) -> NormalMap:
    stored = _read_pixels(path, size, 3, np.uint8)
    xyz = stored.astype(np.float32).transpose(2, 0, 1) / 127.5 - 1
    xyz /= np.linalg.norm(xyz, axis=0)
    return NormalMap(np.where(stored.any(2), xyz, np.float32(np.nan)))


def _read_pixels(path: Path, size: tuple[int, int], axes: int, dtype: type) -> np.ndarray:
    stored = read_map(path)
    check_size(path, stored, size)
    if stored.ndim != axes or stored.dtype != dtype:
        raise DataError(
            f"{path} holds {stored.dtype} {stored.shape}, expected {np.dtype(dtype)} with {axes} axes; "
            "delete it and run `hydranet label` again"
        )
    return stored


def _read_npz(kind: type[Annotation]) -> Read:
    def read(path: Path, made: Made, size: tuple[int, int], least: float) -> Annotation:
        try:
            with np.load(io.BytesIO(path.read_bytes())) as arrays:  # numpy leaves a broken file open
                return kind(**dict(arrays), **made.metadata)
        except FileNotFoundError as error:
            raise DataError(f"missing file {path}; run `hydranet label` again") from error
        except (OSError, ValueError, TypeError, KeyError, EOFError, NotImplementedError, MemoryError) as error:
            raise _unreadable(path, error) from error
        except (zipfile.BadZipFile, zlib.error, SyntaxError, RuntimeError, struct.error, OverflowError) as error:
            raise _unreadable(path, error) from error

    return read


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(f"cannot read {path} ({quoted(str(error))}); delete it and run `hydranet label` again")


def _read_boxes(path: Path, made: Made, size: tuple[int, int], least: float) -> Boxes:
    rows = objects(read_json(path), {"xyxy": list, "label": int, "score": int | float}, str(path))
    most = max(len(made.classes), 1)
    for i, row in enumerate(rows, start=1):
        json_numbers(row["xyxy"], 4, f"{path}, number {i}: xyxy")
        if not is_number(row["score"]) or isinstance(row["label"], bool) or not 0 <= row["label"] < most:
            raise DataError(f"{path}, number {i}: got {quoted(row)}, expected a class and a score; label again")
    score = np.array([row["score"] for row in rows], dtype=np.float32)
    xyxy = np.array([row["xyxy"] for row in rows], dtype=np.float32).reshape(-1, 4)
    label = np.array([row["label"] for row in rows], dtype=np.int64)
    kept = score >= least / 2
    return Boxes(xyxy[kept], label[kept], ignore=score[kept] < least)


def _png(pixels: np.ndarray) -> bytes:
    return cv2.imencode(".png", pixels)[1].tobytes()


_STORAGE: Mapping[type[Annotation], _Storage] = {
    ClassMap: _Storage("png", _read_ids),
    ScalarMap: _Storage("png", _read_numbers),
    NormalMap: _Storage("png", _read_normals),
    Boxes: _Storage("json", _read_boxes, scores=True),
    **{kind: _Storage("npz", _read_npz(kind)) for kind in (Polylines, Keypoints, Tag, Quantity)},
}
