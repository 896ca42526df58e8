"""The predictor of exported files: without torch, in the image's own pixels, at each head's own rate."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hydranet.annotations import Boxes, Quantity, ScalarMap
from hydranet.core.errors import UserError
from hydranet.core.sample import DataError
from hydranet.deploy.manifest import Head, Input, Manifest, ManifestError, Output, parse
from hydranet.deploy.manifest_fit import InputError, check_arrays
from hydranet.deploy.onnx_subgraph import part
from hydranet.deploy.options import PredictorError
from hydranet.deploy.predictor import SessionPredictor
from hydranet.deploy.session import open_session

NMS = {"nms": {"score_threshold": 0.001, "iou_threshold": 0.5, "max_detections": 10.0, "pre_nms_topk": 100.0}}
MANIFEST = Manifest(
    name="fake",
    input=Input((32, 64)),
    heads={
        "far": Head("ScalarMap", ("values",), {"unit": "m"}),
        "cars": Head("Boxes", ("xyxy", "label", "score"), classes=("car", "van"), postprocess=NMS, score_threshold=0.3),
        "bright": Head("Quantity", ("value",)),
    },
    outputs={
        "far.values": Output("float32", (1, 32, 64), "m"),
        "cars.xyxy": Output("float32", (1, 3, 4)),
        "cars.label": Output("int64", (1, 3)),
        "cars.score": Output("float32", (1, 3)),
        "bright.value": Output("float32", (1,)),
    },
)


class Fake:
    """A session whose answers can be computed by head, and that notes what it was asked for."""

    prunes = True

    def __init__(self, manifest: Manifest = MANIFEST) -> None:
        self.manifest = manifest
        self.asked: list[tuple[str, ...]] = []
        self.given: dict[str, np.ndarray] = {}

    def __call__(self, arrays: Mapping[str, np.ndarray], outputs: Sequence[str] | None = None) -> dict[str, np.ndarray]:
        names = tuple(outputs or self.manifest.outputs)
        self.asked.append(names)
        self.given = dict(arrays)
        image = arrays["image"]
        count = len(image)
        made = {
            "far.values": image.mean(3, dtype=np.float32),
            "cars.xyxy": np.tile(
                np.array([[0, 0, 16, 16], [1, 0, 17, 16], [32, 16, 64, 32]], np.float32), (count, 1, 1)
            ),
            "cars.label": np.tile(np.array([0, 0, 1]), (count, 1)),
            "cars.score": np.tile(np.array([0.9, 0.8, 0.25], np.float32), (count, 1)),
            "bright.value": image.mean((1, 2, 3), dtype=np.float32),
        }
        return {name: made[name] for name in names}


def picture(height: int, width: int, value: int = 100) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def test_answers_lie_in_the_pictures_own_pixels() -> None:
    seen = SessionPredictor(Fake())(picture(64, 128))
    assert isinstance(seen["far"], ScalarMap)
    assert seen["far"].unit == "m"
    np.testing.assert_allclose(seen["far"].values, np.full((64, 128), 100.0))
    boxes = seen["cars"]
    assert isinstance(boxes, Boxes)
    np.testing.assert_allclose(boxes.xyxy, [[0, 0, 32, 32]])  # the second is covered, the third below the task's 0.3
    assert isinstance(seen["bright"], Quantity)


def test_thresholds_at_call_time() -> None:
    predictor = SessionPredictor(Fake(), threshold=0.5)
    counts = [len(predictor(picture(32, 64), least)["cars"].score) for least in (None, 0.0, 0.85, 0.95)]
    assert counts == [1, 2, 1, 0]
    assert len(predictor(picture(32, 64), 0.0, iou=0.95)["cars"].score) == 3


def test_options_of_what_follows_a_head_at_construction_and_per_call() -> None:
    see = SessionPredictor(Fake(), threshold=0.0, options={"cars": {"iou_threshold": 1.0}})
    assert len(see(picture(32, 64))["cars"].label) == 3
    assert len(see(picture(32, 64), options={"cars": {"max_detections": 2}})["cars"].label) == 2
    assert len(see(picture(32, 64), iou=0.1)["cars"].label) == 3, "an option of a head goes before the general one"
    assert len(see(picture(32, 64), options={"cars": {"iou_threshold": 0.1}})["cars"].label) == 2
    assert len(see(picture(32, 64), options={"cars": {"score_threshold": 0.85}})["cars"].label) == 1
    assert len(see(picture(32, 64))["cars"].label) == 3, "options of one call are not those of the next"
    both = see.with_options({"cars": {"max_detections": 2}}).with_options({"cars": {"score_threshold": 0.85}})
    assert len(both(picture(32, 64))["cars"].label) == 1
    assert both.options["cars"] == {"iou_threshold": 1.0, "max_detections": 2, "score_threshold": 0.85}
    assert len(see(picture(32, 64))["cars"].label) == 3, "the first one is as it was"
    low = SessionPredictor(Fake(), threshold=0.5, options={"cars": {"score_threshold": 0.1, "pre_nms_topk": 2}})
    assert len(low(picture(32, 64))["cars"].label) == 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"cats": {"iou_threshold": 1.0}}, "no head of this predictor is called 'cats'; did you mean 'cars'"),
        ({"cars": {"limit": 3}}, "got option 'limit' of head 'cars', expected score_threshold, iou_threshold, max_det"),
        ({"far": {"score_threshold": 0.5}}, "got option 'score_threshold' of head 'far', expected none: it has no"),
        ({"cars": {"max_detections": 0}}, "got cars.max_detections=0, expected a whole number from 1 to 100000"),
        ({"cars": {"max_detections": 1.5}}, "got cars.max_detections=1.5, expected a whole number"),
        ({"cars": {"iou_threshold": float("nan")}}, "got cars.iou_threshold=nan, expected a number from 0 to 1"),
        ({"cars": {"score_threshold": 2}}, "got cars.score_threshold 2, expected a number from 0 to 1"),
    ],
)
def test_options_that_are_none_are_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(PredictorError, match=sentence):
        SessionPredictor(Fake(), options=options)
    with pytest.raises(PredictorError, match=sentence):
        SessionPredictor(Fake())(picture(32, 64), options=options)


def test_a_graph_that_suppresses_itself_takes_thresholds_alone() -> None:
    head = replace(MANIFEST.heads["cars"], inside=True)
    session = Fake(replace(MANIFEST, heads={**MANIFEST.heads, "cars": head}))
    see = SessionPredictor(session, options={"cars": {"score_threshold": 0.6}})
    see(picture(32, 64))
    np.testing.assert_allclose(session.given["score_threshold"], 0.6)
    with pytest.raises(PredictorError, match="expected score_threshold; its graph suppresses by itself, export with"):
        see(picture(32, 64), options={"cars": {"max_detections": 2}})


def test_a_manifest_with_steps_that_are_not_known_is_refused() -> None:
    for steps, sentence in (
        ({"peaks_of_2040": {}}, "head 'cars': got step 'peaks_of_2040', expected one of .*; update hydranet"),
        ({"os": {}}, "got step 'os', expected one of"),
        ({"nms": {"max_detections": 10**400}}, "got nms.max_detections=1000.*, expected a whole number from 1 to"),
        ({"nms": {"limits": 1.0}}, "got option 'limits' of step 'nms', expected one of score_threshold, "),
        ({"nms": 3}, "got steps .* of head 'cars', expected a table of tables"),
    ):
        head = replace(MANIFEST.heads["cars"], postprocess=steps)  # type: ignore[arg-type]
        with pytest.raises(ManifestError, match=sentence):
            parse(replace(MANIFEST, heads={**MANIFEST.heads, "cars": head}).to_json(), "x.onnx")


def test_only_the_heads_asked_for_are_computed() -> None:
    fake = Fake()
    predictor = SessionPredictor(fake, ["bright"])
    assert predictor(picture(32, 64)).keys() == predictor.classes.keys() == {"bright"}
    assert fake.asked == [("bright.value",)]
    with pytest.raises(PredictorError, match="no head of this network is called 'brigt'; did you mean 'bright'"):
        SessionPredictor(fake, ["brigt"])


def test_a_head_that_rests_repeats_its_last_answer_and_says_how_old_it_is() -> None:
    fake = Fake()
    predictor = SessionPredictor(fake, ["far", "bright"]).stream({"far": 3})
    values = []
    for value in (10, 20, 30, 40):
        seen = predictor(picture(32, 64, value))
        values.append((float(seen["far"].values[0, 0]), float(seen["bright"].value), predictor.ages["far"]))
    assert values == [(10, 10, 0), (10, 20, 1), (10, 30, 2), (40, 40, 0)]
    assert [len(names) for names in fake.asked] == [2, 1, 1, 2]
    assert predictor.ages == {"far": 0, "bright": 0}
    with pytest.raises(PredictorError, match="several images at once"):
        predictor([picture(32, 64)])
    with pytest.raises(PredictorError, match=r"expected \{head: 1, 2"):
        SessionPredictor(fake).stream({"far": 0})


def test_a_frame_of_another_size_ends_a_rest() -> None:
    predictor = SessionPredictor(Fake(), ["far"]).stream({"far": 5})
    assert predictor(picture(32, 64))["far"].values.shape == (32, 64)
    assert predictor(picture(50, 40))["far"].values.shape == (50, 40)
    assert predictor.ages == {"far": 0}


@pytest.mark.parametrize("batch", [1, 2, None])
def test_several_pictures_at_once(batch: int | None) -> None:
    fake = Fake(replace(MANIFEST, input=Input((32, 64), batch=batch)))
    seen = SessionPredictor(fake)([picture(32, 64, 10), picture(20, 90, 20), picture(64, 64, 30)])
    assert [round(float(one["far"].values.mean())) for one in seen] == [10, 20, 30]
    assert [one["far"].values.shape for one in seen] == [(32, 64), (20, 90), (64, 64)]
    assert len(fake.asked) == {1: 3, 2: 2, None: 1}[batch]
    assert SessionPredictor(fake)([]) == []


def test_a_graph_that_suppresses_boxes_itself_gets_the_thresholds() -> None:
    inside = replace(MANIFEST, heads={"cars": replace(MANIFEST.heads["cars"], inside=True)})
    fake = Fake(inside)
    assert len(SessionPredictor(fake)(picture(32, 64), 0.2, 0.6)["cars"].score) == 3  # the fake suppresses nothing
    assert fake.given["score_threshold"] == pytest.approx(0.2)
    assert fake.given["iou_threshold"] == pytest.approx(0.6)
    SessionPredictor(fake)(picture(32, 64))
    assert fake.given["score_threshold"] == pytest.approx(0.3)


def test_a_threshold_of_0_means_the_same_inside_and_outside() -> None:
    """The step after the graph never looks at candidates below its own least score; neither does the graph."""
    inside = replace(MANIFEST, heads={"cars": replace(MANIFEST.heads["cars"], inside=True)})
    fake = Fake(inside)
    SessionPredictor(fake, threshold=0)(picture(32, 64))
    assert fake.given["score_threshold"] == pytest.approx(NMS["nms"]["score_threshold"])


def test_sizes_are_multiples_of_the_stride() -> None:
    dynamic = replace(MANIFEST, input=Input((32, 64), dynamic=True))
    with pytest.raises(PredictorError, match=r"got size \(100, 416\), expected \(height, width\) in multiples of 32"):
        SessionPredictor(Fake(dynamic), size=(100, 416))
    for size in ([64, 128], np.array([64, 128])):
        fake = Fake(dynamic)
        SessionPredictor(fake, ["bright"], size=size)(picture(20, 40))
        assert fake.given["image"].shape == (1, 64, 128, 3)
    for wrong in ([64, 128, 3], [64.5, 128], [0, 64], ["64", "128"]):
        with pytest.raises(PredictorError, match=r"expected \(height, width\) in multiples of 32"):
            SessionPredictor(Fake(dynamic), size=wrong)
    with pytest.raises(PredictorError, match=r"got heads='bright', expected a list of names: \['bright'\]"):
        SessionPredictor(Fake(), "bright")
    with pytest.raises(InputError, match="got images of 100x416, expected height and width in multiples of 32"):
        check_arrays(dynamic, {"image": np.zeros((1, 100, 416, 3), np.uint8)})


def test_a_graph_that_fits_frames_itself_takes_frames_of_its_size_only() -> None:
    fake = Fake(replace(MANIFEST, input=Input((32, 64), fit="letterbox", frame=(20, 40))))
    SessionPredictor(fake, ["bright"])(picture(20, 40))
    assert fake.given["image"].shape == (1, 20, 40, 3)
    with pytest.raises(DataError, match=r"got an image of 32x64, expected \(20, 40\).*--fit none"):
        SessionPredictor(fake)(picture(32, 64))


def test_the_size_is_free_only_where_the_file_says_so() -> None:
    with pytest.raises(PredictorError, match=r"got size \(64, 64\), expected \(32, 64\)"):
        SessionPredictor(Fake(), size=(64, 64))
    fake = Fake(replace(MANIFEST, input=Input((32, 64), dynamic=True)))
    SessionPredictor(fake, ["bright"], size=(64, 64))(picture(20, 40))
    assert fake.given["image"].shape == (1, 64, 64, 3)


def test_what_is_no_picture() -> None:
    with pytest.raises(ValueError, match=r"got float32 array of shape \(8, 8, 3\), expected a uint8 array"):
        SessionPredictor(Fake())(np.zeros((8, 8, 3), np.float32))


def test_manifests_survive_json_and_refuse_what_they_do_not_know() -> None:
    assert Manifest.from_json(MANIFEST.to_json()) == MANIFEST
    with pytest.raises(ManifestError, match="of format 9, expected at most 5; update hydranet"):
        Manifest.from_json(replace(MANIFEST, format=9).to_json())
    with pytest.raises(ManifestError, match="no manifest of a HydraNet export"):
        Manifest.from_json('{"format": 1}')
    with pytest.raises(ManifestError, match="no manifest of a HydraNet export"):
        Manifest.from_json("[]")
    with pytest.raises(ManifestError, match="kind 'Cloud', expected one of ClassMap"):
        Head("Cloud", ("points",)).annotation({"points": 0})


def test_files_that_are_no_exports(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"no file .*missing\.onnx; make one with `hydranet export"):
        open_session(tmp_path / "missing.onnx")
    (tmp_path / "model.engine").write_bytes(b"?")
    with pytest.raises(ManifestError, match=r"got model\.engine for runtime 'by suffix', expected a file of \.onnx"):
        open_session(tmp_path / "model.engine")
    for suffix, who in ((".onnx", "ONNX Runtime"), (".xml", "OpenVINO"), (".torchscript", "TorchScript")):
        (tmp_path / f"model{suffix}").write_bytes(b"?")
        with pytest.raises(ManifestError, match=f"cannot be opened by {who}"):
            open_session(tmp_path / f"model{suffix}", trust=True)


@pytest.mark.parametrize("wrong", [float("nan"), 7, -1, "0.5", float("inf"), np.zeros(2)])
def test_thresholds_are_numbers_from_0_to_1(wrong: Any) -> None:
    for made in ({"threshold": wrong}, {"iou": wrong}):
        with pytest.raises(PredictorError, match=f"got {next(iter(made))} .*, expected a number from 0 to 1"):
            SessionPredictor(Fake(), **made)
        with pytest.raises(PredictorError, match="expected a number from 0 to 1"):
            SessionPredictor(Fake())(picture(32, 64), **made)
    assert len(SessionPredictor(Fake(), iou=0.95, threshold=np.float32(0))(picture(32, 64))["cars"].score) == 3


def test_rates_are_whole_numbers_and_heads_count_once() -> None:
    for wrong in (1.5, True, "2", -1):
        with pytest.raises(PredictorError, match=r"expected \{head: 1, 2"):
            SessionPredictor(Fake()).stream({"far": wrong})  # type: ignore[dict-item]
    fake = Fake()
    SessionPredictor(fake, ["bright", "bright"])(picture(32, 64))
    assert fake.asked == [("bright.value",)]
    for wrong in (0, -1, 1.5, True):
        with pytest.raises(UserError, match=r"got threads .*, expected a whole number from 1"):
            open_session("model.onnx", threads=wrong)  # type: ignore[arg-type]


def test_what_is_written_into_an_answer_is_not_repeated() -> None:
    predictor = SessionPredictor(Fake(), ["far"]).stream({"far": 3})
    for _ in range(3):
        values = predictor(picture(32, 64, 10))["far"].values
        assert (values == 10).all()
        values[:] = 99


def test_a_file_without_heads_is_refused() -> None:
    with pytest.raises(PredictorError, match="got file 'fake' without heads"):
        SessionPredictor(Fake(replace(MANIFEST, heads={}, outputs={})))


def test_manifests_that_contradict_themselves() -> None:
    for size in ((0, 64), (32,), "ab", (32.5, 64)):
        with pytest.raises(ManifestError, match=r"got input size .*, expected \(height, width\)"):
            Manifest.from_json(replace(MANIFEST, input=Input(size)).to_json())  # type: ignore[arg-type]
    outputs = {name: output for name, output in MANIFEST.outputs.items() if name != "bright.value"}
    with pytest.raises(ManifestError, match=r"got heads without their outputs bright\.value"):
        Manifest.from_json(replace(MANIFEST, outputs=outputs).to_json())
    with pytest.raises(ManifestError, match=r"x\.onnx: its manifest is no text"):
        parse(b"\xff\xfe\x00", "x.onnx")


# --- files, in each runtime ---------------------------------------------------------------------------------------


def write_onnx(path: Path, manifest: str | None = None, name: str = "two") -> Path:
    """far = the mean of the channels; bright = a number, by way of a node that fails whenever it is computed."""
    onnx = pytest.importorskip("onnx")
    make, kinds = onnx.helper.make_node, onnx.TensorProto
    branch = onnx.helper.make_graph(
        [make("Reshape", ["flat", "shape"], ["then"])], "inner", [], [onnx.ValueInfoProto(name="then")]
    )
    other = onnx.helper.make_graph(
        [make("Identity", ["flat"], ["else"])], "inner", [], [onnx.ValueInfoProto(name="else")]
    )
    nodes = [
        make("Cast", ["image"], ["floats"], to=kinds.FLOAT),
        make("ReduceMean", ["floats", "last"], ["far.values"], keepdims=0),
        make("Flatten", ["floats"], ["flat"]),
        make("Cast", ["last"], ["yes"], to=kinds.BOOL),
        make("If", ["yes"], ["wrong"], then_branch=branch, else_branch=other),
        make("ReduceMean", ["wrong"], ["bright.value"], keepdims=0),
    ]
    graph = onnx.helper.make_graph(
        nodes,
        name,
        [onnx.helper.make_tensor_value_info("image", kinds.UINT8, [1, 32, 64, 3])],
        [
            onnx.helper.make_tensor_value_info("far.values", kinds.FLOAT, [1, 32, 64]),
            onnx.helper.make_tensor_value_info("bright.value", kinds.FLOAT, []),
        ],
        [
            onnx.helper.make_tensor("last", kinds.INT64, [1], [3]),
            onnx.helper.make_tensor("shape", kinds.INT64, [2], [7, 7]),
        ],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)
    onnx.helper.set_model_props(model, {"hydranet": manifest or TWO.to_json()})
    path.write_bytes(model.SerializeToString())
    return path


def write_simple(path: Path, manifest: Manifest) -> Path:
    """far only, so that OpenVINO, which reads no broken node, takes it too."""
    onnx = pytest.importorskip("onnx")
    model = onnx.load_from_string(part(write_onnx(path).read_bytes(), {"far.values"}))
    onnx.helper.set_model_props(model, {"hydranet": manifest.to_json()})
    path.write_bytes(model.SerializeToString())
    return path


TWO = replace(
    MANIFEST,
    heads={name: MANIFEST.heads[name] for name in ("far", "bright")},
    outputs={name: MANIFEST.outputs[name] for name in ("far.values", "bright.value")},
)
ONE = replace(TWO, heads={"far": TWO.heads["far"]}, outputs={"far.values": TWO.outputs["far.values"]})


def test_onnx_runtime_computes_only_the_heads_asked_for(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    session = open_session(write_onnx(tmp_path / "two.onnx"), "onnx", threads=1)
    with pytest.raises(Exception, match=r"[Rr]eshape"):  # the other head cannot be computed
        session({"image": picture(32, 64)[None]})
    assert float(session({"image": picture(32, 64)[None]}, ["far.values"])["far.values"].mean()) == 100
    with pytest.raises(InputError, match=r"no output of this file is called 'far\.value'; did you mean"):
        session({"image": picture(32, 64)[None]}, ["far.value"])


def test_a_part_of_an_onnx_file_is_what_onnx_itself_cuts_out(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    data = write_onnx(tmp_path / "two.onnx").read_bytes()
    far = onnx.load_from_string(part(data, {"far.values"}))
    onnx.checker.check_model(far)
    assert [node.op_type for node in far.graph.node] == ["Cast", "ReduceMean"]
    assert [one.name for one in far.graph.initializer] == ["last"]
    bright = onnx.load_from_string(part(data, {"bright.value"}))
    onnx.checker.check_model(bright)
    assert [node.op_type for node in bright.graph.node] == ["Cast", "Flatten", "Cast", "If", "ReduceMean"]
    assert {one.name for one in bright.graph.initializer} == {"last", "shape"}  # the branches read shape
    assert onnx.load_from_string(part(data, TWO.outputs)) == onnx.load_from_string(data)
    for broken in (data[:-3], b"\x07", b"\x80"):
        with pytest.raises(ValueError, match=r"cut off|protobuf"):
            part(broken, {"far.values"})


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_a_file_is_read_by_its_own_manifest(tmp_path: Path, runtime: str) -> None:
    pytest.importorskip({"onnx": "onnxruntime"}.get(runtime, runtime))
    (tmp_path / "manifest.json").write_text(replace(ONE, name="another").to_json())
    session = open_session(write_simple(tmp_path / "renamed.onnx", ONE), runtime, threads=1)
    assert session.manifest == ONE
    images = picture(32, 64)[None]
    assert session({"image": images})["far.values"].shape == (1, 32, 64)
    for wrong in (images.astype(np.float32), images[:, :16], images[0]):
        with pytest.raises(InputError, match=r"got image of .*, expected uint8 \(1, 32, 64, 3\); convert it"):
            session({"image": wrong})
    with pytest.raises(InputError, match="got inputs picture, expected image"):
        session({"picture": images})
    with pytest.raises(ManifestError, match=r"takes images of shape \(1, 32, 64, 3\), its manifest says \(1, 64, 64"):
        open_session(write_simple(tmp_path / "other.onnx", replace(ONE, input=Input((64, 64)))), runtime)


def test_damaged_files_are_found_by_their_digest(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    path, beside = write_simple(tmp_path / "model.onnx", ONE), tmp_path / "manifest.json"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    for fine in (
        replace(ONE, files={"model.onnx": digest}).to_json(),
        ONE.to_json(),
        "{",
        '{"files": 3}',
        '{"files": ["model.onnx"]}',
        "[]",
    ):
        beside.write_text(fine)
        open_session(path)
    beside.write_bytes(b"\xff\xfe\x00")
    open_session(path)
    beside.write_text(replace(ONE, files={"model.onnx": "0" * 64}).to_json())
    with pytest.raises(ManifestError, match=r"model\.onnx is damaged or of another export.*copy the whole folder"):
        open_session(path)
    open_session(path.rename(tmp_path / "renamed.onnx"))
    for suffix in (".xml", ".bin"):
        (tmp_path / f"model{suffix}").write_text("?")
    found = hashlib.sha256(b"?").hexdigest()
    beside.write_text(replace(ONE, files={"model.xml": found, "model.bin": "0" * 64}).to_json())
    with pytest.raises(ManifestError, match=r"model\.bin is damaged or of another export"):
        open_session(tmp_path / "model.xml")
