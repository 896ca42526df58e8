"""The program of docs/shipping.md, which needs ONNX Runtime, numpy and OpenCV alone, gives what the predictor gives."""

import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from hydranet.annotations import Boxes, ClassMap, ScalarMap
from hydranet.deploy.camera_input import CameraInput
from hydranet.deploy.fitting import Fitting
from hydranet.deploy.manifest import KEY, Head, Input, Manifest, Output
from hydranet.deploy.predictor import SessionPredictor
from hydranet.deploy.session import open_session

DOCS = Path(__file__).parents[2] / "docs" / "shipping.md"
HEIGHT, WIDTH = 64, 96
NMS = {"nms": {"score_threshold": 0.001, "iou_threshold": 0.5, "max_detections": 3.0, "pre_nms_topk": 100.0}}
XYXY = [[8, 20, 30, 40], [9, 20, 31, 40], [10, 21, 30, 41], [40, 30, 60, 44], [70, 25, 90, 40], [5, 25, 20, 35]]
LABEL, SCORE = [0, 0, 1, 1, 0, 0], [0.9, 0.8, 0.7, 0.6, 0.5, 0.2]
MANIFEST = Manifest(
    name="made by hand",
    input=Input((HEIGHT, WIDTH), fitting=Fitting()),
    heads={
        "far": Head("ScalarMap", ("values",), {"unit": "m"}),
        "ground": Head("ClassMap", ("ids",), classes=tuple("abcdefgh")),
        "cars": Head("Boxes", ("xyxy", "label", "score"), classes=("car", "van"), postprocess=NMS, score_threshold=0.3),
    },
    outputs={
        "far.values": Output("float32", (1, HEIGHT, WIDTH), "m"),
        "ground.ids": Output("uint8", (1, HEIGHT, WIDTH)),
        "cars.xyxy": Output("float32", (1, 6, 4)),
        "cars.label": Output("int64", (1, 6)),
        "cars.score": Output("float32", (1, 6)),
    },
)


LINE_ARRAYS = {"lines.ids": Output("uint8", (1, 16, 24)), "lines.probs": Output("float32", (1, 2, 16, 24))}
LINES = Head("ClassMap", ("ids", "probs"), postprocess={"trace_lines": {"cell_px": 4.0}}, score_threshold=0.3)
WITH_CAMERA = replace(
    MANIFEST,
    camera=CameraInput(("far",), usual=1.0),
    heads={**MANIFEST.heads, "lines": LINES},
    outputs={
        **MANIFEST.outputs,
        "lines.ids": Output("uint8", (1, 16, 24)),
        "lines.probs": Output("float32", (1, 2, 16, 24)),
    },
)
"""The same with a distance that depends on the camera, and with cells that become lines."""


def write_model(path: Path, manifest: Manifest = MANIFEST) -> None:
    """A graph whose depth is the mean color, whose classes are eight shades of it, and whose boxes are fixed.

    With a camera, depth is the mean color times fx + fy + cx + cy.
    """
    onnx = pytest.importorskip("onnx")
    make = onnx.helper

    def constant(name: str, value: np.ndarray) -> object:
        return make.make_node("Constant", [], [name], value=onnx.numpy_helper.from_array(value))

    nodes = [
        make.make_node("Cast", ["image"], ["float"], to=onnx.TensorProto.FLOAT),
        make.make_node("ReduceMean", ["float"], ["far.values"], axes=[3], keepdims=0),
        constant("32", np.float32(32)),
        make.make_node("Div", ["far.values", "32"], ["shade"]),
        make.make_node("Cast", ["shade"], ["ground.ids"], to=onnx.TensorProto.UINT8),
        constant("cars.xyxy", np.array([XYXY], np.float32)),
        constant("cars.label", np.array([LABEL], np.int64)),
        constant("cars.score", np.array([SCORE], np.float32)),
    ]
    given = []
    if manifest.camera is not None:
        nodes[1] = make.make_node("ReduceMean", ["float"], ["mean"], axes=[3], keepdims=0)
        nodes.insert(2, make.make_node("ReduceSum", ["camera"], ["sum"], keepdims=0))
        nodes.insert(3, make.make_node("Mul", ["mean", "sum"], ["far.values"]))
        nodes[5] = make.make_node("Div", ["mean", "32"], ["shade"])
        nodes += [
            constant("lines.ids", np.zeros((1, 16, 24), np.uint8)),
            constant("lines.probs", np.zeros((1, 2, 16, 24), np.float32)),
        ]
        given.append(make.make_tensor_value_info("camera", onnx.TensorProto.FLOAT, (1, 4)))
    types = {"float32": onnx.TensorProto.FLOAT, "uint8": onnx.TensorProto.UINT8, "int64": onnx.TensorProto.INT64}
    outputs = [make.make_tensor_value_info(n, types[o.dtype], o.shape) for n, o in manifest.outputs.items()]
    image = make.make_tensor_value_info("image", types["uint8"], (1, HEIGHT, WIDTH, 3))
    graph = make.make_graph(nodes, "by hand", [image, *given], outputs)
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 17)], ir_version=8)
    make.set_model_props(model, {KEY: manifest.to_json()})
    onnx.save_model(model, path)


