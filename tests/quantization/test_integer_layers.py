"""What ONNX Runtime computes in integers: as many layers as are rounded, with the answers of the model before."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hydranet.quantization.integer_layers import in_integers

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")

MODEL = """
<ir_version: 8, opset_import: ["" : 18]>
toy (float[1, 2, 8, 8] x) => (float[1, 2, 8, 8] y)
<float s = {0.02}, int8 z = {-7}, float t = {0.02}, uint8 u = {0}, float low = {0.0}, float high = {6.0},
 int8[2, 2, 1, 1] w = {90, -40, 17, 127}, float[2] ws = {0.004, 0.005}, int8[2] wz = {0, 0}>
{
    xq = QuantizeLinear(x, s, z)
    xd = DequantizeLinear(xq, s, z)
    w1 = DequantizeLinear<axis = 0>(w, ws, wz)
    a = Conv(xd, w1)
    ac = Clip(a, low, high)
    aq = QuantizeLinear(ac, t, u)
    ad = DequantizeLinear(aq, t, u)
    w2 = DequantizeLinear<axis = 0>(w, ws, wz)
    b = Conv(ad, w2)
    bq = QuantizeLinear(b, t, z)
    bd = DequantizeLinear(bq, t, z)
    p = MaxPool<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(bd)
    w3 = DequantizeLinear<axis = 0>(w, ws, wz)
    c = Conv(p, w3)
    cq = QuantizeLinear(c, t, z)
    cd = DequantizeLinear(cq, t, z)
    w4 = DequantizeLinear<axis = 0>(w, ws, wz)
    d = Conv(cd, w4)
    ds = Sigmoid(d)
    dm = Mul(d, ds)
    dq = QuantizeLinear(dm, t, z)
    dd = DequantizeLinear(dq, t, z)
    w5 = DequantizeLinear<axis = 0>(w, ws, wz)
    y = Conv(dd, w5)
}
"""


def optimized(model: Any, path: Path) -> Counter[str]:
    """How many nodes of each kind ONNX Runtime computes."""
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(path)
    options.log_severity_level = 3
    ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return Counter(node.op_type for node in onnx.load(str(path)).graph.node)


def answers(model: Any, x: np.ndarray) -> np.ndarray:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    (made,) = session.run(None, {"x": x})
    return np.asarray(made)


def test_rounded_layers_become_integers_and_answers_stay(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(1, 2, 8, 8)).astype(np.float32)
    before = onnx.parser.parse_model(MODEL)
    made = in_integers(onnx.parser.parse_model(MODEL))
    onnx.checker.check_model(made)
    counts = optimized(made, tmp_path / "after.onnx")
    assert counts["QLinearConv"] == 3  # the two behind it are SiLU's, and the last one
    assert counts["MaxPool"] + counts["NhwcMaxPool"] == 1
    zeros = {one.name: one.data_type for one in made.graph.initializer if one.name.startswith("z")}
    assert zeros["z.uint8"] == onnx.TensorProto.UINT8
    weights = [node.name for node in made.graph.node if node.op_type == "DequantizeLinear" and node.input[0] == "w"]
    assert len(weights) == 3  # of the layers in integers; the others have float ones
    wide, rounded = answers(made, x), answers(before, x)
    half_steps = 0.02 / 2 * 0.005 * (127 + 17) + 1e-6  # of the two channels in front of the last layer, by its weights
    np.testing.assert_allclose(wide, rounded, atol=half_steps)
    assert not np.array_equal(wide, rounded)  # the last layer's input is not rounded any more


def test_without_float_layers_the_answers_are_the_same_bits(tmp_path: Path) -> None:
    last = "yc = Conv(cd, w5) yq = QuantizeLinear(yc, t, z) y = DequantizeLinear(yq, t, z)"
    text = MODEL.replace("y = Conv(dd, w5)", last)
    x = np.random.default_rng(1).normal(size=(1, 2, 8, 8)).astype(np.float32)
    before, made = onnx.parser.parse_model(text), in_integers(onnx.parser.parse_model(text))
    np.testing.assert_array_equal(answers(made, x), answers(before, x))
    assert optimized(made, tmp_path / "a.onnx")["QLinearConv"] == 4
    assert not any(node.op_type in ("Sigmoid", "Mul") for node in made.graph.node)  # nothing that nobody reads
