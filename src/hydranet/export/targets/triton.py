"""A model repository for NVIDIA's Triton inference server; there is no Triton here to prove it with."""

from pathlib import Path

from torch import Tensor

from hydranet.deploy.manifest import Manifest
from hydranet.export.graph import ExportGraph
from hydranet.export.nvidia.triton import write_repository
from hydranet.export.targets import onnx

SUFFIX = ""
PRECISIONS = ("fp32",)
"""What its weights can be stored in."""


def write(graph: ExportGraph, given: tuple[Tensor, ...], path: Path, manifest: Manifest) -> tuple[Path, ...]:
    """Writes FOLDER/NAME/1/model.onnx and FOLDER/NAME/config.pbtxt; raises what the ONNX target raises."""
    path.mkdir(parents=True, exist_ok=True)
    (model,) = onnx.write(graph, given, path / "model.onnx", manifest)
    settings, copied = write_repository(model, manifest, path)
    model.unlink()
    return copied, settings
