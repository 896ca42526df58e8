"""Whether TensorRT can read an ONNX file: its operators, types and shapes, looked up without TensorRT.

From the support matrix of NVIDIA's parser (onnx-tensorrt, docs/operators.md) for TensorRT 10. These rules were not
tried with TensorRT itself; `trtexec` has the last word.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hydranet.deploy.manifest import Manifest

NOTES = "findings.txt"
"""Name of the file with all findings, beside a model for TensorRT."""

_NAMES = """
Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool BatchNormalization Cast CastLike Ceil Celu Clip
Concat Constant ConstantOfShape Conv ConvTranspose Cos Cosh CumSum DepthToSpace DequantizeLinear Div Dropout Einsum
Elu Equal Erf Exp Expand EyeLike Flatten Floor Gather GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalLpPool
GlobalMaxPool Greater GreaterOrEqual GridSample GroupNormalization GRU HardSigmoid HardSwish Identity If
InstanceNormalization IsInf IsNaN LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax Loop LpNormalization
LpPool LRN LSTM MatMul Max MaxPool Mean MeanVarianceNormalization Min Mish Mod Mul Neg NonMaxSuppression NonZero Not
OneHot Or Pad Pow PRelu QuantizeLinear RandomUniform RandomUniformLike Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum
ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize
ReverseSequence RNN RoiAlign Round Scan ScatterElements ScatterND Selu Shape Shrink Sigmoid Sign Sin Sinh Size Slice
Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Tan Tanh ThresholdedRelu Tile TopK Transpose Trilu
Unsqueeze Upsample Where Xor
"""

OPERATORS = frozenset(_NAMES.split())
"""Operators that TensorRT's parser knows."""

SLOW = {"NonZero": "its output has a size that only the data know", "Loop": "it runs step by step"}

RESIZE = {"half_pixel", "pytorch_half_pixel", "tf_half_pixel_for_nn", "asymmetric", "align_corners"}


@dataclass(frozen=True)
class Finding:
    """What is known about a file. level: "fine", "note" (look at it) or "problem" (TensorRT refuses it)."""

    level: str
    text: str


def findings(model: Any) -> list[Finding]:
    """All rules on an `onnx.ModelProto`; problems first."""
    import onnx

    try:
        graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    except onnx.shape_inference.InferenceError:  # custom operators, which `_operators` reports
        graph = model.graph
    types = {v.name: v.type.tensor_type.elem_type for v in (*graph.input, *graph.value_info, *graph.output)}
    results = [*_operators(graph), *_bytes(graph, types), *_shapes(graph), *_resizes(graph), *_boxes(graph)]
    results += [*_integers(graph, types), *_quantized(graph)]
    return sorted(results, key=lambda finding: ("problem", "note", "fine").index(finding.level))


def command(manifest: Manifest, onnx_name: str = "model.onnx") -> str:
    """The line that builds an engine from the file; sizes that vary get a range around the usual one."""
    shape, words = manifest.input, [f"trtexec --onnx={onnx_name} --saveEngine=model.engine --fp16"]
    if shape.batch is None or shape.dynamic:
        height, width = shape.frame or shape.size
        most = 2 if shape.dynamic else 1
        batches = (1, 1, 8) if shape.batch is None else (shape.batch,) * 3
        for word, batch, zoom in zip(("min", "opt", "max"), batches, (1, 1, most), strict=True):
            words.append(f"--{word}Shapes={shape.name}:{batch}x{height * zoom}x{width * zoom}x3")
    return " ".join(words)


def _operators(graph: Any) -> Iterator[Finding]:
    counts = Counter(node.op_type for node in graph.node)
    strange = sorted(
        {node.op_type for node in graph.node if node.op_type not in OPERATORS or node.domain not in ("", "ai.onnx")}
    )
    if strange:
        yield Finding(
            "problem", f"operators that TensorRT does not know: {', '.join(strange)}; write a plugin for them"
        )
    else:
        yield Finding("fine", f"all {len(counts)} kinds of operators are known to TensorRT")
    for name, why in SLOW.items():
        if counts[name]:
            yield Finding("note", f"{counts[name]} x {name}: {why}; slow in TensorRT")


