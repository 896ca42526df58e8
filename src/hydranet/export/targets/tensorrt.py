"""A folder for NVIDIA TensorRT: the .onnx file, the script that builds an engine from it, and what the rules say.

There is no runtime for it here, so that the rules (`hydranet.export.nvidia.tensorrt_rules`) are all that is checked.
"""

from pathlib import Path

from torch import Tensor

from hydranet.deploy.manifest import Manifest
from hydranet.export.graph import ExportGraph
from hydranet.export.nvidia.tensorrt_rules import NOTES, command, findings
from hydranet.export.targets import onnx

SUFFIX = ""
PRECISIONS = ("fp32",)
"""What its weights can be stored in; `trtexec` chooses what an engine computes in."""


def write(graph: ExportGraph, given: tuple[Tensor, ...], path: Path, manifest: Manifest) -> tuple[Path, ...]:
    """Writes FOLDER/model.onnx, build.sh and findings.txt, a line per finding, problems first.

    Raises ImportError without the extra, SpecError where the network cannot be made dynamic as asked.
    """
    path.mkdir(parents=True, exist_ok=True)
    (model,) = onnx.write(graph, given, path / "model.onnx", manifest)
    script, notes = path / "build.sh", path / NOTES
    script.write_text(
        f'#!/bin/sh\n# Builds model.engine; needs TensorRT.\ncd "$(dirname "$0")" && {command(manifest)}\n'
    )
    proto = onnx.proto(graph, given, list(manifest.outputs))
    notes.write_text("".join(f"TensorRT {finding.level}: {finding.text}\n" for finding in findings(proto)))
    return model, script, notes
