"""A folder for NVIDIA DeepStream: the .onnx file and the settings of its plugins; there is no DeepStream here."""

from pathlib import Path

from torch import Tensor

from hydranet.deploy.manifest import Manifest
from hydranet.export.graph import ExportGraph
from hydranet.export.nvidia.deepstream import check, write_configs
from hydranet.export.targets import onnx

SUFFIX = ""
PRECISIONS = ("fp32",)
"""What its weights can be stored in."""


def write(graph: ExportGraph, given: tuple[Tensor, ...], path: Path, manifest: Manifest) -> tuple[Path, ...]:
    """Writes FOLDER/model.onnx, nvinfer.txt, nvdspreprocess.txt and labels_TASK.txt for tasks with classes.

    Raises SpecError for thresholds or cameras as inputs and for files of any size, and what the ONNX target raises.
    """
    check(manifest)
    path.mkdir(parents=True, exist_ok=True)
    (model,) = onnx.write(graph, given, path / "model.onnx", manifest)
    return model, *write_configs(model, manifest, path)
