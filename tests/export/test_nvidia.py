"""Files for Triton and DeepStream agree with the ONNX file they are made of; TensorRT's rules find what breaks."""

import configparser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

from hydranet.deploy.manifest import Head, Input, Manifest, Output
from hydranet.export.nvidia.deepstream import write_configs
from hydranet.export.nvidia.tensorrt_rules import command, findings
from hydranet.export.nvidia.triton import config, model_name, write_repository

onnx = pytest.importorskip("onnx")
helper, kinds = pytest.importorskip("onnx.helper"), onnx.TensorProto

CARS = {"nms": {"score_threshold": 0.001, "iou_threshold": 0.5, "max_detections": 10.0, "pre_nms_topk": 100.0}}


def manifest(batch: int | None = 1, inside: bool = False, dynamic: bool = False) -> Manifest:
    sides = (None, None) if dynamic else (64, 96)
    return Manifest(
        name="my run",
        input=Input((64, 96), dynamic=dynamic, batch=batch),
        heads={
            "far": Head("ScalarMap", ("values",), {"unit": "m"}),
            "cars": Head("Boxes", ("xyxy", "label", "score"), classes=("car", "van"), postprocess=CARS, inside=inside),
            "road": Head("ClassMap", ("ids",), classes=("road", "sky")),
        },
        outputs={
            "far.values": Output("float32", (batch, *sides), "m"),
            "cars.xyxy": Output("float32", (batch, 10, 4)),
            "cars.label": Output("int64", (batch, 10)),
            "cars.score": Output("float32", (batch, 10)),
            "road.ids": Output("uint8", (batch, *sides)),
        },
    )


