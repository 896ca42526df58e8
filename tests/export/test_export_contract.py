"""What every export must do: every task of the package, every detection head, every runtime, one proof."""

import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import hydranet as hydranet_package
from commands import hydranet
from export_toys import SIZE, every_recipe, pictures, samples, shaken
from hydranet.checkpoint import checkpoint
from hydranet.cli.export import NVIDIA
from hydranet.core.errors import UserError
from hydranet.deploy.manifest import Manifest
from hydranet.deploy.predictor import SessionPredictor
from hydranet.deploy.runtimes import openvino
from hydranet.deploy.session import Session, known, open_session, runtimes_for
from hydranet.export import targets
from hydranet.export.export import NO_RUNTIME, ExportPlan, export, settle, target_names
from hydranet.export.graph import ExportGraph, Shape
from hydranet.export.parity import Bounds, Parity, compare
from toys import toy_recipe

pytest.importorskip("onnxscript")

TARGETS = [name for name, _ in known()]
KINDS = {
    "every task": (Shape(SIZE), None),
    "suppression inside": (Shape(SIZE, batch=None, nms="inside"), ["yolov8", "depth"]),
}


@pytest.fixture(scope="module", params=KINDS)
def exported(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[ExportGraph, list[Path]]:
    shape, heads = KINDS[request.param]
    recipe, folder = every_recipe(), tmp_path_factory.mktemp("export")
    return export(shaken(recipe.build()), recipe, folder, ExportPlan(TARGETS, shape, heads), name="toy")


def opened(paths: list[Path]) -> dict[tuple[str, str], Session]:
    return {(path.name, name): open_session(path, name, 1) for path in paths for name in runtimes_for(path)}


def rows(text: str) -> list[tuple[str, ...]]:
    """Cells of tables as a terminal shows them, row by row."""
    cells = [re.split("[│┃]", line)[1:-1] for line in text.splitlines()]
    return [tuple(cell.strip() for cell in line) for line in cells if line]


def test_every_runtime_has_a_target() -> None:
    assert {"onnx", "openvino", "torchscript"} <= set(TARGETS) <= set(target_names())
    assert set(NVIDIA) <= set(target_names())


@pytest.mark.parametrize("name", target_names())
def test_a_target_returns_the_files_that_belong_together_and_says_whether_they_are_proven(
    tmp_path: Path, name: str
) -> None:
    recipe = toy_recipe()
    drafts, place = tmp_path / "drafts", tmp_path / "out"
    place.mkdir()
    _, paths = export(shaken(recipe.build()), recipe, drafts, ExportPlan([name], Shape(SIZE)))
    assert Manifest.from_json((drafts / "manifest.json").read_text()).targets[name].proof != "proven"
    delivered = settle(drafts, place, paths)
    assert delivered[name].proof == ("proven" if name in TARGETS else "not proven on this machine: no runtime")
    on_disk = {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()} - {"manifest.json"}
    assert set(delivered[name].files) == on_disk
    beside = Manifest.from_json((place / "manifest.json").read_text())
    assert set(beside.files) == on_disk
    assert beside.targets == delivered


def test_what_fails_its_proof_keeps_its_parts_together_and_an_earlier_export_in_place(tmp_path: Path) -> None:
    recipe, place = toy_recipe(), tmp_path / "out"
    model = shaken(recipe.build())
    place.mkdir()
    for name in ("openvino", "triton", "onnx"):
        _, paths = export(model, recipe, tmp_path / name, ExportPlan([name], Shape(SIZE)))
        settle(tmp_path / name, place, paths)
    assert list(Manifest.from_json((place / "manifest.json").read_text()).targets) == ["openvino", "triton", "onnx"]
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    export(model, recipe, tmp_path / "again", ExportPlan(["openvino"], Shape(SIZE)))
    assert settle(tmp_path / "again", place, []) == {}
    assert {path.name for path in place.iterdir() if path.suffix == ".failed"} == {
        "model.xml.failed",
        "model.bin.failed",
    }
    assert {path: path.read_bytes() for path in before} == before


TOY_TARGET = """
SUFFIX = ".toy"
PRECISIONS = ("fp32",)

def write(graph, given, path, manifest):
    path.write_bytes(bytes(500_000))
    path.with_suffix(".weights").write_bytes(bytes(1_500_000))
    return path, path.with_suffix(".weights")
"""


def test_a_new_target_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "targets").mkdir()
    (tmp_path / "targets" / "toy_target.py").write_text(TOY_TARGET)
    monkeypatch.setattr(targets, "__path__", [*targets.__path__, str(tmp_path / "targets")])
    recipe, place = toy_recipe(), tmp_path / "run"
    checkpoint.save_model(place, recipe.build(), recipe)
    ended = hydranet("export", place, "--to", "toy_target,onnx", "--limit", 2)
    assert ended.code == 0, ended.err
    assert ("toy_target", "model.toy + model.weights", "2.0 MB", NO_RUNTIME) in rows(ended.out)
    assert any(row[:2] == ("onnx", "model.onnx") and row[3:] == ("proven",) for row in rows(ended.out))
    files = {path.name for path in (place / "export").iterdir()}
    assert files == {"model.toy", "model.weights", "model.onnx", "manifest.json", "parity.json"}
    assert hydranet_package.export(place, tmp_path / "alone", targets=["toy_target"]) == [
        tmp_path / "alone" / "model.toy"
    ]


