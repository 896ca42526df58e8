"""A sample as a few small files, and back: nothing of it is lost, whatever the kinds of its labels.

IMAGE'S SUFFIX           the image (`io.image_codec`)
labels.safetensors.zst   every array of every label as LABEL/FIELD, float and integer types as they were
json                     key, height and width, camera, kind and static fields of each label, what was left out of it
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from safetensors.numpy import load, save

from hydranet.annotations import Annotation, given
from hydranet.core.checks.json_text import parse_json
from hydranet.core.errors import MALFORMED
from hydranet.core.ledger import Ledger
from hydranet.core.sample import Camera, DataError, Sample
from hydranet.io.image_codec import Codec, squeezed, unsqueezed
from hydranet.io.images import max_pixels

LABELS, ABOUT = "labels.safetensors.zst", "json"
BYTES_PER_PIXEL, BYTES_OF_ROWS = 4096, 10**8
"""Of all labels of an image, at most: a thousand probabilities per pixel, and a million instances."""


def to_files(sample: Sample, codec: Codec) -> dict[str, bytes]:
    """The bytes of a sample's files by suffix. Raises DataError where a label does not come back as it was."""
    about = {
        "key": sample.key,
        "size": list(sample.size),
        "camera": _camera_tree(sample.camera),
        "labels": {name: _kind_tree(label) for name, label in sample.labels.items()},
        "ledger": sample.ledger.to_json(),
    }
    arrays = {
        f"{name}/{array}": np.ascontiguousarray(value).reshape(np.shape(value))
        for name, label in sample.labels.items()
        for array, value in given(label).items()
    }
    files = {
        codec.suffix: codec.encode(sample.image),
        LABELS: squeezed(save(arrays)) if arrays else b"",
        ABOUT: json.dumps(about).encode(),
    }
    files = {suffix: data for suffix, data in files.items() if data}
    again = from_files(files, codec)
    for name, label in sample.labels.items():
        if not same(label, again.labels.get(name)):
            raise DataError(
                f"label {name!r} of {sample.key} does not come back from a file as it was; it is no sound "
                f"{type(label).__name__}: look at it with `hydranet data check`"
            )
    if codec.lossless and not np.array_equal(sample.image, again.image):
        raise DataError(f"the image of {sample.key} does not come back from a file as it was; store it in another way")
    return files


def from_files(files: Mapping[str, bytes], codec: Codec) -> Sample:
    """The inverse of `to_files`. Raises DataError for damaged bytes."""
    try:
        about = parse_json(files[ABOUT].decode())
        height, width = about["size"]
        if min(height, width) < 1 or height * width > max_pixels():
            raise DataError(
                f"an image of {width}x{height} pixels, expected 1 to {max_pixels() / 1e6:g} million of them"
            )
        image = codec.decode(files[codec.suffix], (height, width))
        most = height * width * BYTES_PER_PIXEL + BYTES_OF_ROWS
        arrays = load(unsqueezed(files[LABELS], most)) if LABELS in files else {}
        labels = {name: _label(name, one, arrays) for name, one in about["labels"].items()}
        camera = None if about["camera"] is None else _camera(about["camera"])
        return Sample(image, labels, camera, "", about["key"], Ledger.from_json(about["ledger"]))
    except DataError:
        raise
    except MALFORMED as error:
        raise DataError(f"its files hold no sample ({type(error).__name__}: {error})") from error
    except Exception as error:  # safetensors has an error of its own that derives from nothing else
        if type(error).__name__ != "SafetensorError":
            raise
        raise DataError(f"its labels cannot be read ({error})") from error


def same(label: Annotation, other: Annotation | None) -> bool:
    """Whether two labels are equal bit for bit: kind, static fields, types and values of all arrays."""
    if type(label) is not type(other) or other is None:
        return False
    if any(getattr(label, name) != getattr(other, name) for name in label.metadata()):
        return False
    mine, theirs = given(label), given(other)
    return mine.keys() == theirs.keys() and all(_equal(value, theirs[name]) for name, value in mine.items())


def _equal(one: np.ndarray, other: np.ndarray) -> bool:
    one, other = np.asarray(one), np.asarray(other)
    return (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())


def _kind_tree(label: Annotation) -> dict[str, Any]:
    return {"kind": type(label).__name__, "static": {name: getattr(label, name) for name in label.metadata()}}


def _label(name: str, tree: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Annotation:
    kinds = {kind.__name__: kind for kind in Annotation.KINDS}
    if tree["kind"] not in kinds:
        raise DataError(f"label {name!r} is of kind {tree['kind']!r}, expected one of {', '.join(kinds)}")
    kind = kinds[tree["kind"]]
    static = {one: tuple(value) if isinstance(value, list) else value for one, value in tree["static"].items()}
    values = {one: arrays[f"{name}/{one}"] for one in kind.arrays() if f"{name}/{one}" in arrays}
    return kind(**values, **static)


def _camera_tree(camera: Camera | None) -> dict[str, Any] | None:
    if camera is None:
        return None
    matrix = np.asarray(camera.matrix, dtype=np.float64).tolist()
    return {"matrix": matrix, "height_m": camera.height_m, "pitch_rad": camera.pitch_rad}


def _camera(tree: Mapping[str, Any]) -> Camera:
    return Camera(np.array(tree["matrix"], dtype=np.float64), tree["height_m"], tree["pitch_rad"])
