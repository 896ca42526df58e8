"""INT8 within a budget: parts of a graph, budgets, the scan, fake quantization, and the command."""

import copy
import json
import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from commands import hydranet, refused
from export_toys import SIZE, every_recipe, shaken
from hydranet.checkpoint import checkpoint
from hydranet.config.source import Source
from hydranet.core.spec import SpecError
from hydranet.deploy.manifest import Manifest
from hydranet.evaluation.report import Report
from hydranet.export.build_manifest import described
from hydranet.export.graph import Shape, shipped
from hydranet.export.parity import Bounds, MetricPair, Parity
from hydranet.export.passes.rewrite_narrow_convs import Narrow
from hydranet.inference.predictor import Predictor
from hydranet.quantization import quantize
from hydranet.quantization.artifacts import rejection_reason
from hydranet.quantization.budget import ALLOWED, DIRECTIONS, Limit, MetricDrop, limits, losses
from hydranet.quantization.fake_quant import by_channel, fake_quantized
from hydranet.quantization.node_scopes import DECODE, TRUNK, floats, parts_of
from hydranet.quantization.ptq import Floating, calibration_images, floating, write
from hydranet.quantization.sensitivity import FloatHeads, Scan, scan, summary
from hydranet.quantization.table import markdown
from hydranet.tasks.depth.task import METRICS, Depth
from hydranet.tasks.detection.task import SCORING, Detection
from hydranet.tasks.normals.task import Normals
from hydranet.tasks.semantic.task import Semantic
from toys import Noise, toy_recipe

pytest.importorskip("nncf")
pytest.importorskip("openvino")
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # NNCF's own
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


@pytest.fixture(scope="module")
def network() -> Floating:
    recipe = every_recipe()
    graph = shipped(shaken(recipe.build().eval()), None, Shape(SIZE))
    return floating(graph, described(graph, recipe, "all"))


def test_every_convolution_belongs_to_the_trunk_or_a_head(network: Floating) -> None:
    parts = parts_of(network.proto)
    assert set(parts.values()) == {TRUNK, DECODE, *network.heads}
    convolutions = [parts[node.name] for node in network.proto.graph.node if node.op_type == "Conv"]
    narrow = sum(isinstance(m, Narrow) for m in network.graph.modules())
    assert convolutions.count(DECODE) == narrow > 0  # the zeros and ones that add its products up
    trunk = sum(isinstance(m, nn.Conv2d) for m in network.graph.model.trunk.modules())
    assert convolutions.count(TRUNK) == trunk


def test_decoding_and_the_distribution_over_sides_stay_in_float(network: Floating) -> None:
    parts = network.parts
    late = {"Softmax", "TopK", "ArgMax", "Exp", "GatherElements"}
    found = [node for node in network.proto.graph.node if node.op_type in late]
    assert {"Softmax", "TopK", "ArgMax", "Exp"} <= {node.op_type for node in found}
    yolo = [node for node in found if parts[node.name] == DECODE]
    assert {"Softmax", "TopK", "ArgMax", "Exp"} <= {node.op_type for node in yolo}
    names = [f"{yolo[0].name}/suffix", "somebody else's"]
    assert floats(parts, [], names) == names[:1]


def test_calibration_takes_as_many_from_every_source() -> None:
    sources = tuple(
        Source(name, Noise(count=count, seed=seed), (32, 64), weight=weight)
        for name, count, seed, weight in (("many", 50, 1, 10.0), ("few", 10, 2, 0.1))
    )
    found = calibration_images(toy_recipe(sources), (32, 64), 12)
    first, second = ([s.dataset[i].image for i in range(len(s.dataset))] for s in sources)
    assert len(found) == 12
    assert sum(any(np.array_equal(image[0], other) for other in first) for image in found) == 6
    assert sum(any(np.array_equal(image[0], other) for other in second) for image in found) == 6