def model_config() -> Any:
    """The part of Triton's ModelConfig that is used here, with the numbers of its model_config.proto."""
    file = descriptor_pb2.FileDescriptorProto(name="part_of_model_config.proto", package="inference", syntax="proto3")
    types = file.enum_type.add(name="DataType")
    numbers = {"INVALID": 0, "BOOL": 1, "UINT8": 2, "INT32": 8, "INT64": 9, "FP16": 10, "FP32": 11}
    for name, number in numbers.items():
        types.value.add(name=f"TYPE_{name}", number=number)
    field = descriptor_pb2.FieldDescriptorProto
    for kind in ("ModelInput", "ModelOutput"):
        tensor = file.message_type.add(name=kind)
        tensor.field.add(name="name", number=1, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
        given = {"type": field.TYPE_ENUM, "type_name": ".inference.DataType"}
        tensor.field.add(name="data_type", number=2, label=field.LABEL_OPTIONAL, **given)
        number = 4 if kind == "ModelInput" else 3
        tensor.field.add(name="dims", number=number, type=field.TYPE_INT64, label=field.LABEL_REPEATED)
    file.message_type.add(name="ModelDynamicBatching")
    whole = file.message_type.add(name="ModelConfig")
    for name, number, kind in (("name", 1, field.TYPE_STRING), ("max_batch_size", 4, field.TYPE_INT32)):
        whole.field.add(name=name, number=number, type=kind, label=field.LABEL_OPTIONAL)
    whole.field.add(name="backend", number=17, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    for name, number, kind, label in (
        ("input", 5, "ModelInput", field.LABEL_REPEATED),
        ("output", 6, "ModelOutput", field.LABEL_REPEATED),
        ("dynamic_batching", 11, "ModelDynamicBatching", field.LABEL_OPTIONAL),
    ):
        whole.field.add(name=name, number=number, type=field.TYPE_MESSAGE, type_name=f".inference.{kind}", label=label)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("inference.ModelConfig"))


CONFIG = model_config()
OF = {kinds.FLOAT: 11, kinds.INT64: 9, kinds.UINT8: 2}


def parsed(text: str) -> Any:
    return text_format.Parse(text, CONFIG())


def like(said: Manifest) -> Any:
    """An ONNX file with the inputs and outputs that a manifest describes, written by another hand."""
    shape = said.input
    sides = ("height", "width") if shape.dynamic else shape.size
    inputs = [helper.make_tensor_value_info("image", kinds.UINT8, [shape.batch or "batch", *sides, 3])]
    if said.thresholds:
        names = ("score_threshold", "iou_threshold")
        inputs += [helper.make_tensor_value_info(name, kinds.FLOAT, [1]) for name in names]
    types = {"float32": kinds.FLOAT, "int64": kinds.INT64, "uint8": kinds.UINT8}
    outputs = [
        helper.make_tensor_value_info(n, types[o.dtype], [s or f"side{i}" for i, s in enumerate(o.shape)])
        for n, o in said.outputs.items()
    ]
    return helper.make_model(helper.make_graph([], "like", inputs, outputs))


@pytest.mark.parametrize(
    ("said", "together"),
    [(manifest(), 0), (manifest(batch=None), 1), (manifest(4, dynamic=True), 0), (manifest(None, inside=True), 0)],
)
def test_triton_agrees_with_the_onnx_file(said: Manifest, together: int) -> None:
    """Names, types and shapes; where Triton forms the batches, its shapes are those of one image."""
    given, model = parsed(config(said)), like(said)
    assert (given.name, given.backend) == ("my_run", "onnxruntime")
    assert (given.max_batch_size > 0) == given.HasField("dynamic_batching") == bool(together)
    for ours, theirs in ((given.input, model.graph.input), (given.output, model.graph.output)):
        assert [tensor.name for tensor in ours] == [value.name for value in theirs]
        for tensor, value in zip(ours, theirs, strict=True):
            wanted = value.type.tensor_type
            assert tensor.data_type == OF[wanted.elem_type]
            assert list(tensor.dims) == [side.dim_value or -1 for side in wanted.shape.dim][together:], tensor.name


def test_a_repository_holds_the_model(tmp_path: Path) -> None:
    onnx.save(like(manifest()), tmp_path / "model.onnx")
    paths = write_repository(tmp_path / "model.onnx", manifest(), tmp_path / "triton")
    place = tmp_path / "triton" / model_name(manifest())
    assert paths == [place / "config.pbtxt", place / "1" / "model.onnx"]
    assert paths[1].read_bytes() == (tmp_path / "model.onnx").read_bytes()
    assert parsed(paths[0].read_text()).name == place.name


def test_deepstream_agrees_with_the_manifest(tmp_path: Path) -> None:
    write_configs(Path("model.onnx"), manifest(), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "nvinfer.txt",
        "nvdspreprocess.txt",
        "labels_cars.txt",
        "labels_road.txt",
    }
    reading = configparser.ConfigParser(interpolation=None)
    reading.read([tmp_path / "nvinfer.txt"])
    network = dict(reading["property"])
    assert network["output-blob-names"].split(";") == list(manifest().outputs)
    assert (network["onnx-file"], network["network-type"], network["input-tensor-from-meta"]) == (
        "model.onnx",
        "100",
        "1",
    )
    reading = configparser.ConfigParser(interpolation=None)
    reading.read([tmp_path / "nvdspreprocess.txt"])
    tensor = dict(reading["property"])
    assert [int(side) for side in tensor["network-input-shape"].split(";")] == [1, 64, 96, 3]
    assert (tensor["tensor-name"], tensor["tensor-data-type"], tensor["network-input-order"]) == ("image", "1", "1")
    assert (tmp_path / "labels_cars.txt").read_text() == "car\nvan\n"
    with pytest.raises(ValueError, match="one input of one size for DeepStream; export with --nms outside"):
        write_configs(Path("model.onnx"), manifest(inside=True), tmp_path)


def test_the_command_gives_ranges_where_shapes_vary() -> None:
    assert command(manifest()) == "trtexec --onnx=model.onnx --saveEngine=model.engine --fp16"
    assert command(manifest(batch=None)).endswith(
        "--minShapes=image:1x64x96x3 --optShapes=image:1x64x96x3 --maxShapes=image:8x64x96x3"
    )
    assert "--maxShapes=image:1x128x192x3" in command(manifest(dynamic=True))


def checked(*nodes: Any, batch: int | str = 1) -> dict[str, list[str]]:
    """Findings by level on a graph from uint8 `image` to float `y` and int64 `n`."""
    inputs = [helper.make_tensor_value_info("image", kinds.UINT8, [batch, 4, 4, 3])]
    outputs = [helper.make_tensor_value_info("y", kinds.FLOAT, None)]
    sizes = [onnx.numpy_helper.from_array(np.array([1, 3, 8, 8]), "sizes")]
    graph = helper.make_graph(list(nodes), "g", inputs, outputs, sizes)
    found: dict[str, list[str]] = {}
    for finding in findings(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])):
        found.setdefault(finding.level, []).append(finding.text)
    return found


