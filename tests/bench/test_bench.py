"""The speed table: what is chosen, how it is measured, and how rounds become ratios."""

import hashlib
import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from commands import RECIPES, hydranet, refused
from export_toys import SIZE, every_recipe, shaken
from hydranet.bench import plan
from hydranet.bench.compare import Pace, measured
from hydranet.bench.files import ArtifactCache, Candidate, images, prepare, sets, single_head, unchecked
from hydranet.bench.result import Result, busy, markdown
from hydranet.bench.row import Row, ratio, rounds_of
from hydranet.bench.runner import STEPS, Opened, Runner, frames_file
from hydranet.bench.worker import BenchError, Worker
from hydranet.checkpoint.resolve import recipe as find_recipe
from hydranet.config.recipe import Recipe
from hydranet.core.spec import SpecError
from hydranet.deploy.manifest import Input
from toys import toy_recipe

pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")
pytest.importorskip("openvino")


def test_the_baseline_is_always_measured_and_what_does_not_exist_is_said() -> None:
    pairs, missing = plan.chosen(["openvino", "onnx"], ["fp32", "bf16"])
    assert pairs == [plan.BASELINE, ("openvino", "fp32"), ("openvino", "bf16"), ("onnx", "fp32")]
    assert missing == ["onnx has no bf16 here"]
    with pytest.raises(SpecError, match="runtime"):
        plan.chosen(["openvine"], ["fp32"])
    with pytest.raises(SpecError, match="precision"):
        plan.chosen(["onnx"], ["fp23"])


def test_a_precision_without_units_is_flagged() -> None:
    assert "emulated" in plan.emulated("bf16", frozenset({"avx2"}))
    assert not plan.emulated("bf16", frozenset({"avx2", "amx_bf16"}))
    assert not plan.emulated("fp32", frozenset({"avx2"}))
    assert not plan.emulated("int8", frozenset())
    mixed = plan.emulated("int8-bf16", frozenset({"avx512_vnni"}))
    assert "no bf16 units (avx512_bf16 or amx_bf16 or bf16): int8-bf16 is emulated here" in mixed
    assert "no int8 units" in plan.emulated("int8-bf16", frozenset({"avx512_bf16"}))
    assert not plan.emulated("int8-bf16", frozenset({"avx512_bf16", "avx512_vnni"}))


@pytest.fixture(scope="module")
def candidate() -> Candidate:
    few = tuple(task for task in every_recipe().tasks if task.name in ("semantic", "depth", "ssd"))
    recipe = replace(every_recipe(), name="all", tasks=few)
    return Candidate("all", shaken(recipe.build().eval()), recipe)


@pytest.fixture(scope="module")
def shelf(candidate: Candidate, tmp_path_factory: pytest.TempPathFactory) -> ArtifactCache:
    frames, _ = images(candidate, (50, 80))
    return ArtifactCache(candidate, SIZE, tmp_path_factory.mktemp("shelf"), frames)


@pytest.fixture(scope="module")
def every_head(tmp_path_factory: pytest.TempPathFactory) -> ArtifactCache:
    """Of all heads there are, as PyTorch runs them: nothing is exported."""
    recipe = replace(every_recipe(), name="every")
    candidate = Candidate("every", shaken(recipe.build().eval()), recipe)
    return ArtifactCache(candidate, SIZE, tmp_path_factory.mktemp("every"), images(candidate, (50, 80))[0])


@pytest.mark.parametrize("runtime", ["channels-last", "onnx", "openvino", "torchscript"])
def test_every_step_of_every_runtime_takes_time(shelf: ArtifactCache, runtime: str) -> None:
    frames = frames_file(shelf.folder / "frames.npz", shelf.frames)
    variant = plan.Variant("all", runtime, "fp32", (shelf.files(runtime, "fp32"),))
    runner = Runner(plan.Work.of(json.loads(json.dumps(plan.Work(variant, str(frames), 1).tree()))))
    times = runner.measure(2)
    assert set(times) == set(STEPS)
    for step, values in times.items():
        assert len(values) == 2, step
        assert min(values) > 0, step
    for pre, network, post, whole in zip(*(times[step] for step in STEPS[:4]), strict=True):
        assert whole == pytest.approx(pre + network + post)
    if sys.platform == "linux":
        assert runner.opened.peak_bytes > 50e6
    assert runner.opened.boxes > 0  # so that suppression has something to do