def test_budgets_have_defaults_by_metric_and_can_be_set() -> None:
    tasks = toy_recipe().tasks
    scores = {"held-out bright mae": 0.1, "held-out glow mae": 0.1}
    assert limits(tasks, scores) == [Limit("bright", "mae", "lower", 0.01), Limit("glow", "mae", "lower", 0.01)]
    assert Limit("glow", "mae", "lower", 0.5) in limits(tasks, scores, ["glow.mae=0.5"])
    (semantic,) = limits(every_recipe().tasks[-1:], {f"a set {every_recipe().tasks[-1].name} ap": 0.4})
    assert (semantic.metric, semantic.allowed) == ("ap", ALLOWED["ap"][1])
    spaced = {"a set of glow bright mae": 0.1, "a set of glow bright iou/lane marking": 0.2}
    assert Limit("bright", "iou/lane marking", "higher", 0.1) in limits(tasks, spaced, ["bright.iou/lane marking=0.1"])
    with pytest.raises(SpecError, match=r"got a budget for glow.miou, expected .* measure, one of bright.mae"):
        limits(tasks, scores, ["glow.miou=1"])
    for text in ("glow.mae=much", "glow.mae", "glow.mae=nan"):
        with pytest.raises(SpecError, match="expected a number after '='"):
            limits(tasks, scores, [text])
    with pytest.raises(SpecError, match=r"expected TASK.METRIC=LOSS with a task of bright, glow"):
        limits(tasks, scores, ["glwo.mae=1"])
    with pytest.raises(SpecError, match=r"better higher or lower: .*rmse_log"):
        limits(tasks, scores | {"held-out glow oddness": 0.1}, ["glow.oddness=1"])
    with pytest.raises(SpecError, match=r"glow.mae has no value on the images of any validation source"):
        limits(tasks, scores | {"held-out glow mae": math.nan})


def test_a_budget_knows_which_way_every_metric_is_better() -> None:
    boxes = Detection("boxes", ("car",), extra_metrics=tuple(SCORING))
    maps = Semantic("maps", ("road", "sky"))
    normals = Normals("normals")
    found = {
        Depth("depth"): METRICS,
        boxes: boxes.score({}),
        maps: maps.score({"confusion": np.zeros((2, 3))}),
        normals: normals.score({"pixels": 0}),
    }
    for task, names in found.items():
        for name in names:
            assert name.partition("/")[0] in DIRECTIONS, f"{task.name} {name}: add it to DIRECTIONS"
        assert DIRECTIONS[task.headline[0]] == task.headline[1]
    scores = {"s depth delta1": 0.9, "s normals within_11.25": 0.5, "s maps iou/sky": 0.5}
    settings = ["depth.delta1=0.01", "normals.within_11.25=0.01", "maps.iou/sky=0.01"]
    assert [limit.better for limit in limits(list(found), scores, settings)] == ["higher"] * 3


def metric_drop(task: str, loss: float) -> MetricDrop:
    return MetricDrop("s", Limit(task, "miou", "higher", 0.01), 0.5, 0.5 - loss)


def test_losses_follow_the_direction_of_the_metric() -> None:
    assert metric_drop("a", 0.01).loss == pytest.approx(0.01)
    assert MetricDrop("s", Limit("a", "abs_rel", "lower", 0.02), 0.1, 0.103).loss == pytest.approx(0.03)
    assert not MetricDrop("s", Limit("a", "miou", "higher", 0.01), 0.5, math.nan).kept
    assert MetricDrop("s", Limit("a", "miou", "higher", 0.01), math.nan, math.nan).kept
    assert metric_drop("a", 0.02).used == pytest.approx(2)
    free = Bounds(math.inf, math.inf)
    parity = Parity(
        "f", "r", free, metrics={"my set a miou": MetricPair(0.9, 0.4), "my set a iou/a b": MetricPair(1, 0)}
    )
    (found,) = losses([Limit("a", "miou", "higher", 0.01)], {"my set a miou": 0.5}, parity)
    assert (found.source, found.before, found.after) == ("my set", 0.5, 0.4)


def run_scan(heads: Sequence[str], harm: dict[str, float]) -> Scan:
    """A head in INT8 loses what `harm` says; "trunk" harms everybody."""

    def measure(trials: Sequence[FloatHeads]) -> list[list[MetricDrop]]:
        return [
            [metric_drop(h, (0 if h in float_heads else harm.get(h, 0)) + harm.get("trunk", 0)) for h in heads]
            for float_heads in trials
        ]

    *_, found = scan(heads, measure)
    return found


