"""A quantized ONNX model in the form in which ONNX Runtime computes it in integers.

A layer between two rounded arrays becomes one of integers only where both are uint8 on x86-64, and where nothing but
the rounding follows it. NNCF writes signed arrays for what has both signs, and rounds no array behind a maximum; such
layers would be computed in float, with a change of numbers before and after: slower than without any rounding.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

QUANTIZE, DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"

CLAMPS = ("Clip", "Relu")
"""What ONNX Runtime takes into the rounding that follows it."""

INTEGER = ("Conv", "Add", "MaxPool", "Gemm", "MatMul")
"""What it computes in integers between two rounded arrays."""


class _Graph:
    """Nodes of an ONNX model by what they make and take, and its constants."""

    def __init__(self, model: Any) -> None:
        from onnx import numpy_helper

        self.nodes: list[Any] = list(model.graph.node)
        self.tensors = {one.name: one for one in model.graph.initializer}
        self.to_array: Callable[[Any], np.ndarray] = numpy_helper.to_array
        self.makers = {name: node for node in self.nodes for name in node.output}
        self.takers: dict[str, list[Any]] = {}
        for node in self.nodes:
            for name in node.input:
                self.takers.setdefault(name, []).append(node)

    def rounded(self, name: str) -> bool:
        """Whether all that becomes of an array is its rounding, at most behind a clamp."""
        takers = self.takers.get(name, [])
        if len(takers) == 1 and takers[0].op_type in CLAMPS:
            takers = self.takers.get(takers[0].output[0], [])
        return bool(takers) and all(node.op_type == QUANTIZE for node in takers)

    def unrounded_layers(self) -> Iterator[Any]:
        """Convolutions that stay in float since their outputs are used as they are, by SiLU for one."""
        return (node for node in self.nodes if node.op_type == "Conv" and not self.rounded(node.output[0]))


def in_integers(model: Any) -> Any:
    """The model itself, changed: answers are the same but for the inputs of float layers, which are rounded less.

    Activations become uint8: zero points move by 128, steps and ranges stay. What a maximum gives lies on the steps of
    what it is taken of, and is said to. Convolutions that stay in float get float weights once, not in every call, and
    the numbers before their rounding where a float layer made them.
    """
    _unsigned(model)
    _rounded_maxima(model)
    _float_layers(model)
    del model.graph.value_info[:]  # types of arrays that have changed
    return model


def _unsigned(model: Any) -> None:
    from onnx import numpy_helper

    graph = _Graph(model)
    for node in graph.nodes:
        weights = node.op_type == DEQUANTIZE and node.input[0] in graph.tensors
        if node.op_type not in (QUANTIZE, DEQUANTIZE) or weights or len(node.input) < 3:
            continue
        zero = graph.to_array(graph.tensors[node.input[2]])
        if zero.dtype == np.int8:
            name = f"{node.input[2]}.uint8"
            if name not in graph.tensors:
                moved = numpy_helper.from_array((zero.astype(np.int16) + 128).astype(np.uint8), name)
                graph.tensors[name] = moved
                model.graph.initializer.append(moved)
            node.input[2] = name


def _rounded_maxima(model: Any) -> None:
    from onnx import helper

    graph, nodes = _Graph(model), []
    steps: dict[str, list[str]] = {}
    for node in graph.nodes:
        nodes.append(node)
        if node.op_type == DEQUANTIZE and node.input[0] not in graph.tensors:
            steps[node.output[0]] = list(node.input[1:])
        if node.op_type == "MaxPool" and node.input[0] in steps and not graph.rounded(node.output[0]):
            made, known = node.output[0], steps[node.input[0]]
            node.output[0] = f"{made}.float"
            integers = f"{made}.integers"
            nodes.append(helper.make_node(QUANTIZE, [node.output[0], *known], [integers], f"{node.name}.quantize"))
            nodes.append(helper.make_node(DEQUANTIZE, [integers, *known], [made], f"{node.name}.dequantize"))
            steps[made] = known
    _replace(model, nodes)


def _float_layers(model: Any) -> None:
    from onnx import numpy_helper

    graph = _Graph(model)
    for node in graph.unrounded_layers():
        given, weights = (graph.makers.get(name) for name in node.input[:2])
        if weights is not None and weights.op_type == DEQUANTIZE:
            name = f"{node.input[1]}.float"
            model.graph.initializer.append(numpy_helper.from_array(_values(graph, weights), name))
            node.input[1] = name
        if given is not None and given.op_type == DEQUANTIZE:
            rounding = graph.makers.get(given.input[0])
            source = None if rounding is None else graph.makers.get(rounding.input[0])
            if rounding is not None and source is not None and source.op_type not in (*INTEGER, *CLAMPS):
                node.input[0] = rounding.input[0]
    _replace(model, _used(model))


def _values(graph: _Graph, node: Any) -> np.ndarray:
    """The float values of constants that a node of the model would compute in every call."""
    integers, scale, *zero = (graph.to_array(graph.tensors[name]).astype(np.float32) for name in node.input)
    axis = next((one.i for one in node.attribute if one.name == "axis"), 1)
    shape = [-1 if i == axis % integers.ndim and scale.size > 1 else 1 for i in range(integers.ndim)]
    return (integers - (zero[0].reshape(shape) if zero else 0)) * scale.reshape(shape)


def _used(model: Any) -> list[Any]:
    """The nodes that an output depends on, in their order."""
    needed, kept = {one.name for one in model.graph.output}, []
    for node in reversed(model.graph.node):
        if needed & set(node.output):
            needed.update(node.input)
            kept.append(node)
    return kept[::-1]


def _replace(model: Any, nodes: list[Any]) -> None:
    del model.graph.node[:]
    model.graph.node.extend(nodes)