@pytest.mark.parametrize("size", [(180, 320), (375, 500), (64, 96), (301, 97), (40, 50)])
def test_the_program_in_the_docs_equals_the_predictor(
    size: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime")
    monkeypatch.chdir(tmp_path)
    write_model(Path("model.onnx"))
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (7, 9, 3), dtype=np.uint8)
    image = cv2.resize(small, size[::-1], interpolation=cv2.INTER_CUBIC)
    cv2.imwrite("frame.png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    (program,) = [code for code in re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL) if "fitting" in code]
    assert "hydranet" not in re.sub(r'"hydranet"', "", program)
    names: dict[str, object] = {}
    exec(compile(program, "shipping.md", "exec"), names)
    wanted = SessionPredictor(open_session("model.onnx"))(image)
    answers = names["answers"]
    assert isinstance(answers, dict)

    far, ground, cars = wanted["far"], wanted["ground"], wanted["cars"]
    assert isinstance(far, ScalarMap)
    assert isinstance(ground, ClassMap)
    assert isinstance(cars, Boxes)
    assert len(np.unique(ground.ids)) > 3
    enlarged = min(HEIGHT / size[0], WIDTH / size[1]) > 1
    np.testing.assert_allclose(answers["far"], far.values, atol=1.0 if enlarged else 1e-3)
    assert (answers["ground"] == ground.ids).mean() > (0.97 if enlarged else 0.995)
    xyxy, label, score = answers["cars"]
    assert label.tolist() == [0, 1, 1]
    cut = np.clip(xyxy, 0, np.array(size[::-1] * 2))
    inside = (cut[:, 2:] > cut[:, :2]).all(1)
    assert len(cars.label) == (1 if size == (301, 97) else 3)  # this one is narrower than where the others lie
    np.testing.assert_array_equal(label[inside], cars.label)
    np.testing.assert_allclose(score[inside], cars.score)
    np.testing.assert_allclose(cut[inside], cars.xyxy, atol=1e-3)


def test_the_program_fills_the_camera_and_leaves_lines_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    monkeypatch.chdir(tmp_path)
    write_model(Path("model.onnx"), WITH_CAMERA)
    image = np.random.default_rng(1).integers(0, 256, (128, 150, 3), dtype=np.uint8)
    cv2.imwrite("frame.png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    (program,) = [code for code in re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL) if "fitting" in code]
    names: dict[str, object] = {}
    exec(compile(program, "shipping.md", "exec"), names)
    answers = names["answers"]
    assert isinstance(answers, dict)
    assert set(answers) == {"far", "ground", "cars"}
    far = SessionPredictor(open_session("model.onnx"), heads=["far"], camera=1000.0)(image)["far"]
    assert isinstance(far, ScalarMap)
    np.testing.assert_allclose(answers["far"], far.values, rtol=1e-4)


def test_the_manifest_says_the_rule_and_older_ones_still_open() -> None:
    assert Manifest.from_json(MANIFEST.to_json()) == MANIFEST
    assert MANIFEST.input.fitting is not None
    assert MANIFEST.input.fitting.padding == 114
    older = replace(MANIFEST, format=3).to_json()
    without = re.sub(r',\s*"fitting": \{[^}]*\}', "", older)
    assert "fitting" not in without
    assert Manifest.from_json(without).input.fitting is None