def test_the_scan_leaves_as_few_heads_in_float_as_the_budget_allows() -> None:
    heads = ("a", "b", "c")
    all_int8 = run_scan(heads, {})
    assert all_int8.chosen is not None
    assert all_int8.chosen.float_heads == frozenset()
    assert [all_int8.name(t.float_heads) for t in all_int8.tried] == [
        "all INT8",
        "all but a",
        "all but b",
        "all but c",
        "trunk only",
    ]
    one = run_scan(heads, {"b": 0.05})
    assert one.chosen is not None
    assert one.chosen.float_heads == {"b"}
    two = run_scan(heads, {"b": 0.05, "c": 0.03})
    assert two.chosen is not None
    assert two.chosen.float_heads == {"b", "c"}
    assert len(two.tried) == 6
    none = run_scan(heads, {"trunk": 0.02})
    assert none.chosen is None
    assert "| trunk only |" in markdown(none)
    assert json.loads(json.dumps(summary(two)))["chosen"] == ["b", "c"]


def test_fake_quantisation_rounds_and_lets_gradients_through() -> None:
    weight = torch.randn(4, 3, 3, 3, requires_grad=True)
    rounded = by_channel(weight)
    step = weight.detach().abs().amax((1, 2, 3), keepdim=True) / 127
    assert ((rounded - weight).abs() <= 0.5001 * step).all()
    assert (rounded - weight).abs().max() > 0
    rounded.sum().backward()
    assert torch.equal(weight.grad, torch.ones_like(weight))


def test_a_fake_quantized_network_keeps_its_names_and_is_near_to_itself() -> None:
    model = shaken(every_recipe().build())
    before = copy.deepcopy(model.state_dict())
    image = torch.rand(2, 3, *SIZE)
    with torch.no_grad():
        wanted = model.eval()(image)["depth"]
    convolutions = sum(isinstance(m, nn.Conv2d) for m in model.modules())
    head = sum(isinstance(m, nn.Conv2d) for m in model.heads["ssd"].modules())
    assert fake_quantized(model, ["ssd"]) == convolutions - head
    model.train()(image)
    model.load_state_dict(before)
    with torch.no_grad():
        found = model.eval()(image)["depth"]
    assert 0 < (found - wanted).abs().max() < 0.1 * wanted.abs().max()
    assert before.keys() == model.state_dict().keys()


