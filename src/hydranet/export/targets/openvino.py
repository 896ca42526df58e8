"""An .xml file and a .bin file of weights beside it: for OpenVINO on Intel processors."""

from pathlib import Path

from torch import Tensor

from hydranet.deploy.manifest import KEY, Manifest
from hydranet.deploy.runtimes.openvino import core
from hydranet.export.graph import ExportGraph
from hydranet.export.targets.onnx import proto

SUFFIX = ".xml"
PRECISIONS = ("fp32", "fp16")
"""What its weights can be stored in."""


def write(graph: ExportGraph, given: tuple[Tensor, ...], path: Path, manifest: Manifest) -> tuple[Path, ...]:
    """Writes the graph, by way of ONNX, with its manifest; returns the files written.

    Weights of precision "fp16" are stored in half the space; a session chooses the precision it computes in.
    Raises ImportError without the extra.
    """
    try:
        import openvino
    except ImportError as error:
        raise ImportError('writing OpenVINO files needs openvino; pip install "hydranet[export]"') from error
    made = proto(graph, given, list(manifest.outputs))
    # not convert_model: it starts a process that reports its use over the network
    model = core().read_model(made.SerializeToString(), b"")
    model.set_rt_info(manifest.to_json(), [KEY])
    openvino.save_model(model, str(path), compress_to_fp16=manifest.precision == "fp16")
    return path, path.with_suffix(".bin")