CAST = helper.make_node("Cast", ["image"], ["float"], to=kinds.FLOAT)


def test_a_graph_that_casts_first_is_fine() -> None:
    found = checked(CAST, helper.make_node("Transpose", ["float"], ["y"], perm=[0, 3, 1, 2]))
    assert set(found) == {"fine"}
    assert "all shapes are static" in found["fine"]


def test_what_tensorrt_refuses() -> None:
    turned = helper.make_node("Transpose", ["image"], ["turned"], perm=[0, 3, 1, 2])
    found = checked(turned, helper.make_node("Cast", ["turned"], ["y"], to=kinds.FLOAT))
    assert "uint8 values go through Transpose" in found["problem"][0]
    found = checked(
        CAST, helper.make_node("Det", ["float"], ["y"]), helper.make_node("Mine", ["y"], ["z"], domain="me")
    )
    assert found["problem"] == ["operators that TensorRT does not know: Det, Mine; write a plugin for them"]
    resize = helper.make_node("Resize", ["float", "", "", "sizes"], ["y"], mode="cubic")
    assert checked(CAST, resize)["problem"] == ["Resize with mode cubic, TensorRT knows nearest and linear"]


def test_what_to_look_at() -> None:
    node = helper.make_node("NonZero", ["float"], ["n"])
    found = checked(CAST, node, helper.make_node("Relu", ["float"], ["y"]), batch="batch")
    assert any("1 x NonZero" in text for text in found["note"])
    assert any("dynamic shapes: image batchx4x4x3" in text for text in found["note"])


def test_an_export_says_it_and_writes_it(tmp_path: Path) -> None:
    """The real exporter: every file is there, and what it says of TensorRT is what the rules say."""
    pytest.importorskip("onnxscript")
    from commands import hydranet
    from hydranet.checkpoint import checkpoint
    from toys import toy_recipe

    recipe = toy_recipe()
    checkpoint.save_model(tmp_path, recipe.build(), recipe)
    ended = hydranet("export", tmp_path, "--nvidia", "--limit", 2, "--out", tmp_path / "out")
    assert ended.code == 0, ended.err
    assert "TensorRT engine: trtexec --onnx=model.onnx" in ended.out
    model = onnx.load(str(tmp_path / "out" / "model.onnx"))
    for finding in findings(model):
        assert f"TensorRT {finding.level}: {finding.text}" in ended.out
    (path,) = (tmp_path / "out" / "triton").glob("*/config.pbtxt")
    given = parsed(path.read_text())
    assert [tensor.name for tensor in given.output] == [value.name for value in model.graph.output]
    for tensor, value in zip((*given.input, *given.output), (*model.graph.input, *model.graph.output), strict=True):
        assert tensor.data_type == OF[value.type.tensor_type.elem_type]
        assert list(tensor.dims) == [side.dim_value for side in value.type.tensor_type.shape.dim]
    assert (tmp_path / "out" / "deepstream" / "nvinfer.txt").is_file()