def test_the_network_alone_gives_what_heads_give_and_no_constants(every_head: ArtifactCache) -> None:
    given = torch.randint(0, 256, (1, *SIZE, 3), dtype=torch.uint8)
    raw = every_head.bare(given)
    semantic = every_head.graph.model(given.permute(0, 3, 1, 2) / 255)["semantic"]
    assert any(torch.allclose(semantic, leaf, atol=1e-4) for leaf in raw if leaf.shape == semantic.shape)
    assert len(raw) == len(every_head.bare_manifest.outputs)


def test_heads_alone_keep_their_weights(candidate: Candidate) -> None:
    networks = sets(Candidate("two", None, toy_recipe()), separate=True)
    assert [member.name for member in networks["two separate"]] == ["two-bright", "two-glow"]
    one = single_head(candidate, ["depth"], "depth alone")
    image = torch.rand(1, 3, *SIZE)
    with torch.no_grad():
        wanted, found = candidate.network()(image)["depth"], one.network()(image)["depth"]
    assert torch.equal(wanted, found)
    assert [task.name for task in one.recipe.tasks] == ["depth"]
    with pytest.raises(SpecError, match="no head 'deep'"):
        single_head(candidate, ["deep"], "")


def test_generated_scenes_stand_in_for_data_that_is_not_here() -> None:
    frames, where = images(Candidate("road", None, find_recipe("road")), (30, 50))
    assert {frame.shape for frame in frames} == {(30, 50, 3)}
    assert "scenes" in where or "camvid" in where


def row(name: str, runtime: str, **rounds: list[float]) -> Row:
    return Row(name, runtime, "fp32", Opened(10, 5, 0.0), rounds)


def test_ratios_are_taken_within_rounds() -> None:
    slow, quick = row("a", "channels-last", whole=[10, 100, 10]), row("a", "onnx", whole=[5, 50, 2.5])
    assert ratio(slow, quick) == 2
    other = row("b", "onnx", whole=[10, 100, 5])
    result = Result({}, {}, {}, [slow, quick, other])
    assert result.speedup(quick) == 2
    assert result.against(quick) == {"b": 2}
    assert math.isnan(result.speedup(other))
    assert rounds_of([{"whole": [1.0, 9.0, 2.0], "pre": []}])["whole"] == [2.0]


def test_a_dash_stands_for_what_was_not_measured_and_names_stay() -> None:
    machine = {"processor": "Banana nan", "threads": 2, "load_before": 0, "load_after": 0}
    settings = {"size": (32, 64), "frame": "32x64", "images": "x", "rounds": 1, "frames": 1}
    text = markdown(Result(machine, settings, {}, [row("yolo-nano", "onnx", whole=[10])], ["of yolo-nano"]))
    assert "| yolo-nano | onnx fp32 | – | – | – | – | 10.0 | – |" in text
    assert "Banana nan" in text
    assert "note: of yolo-nano" in text
    assert "whole frame in 10.0 ms, – PyTorch" in text


def test_a_busy_machine_is_said() -> None:
    assert busy(0.9, 2.9, threads=2) == []
    assert busy(None, None, threads=2) == []
    (said,) = busy(1.5, 3.4, threads=2)
    assert "1.5 before and 1.4 after" in said
    assert "measure again" in said