def test_calibration_says_nothing_of_cuda(
    network: Floating, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def noisy(model: object, *_: object, **__: object) -> object:
        logging.getLogger("torch.utils.cpp_extension").warning("No CUDA runtime is found")
        return model

    monkeypatch.setattr("nncf.quantize", noisy)
    write(network, "onnx", (), [], tmp_path / "model.onnx", described(network.graph, every_recipe(), "all"))
    assert "CUDA" not in caplog.text


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    recipe = replace(toy_recipe(), save_every=0)
    checkpoint.save_model(folder, recipe.build().eval(), recipe)
    (folder / "report.json").write_text(Report("toy", {}, {"held-out": {"glow": {"images": 5}}}).to_json())
    return folder


def test_what_cannot_be_is_refused_before_anything_is_quantized(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hydranet.quantization.ptq.floating", lambda *_: pytest.fail("the work has begun"))
    for words, sentence in {
        ("--budget", "glwo.mae=1"): "got budget 'glwo.mae=1', expected TASK.METRIC=LOSS",
        ("--budget", "glow.mae=x"): "expected a number",
        ("--budget", "glow.oddness=1"): "better higher or lower",
        ("--qat", "1"): "got 1 step of fine-tuning, expected 0 or at least 2",
        ("--to", "openvino,tensorrt"): "got openvino, tensorrt, expected openvino or onnx",
        ("--to", "onnx,onnx"): "expected openvino or onnx, each once",
    }.items():
        refused(hydranet("quantize", run, "--out", tmp_path, *words), f".*{sentence}")


def test_a_head_that_nobody_can_measure_stays_in_float_and_is_named(tmp_path: Path) -> None:
    bright = Source("held-out", Noise(count=5, seed=1, labels=("bright",)), (32, 64))
    recipe = replace(toy_recipe(), save_every=0, validation=(bright,))
    assert quantize.unlabeled(recipe, None) == ["glow"]
    checkpoint.save_model(tmp_path, recipe.build().eval(), recipe)
    words = ("quantize", tmp_path, "--calibration", "4", "--budget")
    refused(hydranet(*words, "glow.mae=1"), "got a budget for glow, expected a task that validation images label")
    ended = hydranet(*words, "bright.mae=5")
    assert ended.code == 0, ended.err
    assert "note: no validation image labels glow: left in float" in " ".join(ended.out.split())
    assert "labels glow" in (tmp_path / "int8" / "quantize.md").read_text()
    manifest = Manifest.from_json((tmp_path / "int8" / "manifest.json").read_text())
    assert manifest.precision == "int8 (float: glow)"
    nothing = replace(recipe, validation=(replace(bright, labels={"bright": None}),))
    checkpoint.save_model(tmp_path, nothing.build().eval(), nothing)
    refused(hydranet(*words, "bright.mae=5"), "got recipe 'toy' without a validation source that labels any")


@pytest.mark.slow  # quantization from start to end
def test_the_command_ships_what_keeps_the_budget(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("quantize", run, "--calibration", "4", "--to", "openvino,onnx", "--budget", "glow.mae=5")
    ended = hydranet(*words, "--budget", "bright.mae=5")
    assert ended.code == 0, ended.err
    assert "all INT8" in ended.out
    folder = run / "int8"
    assert {path.name for path in folder.iterdir()} == {
        *("model.xml", "model.bin", "model.onnx", "manifest.json", "parity.json", "quantize.json", "quantize.md"),
    }
    manifest = Manifest.from_json((folder / "manifest.json").read_text())
    assert [one["file"] for one in json.loads((folder / "parity.json").read_text())] == ["model.xml", "model.onnx"]
    assert manifest.precision == "int8"
    assert set(manifest.files) == {"model.xml", "model.bin", "model.onnx"}
    assert "FakeQuantize" in (folder / "model.xml").read_text()
    picture = np.random.default_rng(0).integers(0, 256, (32, 64, 3), dtype=np.uint8)
    for name in ("model.xml", "model.onnx"):
        assert set(Predictor(folder / name)(picture)) == {"bright", "glow"}
    assert (manifest.name, manifest.protocol) == (run.name, {"held-out": {"glow": {"images": 5}}})
    weights = checkpoint.digest(run)
    assert not rejection_reason(folder, "openvino", (32, 64), weights)
    assert "sees 32x64" in rejection_reason(folder, "onnx", (64, 64), weights)
    assert "not known to be made from these weights" in rejection_reason(folder, "onnx", (32, 64), "other")

    def worse(budget: Sequence[Limit], before: dict[str, float], parity: Parity) -> list[MetricDrop]:
        found = losses(budget, before, parity)
        return found if parity.runtime == "openvino" else [replace(one, after=9e9) for one in found]

    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.setattr(quantize, "losses", worse)
    refused(hydranet(*words, "--budget", "bright.mae=5"), "onnx: held-out .*; ship openvino alone")
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert json.loads(after.pop("refused.json"))["shipped"] == []
    assert after.pop("refused.md")
    assert after == before, "what was accepted before is as it was"
    monkeypatch.undo()
    ended = hydranet("quantize", run, "--calibration", "4", "--budget", "glow.mae=5", "--budget", "bright.mae=5")
    assert ended.code == 0, ended.err
    assert not [path for name in ("model.onnx", "refused.json", "refused.md") if (path := folder / name).exists()]
    assert "no onnx file" in rejection_reason(folder, "onnx", (32, 64), weights)
    (folder / "model.bin").write_bytes(b"")
    assert "not the one that was accepted" in rejection_reason(folder, "openvino", (32, 64), weights)


def test_the_command_ships_nothing_that_breaks_the_budget(run: Path, tmp_path: Path) -> None:
    words = ("quantize", run, "--calibration", "4", "--budget", "glow.mae=-1", "--out", tmp_path)
    refused(hydranet(*words), r"no INT8 network keeps the budget: .*held-out glow mae .*fine-tune with --qat 300")
    assert not list(tmp_path.glob("model*"))
    assert not (tmp_path / "trial").exists()
    tuned = hydranet(*words, "--qat", "2")
    refused(tuned, r"no INT8 network keeps the budget.* give more --qat steps")
    assert checkpoint.load_recipe(tmp_path / "qat").steps == 2
    said = json.loads((tmp_path / "quantize.json").read_text())
    assert said["chosen"] is said["before_tuning"]["chosen"] is None
    assert said["tried"][0]["losses"][0]["before"] == said["before_tuning"]["tried"][0]["losses"][0]["before"]
    assert "## after fine-tuning" in (tmp_path / "quantize.md").read_text()
