"""A model repository for NVIDIA's Triton inference server, made of an exported .onnx file."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from hydranet.deploy.manifest import Manifest

TYPES = {
    "float32": "TYPE_FP32",
    "float16": "TYPE_FP16",
    "int64": "TYPE_INT64",
    "int32": "TYPE_INT32",
    "uint8": "TYPE_UINT8",
    "bool": "TYPE_BOOL",
}

MOST_AT_ONCE = 8
"""Images that the server may put together, where the file takes any number."""


def write_repository(onnx: Path, manifest: Manifest, folder: Path) -> list[Path]:
    """Writes NAME/config.pbtxt and NAME/1/model.onnx; `tritonserver --model-repository=FOLDER` serves it."""
    place = folder / model_name(manifest)
    (place / "1").mkdir(parents=True, exist_ok=True)
    shutil.copyfile(onnx, place / "1" / "model.onnx")
    (place / "config.pbtxt").write_text(config(manifest))
    return [place / "config.pbtxt", place / "1" / "model.onnx"]


def model_name(manifest: Manifest) -> str:
    """The run's name as one that Triton takes in an address."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", manifest.name) or "hydranet"


def config(manifest: Manifest) -> str:
    """config.pbtxt, in protobuf's text format.

    Where the file takes any number of images, the server puts those of several callers together, and shapes are
    those of one image. Thresholds belong to a whole batch: with them the caller forms batches, shapes are whole.
    """
    together = manifest.input.batch is None and not manifest.thresholds
    inputs = [_tensor(name, dtype, sides[together:]) for name, (dtype, sides) in manifest.inputs.items()]
    outputs = [_tensor(name, out.dtype, out.shape[together:]) for name, out in manifest.outputs.items()]
    lines = [
        f'name: "{model_name(manifest)}"',
        'backend: "onnxruntime"',
        f"max_batch_size: {MOST_AT_ONCE if together else 0}",
        _list("input", inputs),
        _list("output", outputs),
    ]
    return "\n".join([*lines, *(["dynamic_batching { }"] if together else [])]) + "\n"


def _tensor(name: str, dtype: str, dims: Sequence[int | None]) -> str:
    sides = ", ".join("-1" if side is None else str(side) for side in dims)
    return f'{{ name: "{name}" data_type: {TYPES[dtype]} dims: [ {sides} ] }}'


def _list(name: str, rows: list[str]) -> str:
    return f"{name} [\n  " + ",\n  ".join(rows) + "\n]"