def _bytes(graph: Any, types: dict[str, int]) -> Iterator[Finding]:
    """uint8 exists at inputs and outputs only, with a Cast right behind or before it."""
    import onnx

    byte = onnx.TensorProto.UINT8
    inputs = [value.name for value in graph.input if types[value.name] == byte]
    others = [node for node in graph.node if node.op_type != "Cast"]
    wrong = sorted({node.op_type for node in others if byte in map(types.get, (*node.input, *node.output))})
    if wrong:
        yield Finding(
            "problem",
            f"uint8 values go through {', '.join(wrong)}: TensorRT takes uint8 at inputs and outputs only and wants a "
            "Cast next to them; cast the image to float before anything else",
        )
    elif inputs:
        yield Finding("fine", f"input {', '.join(inputs)} is uint8 and cast at once (TensorRT 8.5 or newer)")
    floats = {onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16}
    for node in (node for node in graph.node if node.op_type == "Cast"):
        if types.get(node.output[0]) == byte and types.get(node.input[0]) not in floats:
            yield Finding(
                "note", f"{node.output[0]} becomes uint8 from whole numbers; TensorRT promises that from floats only"
            )


def _shapes(graph: Any) -> Iterator[Finding]:
    moving = []
    for value in graph.input:
        sides = [d.dim_value or d.dim_param or "?" for d in value.type.tensor_type.shape.dim]
        if any(isinstance(side, str) for side in sides):
            moving.append(f"{value.name} {'x'.join(map(str, sides))}")
    if moving:
        yield Finding(
            "note", f"dynamic shapes: {', '.join(moving)}; an engine needs --minShapes, --optShapes, --maxShapes"
        )
    else:
        yield Finding("fine", "all shapes are static")


def _resizes(graph: Any) -> Iterator[Finding]:
    constants = {tensor.name for tensor in graph.initializer}
    constants |= {name for node in graph.node if node.op_type == "Constant" for name in node.output}
    for node in (node for node in graph.node if node.op_type == "Resize"):
        words = {a.name: a.s.decode() for a in node.attribute if a.s}
        if words.get("mode", "nearest") not in ("nearest", "linear"):
            yield Finding("problem", f"Resize with mode {words['mode']}, TensorRT knows nearest and linear")
        if words.get("coordinate_transformation_mode", "half_pixel") not in RESIZE:
            yield Finding("problem", f"Resize with {words['coordinate_transformation_mode']} coordinates")
        if any(name and name not in constants for name in node.input[2:]):
            yield Finding("note", f"the size of Resize {node.name} is computed; TensorRT before 8.6 wants a constant")


def _boxes(graph: Any) -> Iterator[Finding]:
    inputs = {value.name for value in graph.input}
    inside = [node for node in graph.node if node.op_type == "NonMaxSuppression"]
    if inside and any(set(node.input) & inputs for node in inside):
        yield Finding("note", "box suppression inside with thresholds as inputs; TensorRT before 10 wants constants")
    elif len(inputs) > 1:
        yield Finding("note", "box suppression inside, with thresholds as inputs; DeepStream fills one input only")
    else:
        yield Finding("fine", "no box suppression inside: candidates leave the graph")


def _integers(graph: Any, types: dict[str, int]) -> Iterator[Finding]:
    import onnx

    names = [value.name for value in graph.output if types.get(value.name) == onnx.TensorProto.INT64]
    if names:
        yield Finding("note", f"outputs {', '.join(names)} are int64; TensorRT before 10 gives int32 there")


def _quantized(graph: Any) -> Iterator[Finding]:
    """Q/DQ pairs: their zero points must be zero."""
    from onnx import numpy_helper

    nodes = [node for node in graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    if not nodes:
        return
    values = {tensor.name: tensor for tensor in graph.initializer}
    points = [node.input[2] for node in nodes if len(node.input) > 2 and node.input[2]]
    uneven = [name for name in points if name in values and numpy_helper.to_array(values[name]).any()]
    if uneven:
        yield Finding("problem", f"{len(uneven)} of {len(nodes)} Q/DQ nodes have a zero point; quantize symmetrically")
    else:
        yield Finding("fine", f"{len(nodes)} Q/DQ nodes, all symmetric")