def test_int8_that_nobody_checked_is_said_by_what_is_really_used(
    shelf: ArtifactCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hydranet.quantization.ptq.floating", lambda *_: None)
    monkeypatch.setattr("hydranet.quantization.ptq.write", lambda *given: given[4])
    (tmp_path / "quantize.json").write_text('{"chosen": null}')  # what a refusal leaves
    monkeypatch.setattr(shelf, "candidate", replace(shelf.candidate, accepted=tmp_path, weights="ours"))

    def said() -> list[str]:
        return unchecked([plan.Variant("all", "onnx", "int8", (shelf.files("onnx", "int8"),))])

    assert said() == ["INT8 of all in onnx is for speed alone: no budget was checked (no onnx file was accepted)"]
    (tmp_path / "model.onnx").write_bytes(b"model")
    digests = {"model.onnx": hashlib.sha256(b"model").hexdigest()}
    manifest = replace(shelf.manifest, precision="int8 (float: depth)", files=digests)
    (tmp_path / "manifest.json").write_text(manifest.to_json())
    assert "not known to be made from these weights" in said()[0]
    (tmp_path / "quantize.json").write_text('{"weights": "ours"}')
    assert said() == []
    assert shelf.files("onnx", "int8").graph == str(tmp_path / "model.onnx")
    (tmp_path / "manifest.json").write_text(replace(manifest, input=Input((32, 32))).to_json())
    assert "the accepted file sees 32x32" in said()[0]


def test_readings_name_the_best() -> None:
    rows = [
        row("a", "channels-last", whole=[10], network=[9], bare=[6], post=[1]),
        row("a", "onnx", whole=[5], network=[4.4], bare=[4], post=[0.1]),
    ]
    machine = {"processor": "P", "threads": 2, "load_before": 0, "load_after": 0}
    settings = {"size": (32, 64), "frame": "32x64", "images": "x", "rounds": 1, "frames": 1}
    result = Result(machine, settings, {}, rows, ["a note"])
    best, post, decoding = result.readings()
    assert "onnx" in best
    assert "2.0x" in best
    assert "2.0%" in post
    assert "1.10x" in decoding
    assert "| a | onnx fp32 |" in markdown(result)
    assert "a note" in markdown(result)
    json.dumps(result.tree(), allow_nan=False)


def test_a_worker_has_no_torch_where_none_is_needed() -> None:
    code = "import sys, hydranet.bench.worker; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_workers_take_turns_and_broken_files_are_named(shelf: ArtifactCache, tmp_path: Path) -> None:
    frames = frames_file(tmp_path / "frames.npz", shelf.frames)
    variant = plan.Variant("all", "onnx", "fp32", (shelf.files("onnx", "fp32"),))
    *notes, rows = measured([variant], frames, Pace(rounds=2, frames=1, threads=1))
    assert notes == ["opening all, onnx, fp32", "round 1 of 2", "round 2 of 2"]
    assert isinstance(rows, list)
    assert len(rows[0].rounds["whole"]) == len(rows[0].rounds["bare"]) == 2
    broken = tmp_path / "model.onnx"
    broken.write_bytes(b"no model")
    bad = plan.Variant("a", "onnx", "fp32", (plan.Files(str(broken)),))
    with pytest.raises(BenchError, match=r"a, onnx, fp32 cannot be measured .*model\.onnx"):
        Worker(plan.Work(bad, str(frames), 1))
    with pytest.raises(BenchError, match="cannot be measured"):
        list(measured([bad], frames, Pace(rounds=1, frames=1, threads=1)))
    *said, rows = measured([bad, variant], frames, Pace(rounds=1, frames=1, threads=1))
    assert [type(one) for one in said] == [str, BenchError, str, str]
    assert isinstance(rows, list)
    assert [row.network for row in rows] == ["all"], "what runs is measured, whatever else does not"


@pytest.mark.slow  # it exports four networks and opens a process for each
def test_the_command_prints_and_keeps_the_table(tmp_path: Path) -> None:
    file = tmp_path / "bench_recipes.py"
    file.write_text(RECIPES)
    words = ("bench", f"{file}:toy", "--runtimes", "onnx", "--rounds", "1", "--frames", "1", "--out", tmp_path / "out")
    ended = hydranet(*words, "--separate", "--threads", "1")
    assert ended.code == 0, ended.err
    for text in ("toy separate", "channels-last fp32", "onnx fp32", "random weights", "decoding included"):
        assert text in ended.out
    kept = json.loads((tmp_path / "out" / "bench.json").read_text())
    assert [row["network"] for row in kept["rows"]] == ["toy", "toy", "toy separate", "toy separate"]
    assert kept["costs"]["toy separate"]["parameters"] > kept["costs"]["toy"]["parameters"]
    assert "| toy | onnx fp32 |" in (tmp_path / "out" / "bench.md").read_text()


def test_a_runtime_that_is_not_installed_is_left_out_with_a_note(
    candidate: Candidate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "openvino"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "openvino", None)
    networks, pairs = sets(candidate, False), [plan.BASELINE, ("openvino", "fp32")]
    variant, note = prepare(networks, pairs, SIZE, tmp_path / "some", [])
    assert not isinstance(variant, str)
    assert (variant.runtime, variant.precision) == plan.BASELINE
    assert note == (
        f"left out: {candidate.name} in openvino, fp32: writing OpenVINO files needs openvino; pip install "
        '"hydranet[export]"'
    )
    with pytest.raises(ImportError, match="writing OpenVINO files needs openvino"):
        list(prepare(networks, pairs[1:], SIZE, tmp_path / "none", []))


def test_unknown_words_are_refused() -> None:
    refused(hydranet("bench", "road", "--runtimes", "tensorrt"), "runtime")
    refused(hydranet("bench", "no_such_recipe"), ".*no_such_recipe")


@pytest.mark.parametrize("name", ["reference", "reference_slim", "nekrasov_layout"])
def test_recipes_of_the_table_are_built(name: str) -> None:
    recipe: Recipe = find_recipe(name)
    assert recipe.name == name
    assert recipe.data[0].size == (192, 640)
    sample = recipe.validation[0].dataset[0]
    assert sample.image.dtype == np.uint8