def test_the_table_says_what_nothing_here_could_prove(tmp_path: Path) -> None:
    recipe = toy_recipe()
    checkpoint.save_model(tmp_path, recipe.build(), recipe)
    ended = hydranet("export", tmp_path, "--to", "openvino", "--nvidia", "--limit", 2)
    assert ended.code == 0, ended.err
    proofs = {row[0]: row[3] for row in rows(ended.out) if len(row) == 4}
    assert proofs["openvino"] == "proven"
    assert {name: proofs[name] for name in NVIDIA} == dict.fromkeys(NVIDIA, NO_RUNTIME)
    (row,) = (row for row in rows(ended.out) if row[0] == "openvino")
    assert row[1] == "model.xml + model.bin"
    sizes = [(tmp_path / "export" / name).stat().st_size for name in ("model.xml", "model.bin")]
    assert row[2] == f"{sum(sizes) / 1e6:.1f} MB"


def test_every_output_of_every_task_equals_pytorch_in_every_runtime(exported: tuple[ExportGraph, list[Path]]) -> None:
    graph, paths = exported
    found = compare(graph, opened(paths), samples(), Bounds(arrays=1e-3))
    assert len(found) == len(paths) + 1  # the .onnx file runs in OpenVINO, too
    for parity in found:
        assert set(parity.arrays) == set(open_session(paths[0]).manifest.outputs)
        assert parity.failures == []


def test_the_manifest_says_what_comes_out(exported: tuple[ExportGraph, list[Path]]) -> None:
    graph, paths = exported
    manifests = [replace(session.manifest, files={}) for session in opened(paths).values()]
    assert all(manifest == manifests[0] for manifest in manifests)
    beside = Manifest.from_json((paths[0].parent / "manifest.json").read_text())
    assert set(beside.files) == {path.name for path in paths[0].parent.iterdir()} - {"manifest.json"}
    image = np.zeros((graph.shape.batch or 3, *SIZE, 3), np.uint8)
    given = {"image": image}
    if graph.thresholds:
        given |= {name: np.array([0.5], np.float32) for name in ("score_threshold", "iou_threshold")}
    for session in opened(paths).values():
        arrays = session(given)
        for name, said in session.manifest.outputs.items():
            assert str(arrays[name].dtype) == said.dtype, name
            assert len(arrays[name].shape) == len(said.shape)
            assert all(b in (None, a) for a, b in zip(arrays[name].shape, said.shape, strict=True)), name


def test_a_head_alone_answers_as_among_others(exported: tuple[ExportGraph, list[Path]]) -> None:
    _, paths = exported
    for session in opened(paths).values():
        whole, alone = SessionPredictor(session), SessionPredictor(session, ["depth"])
        image = pictures(1)[0]
        assert alone(image).keys() == {"depth"}
        np.testing.assert_allclose(alone(image)["depth"].values, whole(image)["depth"].values, rtol=1e-5)


def test_half_precision_takes_half_the_space(tmp_path: Path) -> None:
    recipe = every_recipe()
    model, sizes = shaken(recipe.build()), {}
    for precision in ("fp32", "fp16"):
        folder = tmp_path / precision
        graph, paths = export(
            model,
            recipe,
            folder,
            ExportPlan(["openvino"], Shape(SIZE), ["depth"], precision=precision),
        )
        sizes[precision] = (folder / "model.bin").stat().st_size
        session = open_session(paths[0])
        assert session.manifest.precision == precision
        (parity,) = compare(graph, {("model.xml", "openvino"): session}, samples(), Bounds(arrays=1e-2))
        assert parity.failures == []
    assert sizes["fp16"] < 0.6 * sizes["fp32"]


def test_a_session_may_compute_in_half_precision(exported: tuple[ExportGraph, list[Path]]) -> None:
    """Where the processor has no units for it, OpenVINO computes in float32 nevertheless."""
    graph, paths = exported
    half = openvino.Session(next(path for path in paths if path.suffix == ".xml"), precision="bf16")
    (parity,) = compare(graph, {("model.xml", "openvino"): half}, samples(1), Bounds(arrays=0.1))
    assert parity.arrays["depth.values"].relative <= 0.1
    with pytest.raises(UserError, match="got precision 'fp8', expected one of fp32, bf16, fp16"):
        openvino.Session(paths[0], precision="fp8")


@pytest.mark.slow
@pytest.mark.parametrize("heads", [["yolov8"], ["ssd"], ["two_stage"], ["semantic", "depth", "normals"]])
def test_dynamic_files_take_every_size(heads: list[str], tmp_path: Path) -> None:
    """The proof itself looks at other sizes and at batches; here at more of them."""
    recipe, shape = every_recipe(), Shape(SIZE, dynamic=True, batch=None)
    graph, paths = export(shaken(recipe.build()), recipe, tmp_path, ExportPlan(TARGETS, shape, heads))
    sessions = opened(paths)
    assert not any(parity.failures for parity in compare(graph, sessions, samples(1), Bounds(arrays=1e-3)))
    for size, count in (((32, 32), 3), ((96, 64), 1), ((160, 224), 2)):
        image = np.stack([cv2.resize(one, size[::-1]) for one in pictures(count)])
        with torch.no_grad():
            wanted = graph(torch.from_numpy(image))
        for (file, runtime), session in sessions.items():
            parity = Parity(file, runtime, Bounds(arrays=1e-3))
            mine = {name: array.numpy() for name, array in zip(session.manifest.outputs, wanted, strict=True)}
            found = session({"image": image})
            for index in range(count):
                parity.add(session.manifest, mine, found, index, size)
            assert parity.failures == [], size
