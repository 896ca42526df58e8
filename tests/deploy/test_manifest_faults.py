"""What a manifest asks for is done or refused: nothing in it is passed over."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hydranet.core.errors import UserError
from hydranet.deploy.fitting import Fitting
from hydranet.deploy.manifest import KEY, Head, Input, Manifest, ManifestError, Output
from hydranet.deploy.session import open_session
from hydranet.tasks.lanes.task import Lanes

NMS = {"nms": {"score_threshold": 0.001, "iou_threshold": 0.5, "max_detections": 10.0, "pre_nms_topk": 100.0}}
MANIFEST = Manifest(
    name="two",
    input=Input((32, 64), fitting=Fitting()),
    heads={
        "sign": Head("Tag", ("label", "probs"), classes=("stop", "yield"), colors=((0, 128, 255), (1, 2, 3))),
        "cars": Head("Boxes", ("xyxy", "label", "score"), postprocess=NMS, score_threshold=0.3),
    },
    outputs={
        "sign.label": Output("int64", (1,)),
        "sign.probs": Output("float32", (1, 2)),
        "cars.xyxy": Output("float32", (1, 3, 4)),
        "cars.label": Output("int64", (1, 3)),
        "cars.score": Output("float32", (1, 3)),
    },
)


def edited(place: str, value: object) -> str:
    """The manifest as text, with another value at a place such as "input.fitting.padding"."""
    tree = json.loads(MANIFEST.to_json())
    *folders, last = place.split("/")
    inner: Any = tree
    for name in folders:
        inner = inner[name]
    inner[last] = value
    return json.dumps(tree)


def test_the_manifest_itself_is_read() -> None:
    assert Manifest.from_json(MANIFEST.to_json()) == MANIFEST
    read = Manifest.from_json(edited("input/fitting/shrink", "area"))
    assert read.input.fitting == Fitting(shrink="area")


@pytest.mark.parametrize(
    ("place", "value", "sentence"),
    [
        ("input/fitting/padding", 0, "got padding=0 of the fitting in the manifest, this version knows 114; update"),
        (
            "input/fitting/method",
            "stretch",
            "got method='stretch' of the fitting .* knows 'letterbox'; update hydranet",
        ),
        ("input/fitting/position", "top left", "got position='top left' .* knows 'center, rounded down'; update"),
        ("input/fitting/rounding", "up", "got rounding='up' of the fitting .* knows 'half to even'; update hydranet"),
        ("input/fitting/enlarge", "cubic", "got enlarge='cubic' of the fitting .* knows 'linear'; update hydranet"),
        ("input/color", "BGR", "got color='BGR' of the input in the manifest, this version knows 'RGB'; update"),
        ("input/layout", "bchw", "got layout='bchw' of the input .* knows 'bhwc'; update hydranet"),
        ("input/dtype", "float32", "got dtype='float32' of the input .* knows 'uint8'; update hydranet"),
        ("input/name", "x", "got name='x' of the input .* knows 'image'; update hydranet"),
        ("input/fit", "crop", "got fit='crop' of the input .* knows none, letterbox, stretch; update hydranet"),
        ("input/fit", "stretch", "got fit='stretch' without a frame .*, expected the size of the frames; export"),
        ("input/stride", 0, "got stride=0 of the input in the manifest, expected a whole number from 1; export"),
        ("input/batch", -1, "got batch=-1 of the input in the manifest, expected a whole number from 1; export"),
        ("heads/sign/colors", [[0, 0, 256]], r"got color \(0, 0, 256\) of head 'sign', expected .* from 0 to 255"),
        (
            "heads/sign/classes",
            ["stop"],
            "got 1 class names of head 'sign', whose sign.probs has 2 classes, expected a",
        ),
        (
            "outputs/cars.xyxy/unit",
            "m",
            "got unit='m' of output 'cars.xyxy' in the manifest, and 'px' of its head, exp",
        ),
        (
            "outputs/cars.score/unit",
            "m",
            "got unit='m' of output 'cars.score' in the manifest, and '' of its head, exp",
        ),
        ("outputs/cars.score/dtype", "text", "got dtype='text' of output 'cars.score', expected a type of numbers"),
        ("heads/cars/score_threshold", -1, "got score_threshold=-1 of head 'cars' .* from 0 to 1; export"),
    ],
)
def test_what_this_version_cannot_do_is_refused(place: str, value: object, sentence: str) -> None:
    with pytest.raises(ManifestError, match=sentence):
        Manifest.from_json(edited(place, value))


def test_a_map_that_becomes_lines_has_a_channel_more_than_names() -> None:
    lanes = Lanes("lanes", ("solid", "dashed"))
    head = Head("ClassMap", ("ids", "probs"), classes=lanes.classes, postprocess=lanes.postprocess_steps())
    outputs = {"lanes.ids": Output("uint8", (1, 32, 64)), "lanes.probs": Output("float32", (1, 3, 32, 64))}
    manifest = Manifest(name="lines", input=Input((32, 64), fitting=Fitting()), heads={"lanes": head}, outputs=outputs)
    assert Manifest.from_json(manifest.to_json()) == manifest


def write(path: Path, manifest: str) -> Path:
    """A graph with one input, `image`, and the outputs of the manifest, all of them constants."""
    onnx = pytest.importorskip("onnx")
    kinds = {"int64": onnx.TensorProto.INT64, "float32": onnx.TensorProto.FLOAT}
    make, nodes, outputs = onnx.helper, [], []
    for name, one in MANIFEST.outputs.items():
        count = 1
        for side in one.shape:
            count *= side or 1
        value = make.make_tensor(name, kinds[one.dtype], one.shape, [0] * count)
        nodes.append(make.make_node("Constant", [], [name], value=value))
        outputs.append(make.make_tensor_value_info(name, kinds[one.dtype], one.shape))
    image = make.make_tensor_value_info("image", onnx.TensorProto.UINT8, (1, 32, 64, 3))
    model = make.make_model(make.make_graph(nodes, "g", [image], outputs), opset_imports=[make.make_opsetid("", 18)])
    model.ir_version = 8
    onnx.helper.set_model_props(model, {KEY: manifest})
    onnx.save(model, str(path))
    return path


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_a_graph_with_other_inputs_is_refused_when_it_is_opened(tmp_path: Path, runtime: str) -> None:
    pytest.importorskip({"onnx": "onnxruntime"}.get(runtime, runtime))
    assert open_session(write(tmp_path / "a.onnx", MANIFEST.to_json()), runtime).manifest == MANIFEST
    inside = write(tmp_path / "b.onnx", edited("heads/cars/inside", True))
    with pytest.raises(ManifestError, match="takes 'image', its manifest says image, score_threshold, iou_threshold; "):
        open_session(inside, runtime)
    for place in ("input/dynamic", "input/batch"):
        wide = write(tmp_path / "c.onnx", edited(place, True if place == "input/dynamic" else None))
        with pytest.raises(ManifestError, match=r"takes images of shape \(1, 32, 64, 3\), its manifest says .*any"):
            open_session(wide, runtime)


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
@pytest.mark.parametrize(
    ("place", "value", "sentence"),
    [
        ("outputs/cars.label/dtype", "float32", r"gives 'cars.label' as int.. \(1, 3\), its manifest says float32"),
        (
            "outputs/cars.xyxy/shape",
            [1, 4, 3],
            r"gives 'cars.xyxy' as float32 \(1, 3, 4\), .* says float32 \(1, 4, 3\)",
        ),
        (
            "outputs/sign.more",
            {"dtype": "float32", "shape": [1]},
            "does not give 'sign.more', which its manifest names",
        ),
    ],
)
def test_a_graph_with_other_outputs_is_refused_when_it_is_opened(
    tmp_path: Path, runtime: str, place: str, value: object, sentence: str
) -> None:
    pytest.importorskip({"onnx": "onnxruntime"}.get(runtime, runtime))
    with pytest.raises(ManifestError, match=sentence):
        open_session(write(tmp_path / "a.onnx", edited(place, value)), runtime)


@pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning", "ignore:`torch.jit:DeprecationWarning")
def test_a_torchscript_file_with_other_inputs_is_refused_when_it_is_opened(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")

    class Graph(torch.nn.Module):
        def forward(self, image: Any) -> Any:
            return image.float().mean((1, 2, 3))

    traced = torch.jit.trace(Graph(), (torch.zeros(1, 32, 64, 3, dtype=torch.uint8),))
    path = tmp_path / "a.torchscript"
    torch.jit.save(traced, str(path), _extra_files={f"{KEY}.json": MANIFEST.to_json()})
    with pytest.raises(
        ManifestError, match=r"gives 'sign.label' as float32 \(\), its manifest says int64 \(1\); export"
    ):
        open_session(path, trust=True)({"image": np.zeros((1, 32, 64, 3), np.uint8)})
    torch.jit.save(traced, str(path), _extra_files={f"{KEY}.json": edited("heads/cars/inside", True)})
    with pytest.raises(UserError, match=r"takes 1 arrays, its manifest says 3 \(image, score_threshold, iou_threshold"):
        open_session(path, trust=True)
