"""One .onnx file: for ONNX Runtime, TensorRT, and whatever else reads ONNX."""

import copy
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hydranet.core.spec import SpecError
from hydranet.deploy.camera_input import CAMERA
from hydranet.deploy.manifest import IMAGE, KEY, Manifest
from hydranet.export.graph import ExportGraph, Shape
from hydranet.export.passes.nms import onnx_table

SUFFIX = ".onnx"
PRECISIONS = ("fp32",)
"""What its weights can be stored in."""
OPSET = 18
"""Newer ones add nothing we use, and TensorRT and OpenVINO follow slowly."""


def write(graph: ExportGraph, example: tuple[Tensor, ...], path: Path, manifest: Manifest) -> tuple[Path, ...]:
    """Writes the graph with its manifest; returns the files written.

    Raises ImportError without the extra, SpecError where the network cannot be made dynamic as asked.
    """
    try:
        import onnx
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ImportError('writing ONNX needs onnx and onnxscript; pip install "hydranet[export]"') from error
    model = copy.deepcopy(proto(graph, example, list(manifest.outputs)))
    onnx.helper.set_model_props(model, {KEY: manifest.to_json()})
    onnx.checker.check_model(model)
    onnx.save_model(model, str(path))
    return (path,)


def proto(graph: ExportGraph, example: tuple[Tensor, ...], outputs: list[str]) -> Any:
    """The graph as an ONNX model in memory; made once, however many targets ask for it."""
    if graph.onnx_model is not None:
        return graph.onnx_model
    with warnings.catch_warnings(), quiet("torch.onnx", "onnxscript", "onnx_ir"):
        warnings.simplefilter("ignore")  # the exporter's notes to its own authors
        try:
            program = torch.onnx.export(
                graph,
                example,
                dynamo=True,
                external_data=False,
                verbose=False,
                opset_version=OPSET,
                input_names=list(graph.inputs),
                output_names=outputs,
                custom_translation_table=onnx_table() if graph.thresholds else None,
                dynamic_shapes=dynamic(graph.shape, graph.inputs),
            )
        except torch.onnx.errors.OnnxExporterError as error:
            raise SpecError(
                f"this network cannot be exported with {graph.shape} ({_cause(error)}); try a fixed size and batch"
            ) from error
    assert program is not None
    graph.onnx_model = shapes_of_floats(program.model_proto)
    return graph.onnx_model


def shapes_of_floats(model: Any) -> Any:
    """Dynamic sizes are read from the image as floats: TensorRT takes uint8 at a graph's border only."""
    nodes = model.graph.node
    cast = next((copy.copy(node) for node in nodes if node.op_type == "Cast" and node.input[0] == IMAGE), None)
    if cast:
        nodes.remove(cast)
        nodes.insert(0, cast)
        for node in nodes:
            if node.op_type == "Shape" and node.input[0] == IMAGE:
                node.input[0] = cast.output[0]
    return model


def _cause(error: BaseException) -> str:
    """The first line of the first error in a chain of them."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).strip().partition("\n")[0]


def dynamic(shape: Shape, inputs: Sequence[str]) -> Any:
    """Which axes of the inputs may vary, in torch.export's words; None = none."""
    axes: dict[str, dict[int, Any]] = {name: {} for name in inputs}
    if shape.batch is None:
        batch = torch.export.Dim("batch", min=1, max=1024)
        for name in {IMAGE, CAMERA} & axes.keys():
            axes[name][0] = batch
    if shape.dynamic:
        axes[IMAGE][1] = 32 * torch.export.Dim("rows32", min=1, max=256)
        axes[IMAGE][2] = 32 * torch.export.Dim("columns32", min=1, max=256)
    if not any(axes.values()):
        return None
    image, *others = axes.values()
    return (image, tuple(others)) if others else (image,)


class quiet:
    """Logs of these names say nothing below errors inside the `with` statement."""

    def __init__(self, *names: str) -> None:
        self.loggers = [logging.getLogger(name) for name in names]
        self.levels: list[int] = []

    def __enter__(self) -> None:
        self.levels = [logger.level for logger in self.loggers]
        for logger in self.loggers:
            logger.setLevel(logging.ERROR)

    def __exit__(self, *_: object) -> None:
        for logger, level in zip(self.loggers, self.levels, strict=True):
            logger.setLevel(level)
