"""Pseudo-labels on disk: one file per image and label, and an index that says who made them, how, and of what.

CACHE/index.json               teacher, classes, thresholds, and each image's fingerprint and files
CACHE/LABEL/IMAGE.png          class ids, 255 = unknown; meters x 256 in 16 bits, 0 = unknown (KITTI's);
                               normals as round((n + 1) x 127.5), 0 0 0 = unknown: within 0.4 degrees
CACHE/LABEL/IMAGE.json         boxes: left top right bottom, class id, score
CACHE/LABEL/IMAGE.npz          every other kind, its arrays as they are
"""

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import singledispatch
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np

from hydranet.annotations import (
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
from hydranet.core.names import check_names
from hydranet.core.sample import DataError
from hydranet.core.spec import check_fields
from hydranet.io.files import check_size, read_class_map, read_json, read_map

INDEX = "index.json"
FORMAT = 1
STEPS_PER_M = 256
FARTHEST_M = 65535 / STEPS_PER_M


@dataclass(frozen=True)
class Made:
    """How one label was made: its kind, class names, static fields, and the least confidence that was kept."""

    kind: str
    classes: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    confidence: float = 0.0


@dataclass(frozen=True)
class Entry:
    """One image: fingerprints (`io.fingerprint`), height and width, and a file for each label."""

    content: str
    look: str
    size: tuple[int, int]
    files: Mapping[str, str]


@dataclass(frozen=True)
class Index:
    """What a cache holds.

    teacher: its name.    digest: SHA-256 of its file.    labels: by label, how it was made.
    trained_on: {name of the image: (content, look)} of the teacher's own training images; None = not known.
    images:     by key of the image.
    """

    teacher: str
    digest: str
    labels: Mapping[str, Made]
    trained_on: Mapping[str, tuple[str, str]] | None = None
    images: Mapping[str, Entry] = field(default_factory=dict)
    size: tuple[int, int] = (0, 0)
    format: int = FORMAT

    @property
    def protocol(self) -> dict[str, Any]:
        """Everything that must agree for labels to stand in one cache."""
        protocol = {**asdict(self), "images": None, "trained_on": None}
        return dict(json.loads(json.dumps(protocol)))

    def to_json(self) -> str:
        """The index as text."""
        return json.dumps(asdict(self), indent=1)


def read_index(folder: Path) -> Index:
    """The index of a cache. Raises DataError where there is none or it is broken."""
    path = folder / INDEX
    if not path.is_file():
        raise DataError(f"no {INDEX} in {folder}: this is no cache of pseudo-labels; make one with `hydranet label`")
    tree = read_json(path)
    try:
        if tree["format"] > FORMAT:
            raise DataError(f"{path} has format {tree['format']}, expected at most {FORMAT}; update hydranet")
        tree["labels"] = {
            name: Made(**{**made, "classes": tuple(made["classes"])}) for name, made in tree["labels"].items()
        }
        check_names(tree["labels"], "label")
        tree["images"] = {
            key: Entry(**{**entry, "size": tuple(entry["size"])}) for key, entry in tree["images"].items()
        }
        if tree["trained_on"] is not None:
            tree["trained_on"] = {key: tuple(one) for key, one in tree["trained_on"].items()}
        index = Index(**{**tree, "size": tuple(tree["size"])})
        for part in (index, *index.labels.values(), *index.images.values()):
            check_fields(part)
        return index
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DataError(f"{path} is no index of pseudo-labels ({error}); label again into a new folder") from error


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
    return read_class_map(path, len(made.classes), size=size)


def _read_numbers(path: Path, made: Made, size: tuple[int, int], least: float) -> Annotation:
    if path.suffix != ".png":
        return _read_npz(ScalarMap)(path, made, size, least)
    stored = read_map(path)
    check_size(path, stored, size)
    values = stored.astype(np.float32) / STEPS_PER_M
    return ScalarMap(np.where(stored > 0, values, np.float32(np.nan)), unit="m")


def _read_normals(path: Path, made: Made, size: tuple[int, int], least: float) -> NormalMap:
    stored = read_map(path)
    check_size(path, stored, size)
    xyz = stored.astype(np.float32).transpose(2, 0, 1) / 127.5 - 1
    xyz /= np.linalg.norm(xyz, axis=0)
    return NormalMap(np.where(stored.any(2), xyz, np.float32(np.nan)))


def _read_npz(kind: type[Annotation]) -> Read:
    def read(path: Path, made: Made, size: tuple[int, int], least: float) -> Annotation:
        try:
            with np.load(path) as arrays:
                return kind(**dict(arrays), **made.metadata)
        except (OSError, ValueError) as error:
            raise DataError(f"cannot read {path} ({error}); delete it and run `hydranet label` again") from error

    return read


def _read_boxes(path: Path, made: Made, size: tuple[int, int], least: float) -> Boxes:
    rows = read_json(path)
    try:
        score = np.array([row["score"] for row in rows], dtype=np.float32)
        xyxy = np.array([row["xyxy"] for row in rows], dtype=np.float32).reshape(-1, 4)
        label = np.array([row["label"] for row in rows], dtype=np.int64)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} holds no boxes ({error}); delete it and run `hydranet label` again") from error
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
