"""The command line of an export: what it writes, what it proves, what it refuses, and that it runs without torch."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from commands import hydranet, refused
from hydranet.checkpoint import checkpoint
from hydranet.config.source import Source
from hydranet.datasets.folder import Folder
from hydranet.datasets.table import Table
from hydranet.deploy.writer import save_image
from hydranet.export.targets.onnx import shapes_of_floats
from hydranet.inference.predictor import Predictor
from hydranet.io.columns import NumberColumn
from toys import toy_recipe

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    recipe = toy_recipe()
    checkpoint.save_model(folder, recipe.build(), recipe)
    return folder


@pytest.fixture(scope="module")
def exported(run: Path) -> Path:
    ended = hydranet("export", run, "--batch", "dynamic")
    assert ended.code == 0, ended.err
    assert "glow.values" in ended.out
    assert "held-out glow mae" in ended.out
    return run / "export"


def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (50, 71, 3), dtype=np.uint8)


def test_an_exported_file_answers_what_the_run_answers(run: Path, exported: Path) -> None:
    wanted, found = Predictor(run)(picture()), Predictor(exported / "model.onnx")(picture())
    np.testing.assert_allclose(found["glow"].values, wanted["glow"].values, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found["bright"].value, wanted["bright"].value, rtol=1e-4)
    assert found["glow"].values.dtype == wanted["glow"].values.dtype
    assert {path.name for path in exported.iterdir()} == {"model.onnx", "manifest.json", "parity.json"}


def test_sizes_are_read_from_floats_since_tensorrt_takes_uint8_at_the_border_only() -> None:
    nodes = [
        onnx.helper.make_node("Shape", ["image"], ["size"]),
        onnx.helper.make_node("Cast", ["image"], ["pixels"], to=onnx.TensorProto.FLOAT),
        onnx.helper.make_node("Reshape", ["pixels", "size"], ["same"]),
    ]
    given = onnx.helper.make_tensor_value_info("image", onnx.TensorProto.UINT8, ["n", 2])
    target = onnx.helper.make_tensor_value_info("same", onnx.TensorProto.FLOAT, ["n", 2])
    model = shapes_of_floats(onnx.helper.make_model(onnx.helper.make_graph(nodes, "g", [given], [target])))
    onnx.checker.check_model(model)
    assert [(node.op_type, *node.input) for node in model.graph.node][:2] == [("Cast", "image"), ("Shape", "pixels")]


def test_the_proof_is_kept(exported: Path) -> None:
    proofs = json.loads((exported / "parity.json").read_text())
    assert [proof["runtime"] for proof in proofs] == ["onnx", "openvino"]
    for proof in proofs:
        assert proof["passed"]
        assert proof["images"] == 5
        assert proof["arrays"]["glow.values"]["relative"] < 1e-3
        assert set(proof["metrics"]) == {"held-out glow mae", "held-out bright mae"}


def test_it_runs_where_there_is_no_torch(exported: Path) -> None:
    program = (
        "import sys\n"
        "import numpy as np\n"
        "from hydranet.deploy.session import Runtime\n"
        "from hydranet.inference.predictor import Predictor\n"
        "for runtime in ('onnx', 'openvino'):\n"
        "    predictor = Predictor(sys.argv[1], runtime=Runtime(runtime, threads=1))\n"
        "    seen = predictor(np.zeros((50, 71, 3), np.uint8))\n"
        "    assert seen['glow'].values.shape == (50, 71)\n"
        "loaded = {'torch', 'torchvision', 'timm', 'onnx', 'jaxtyping'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    call = [sys.executable, "-c", program, str(exported / "model.onnx")]
    done = subprocess.run(call, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr


def test_predict_takes_an_exported_file(exported: Path, tmp_path: Path) -> None:
    save_image(tmp_path / "a.png", picture())
    ended = hydranet("predict", exported / "model.onnx", tmp_path / "a.png", "--out", tmp_path / "seen", "--arrays")
    assert ended.code == 0, ended.err
    arrays = np.load(tmp_path / "seen" / "a.npz")
    np.testing.assert_array_equal(arrays["glow.values"], Predictor(exported / "model.onnx")(picture())["glow"].values)


def test_an_export_that_answers_otherwise_is_refused(run: Path, tmp_path: Path) -> None:
    save_image(tmp_path / "a.png", picture())
    out, images = tmp_path / "out", str(tmp_path / "a.png")
    ended = hydranet("export", run, "--heads", "glow", "--out", out, "--images", images, "--array-bound", "-1")
    refused(ended, r"model.onnx in onnx: glow.values differs by .* \(bound -1\).*renamed to .failed")
    assert {path.name for path in out.iterdir()} == {"model.onnx.failed", "parity.failed.json"}
    assert not json.loads((out / "parity.failed.json").read_text())[0]["passed"]


def test_a_failed_export_leaves_an_earlier_one_as_it_is(run: Path, tmp_path: Path) -> None:
    save_image(tmp_path / "a.png", picture())
    out, words = tmp_path / "out", ("--heads", "glow", "--images", str(tmp_path / "a.png"))
    assert hydranet("export", run, "--out", out, *words).code == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert set(before) == {"model.onnx", "manifest.json", "parity.json"}
    (tmp_path / "b.png").write_bytes(b"no image")
    refused(hydranet("export", run, "--out", out, "--images", str(tmp_path / "b.png")), "b.png")
    with patch("onnx.save_model", side_effect=OSError(28, "No space left on device")):
        refused(hydranet("export", run, "--out", out, *words), "cannot write model.onnx for onnx.*No space left")
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    refused(hydranet("export", run, "--out", out, *words, "--array-bound", "-1"), "renamed to .failed")
    assert all((out / name).read_bytes() == before[name] for name in before)
    (out / "manifest.json").write_text("{")
    assert hydranet("export", run, "--out", out, *words).code == 0
    assert {path.name for path in out.iterdir()} == set(before)


def test_a_head_alone_is_exported_where_sources_map_the_labels_of_others(tmp_path: Path) -> None:
    recipe = toy_recipe()
    mapped = replace(recipe.validation[0], labels={"bright": "bright", "glow": "glow"})
    checkpoint.save_model(tmp_path, recipe.build(), replace(recipe, validation=(mapped,)))
    ended = hydranet("export", tmp_path, "--heads", "glow")
    assert ended.code == 0, ended.err
    assert "held-out glow mae" in ended.out


def test_without_pictures_nothing_is_exported(tmp_path: Path) -> None:
    recipe = toy_recipe()
    absent = Source("camera", Folder(str(tmp_path / "away")), (32, 64))
    checkpoint.save_model(tmp_path / "run", recipe.build(), replace(recipe, validation=(absent,)))
    ended = hydranet("export", tmp_path / "run")
    refused(ended, "no data folder.*or prove the export on other images, without scores: --images FOLDER")
    assert not (tmp_path / "run" / "export").exists()


def test_broken_images_that_a_source_skips_do_not_end_the_proof(tmp_path: Path) -> None:
    for i in range(3):
        save_image(tmp_path / f"data/images/{i}.png", picture())
    (tmp_path / "data/images/1.png").write_bytes(b"no image")
    (tmp_path / "data/labels.csv").write_text("image,bright\n0.png,0.5\n1.png,0.5\n2.png,0.25\n")
    table = Table(str(tmp_path / "data"), labels={"bright": NumberColumn("bright")})
    recipe = replace(toy_recipe(), validation=(Source("held-out", table, (32, 64), on_error="skip"),))
    checkpoint.save_model(tmp_path / "run", recipe.build(), recipe)
    ended = hydranet("export", tmp_path / "run", "--heads", "bright")
    assert ended.code == 0, ended.err
    proofs = json.loads((tmp_path / "run/export/parity.json").read_text())
    assert {(proof["images"], *next(iter(proof["metrics"])).split()[:2]) for proof in proofs} == {
        (2, "held-out", "bright")
    }


def test_frames_of_other_cameras_are_left_out_of_the_proof(run: Path, tmp_path: Path) -> None:
    """Validation images have 32x64 pixels."""
    fits = hydranet("export", run, "--out", tmp_path, "--fit", "stretch", "--frame", "32x64", "--size", "64x64")
    assert fits.code == 0, fits.err
    assert "note: held-out was scored at 32x64, this file sees 64x64" in fits.out
    assert json.loads((tmp_path / "parity.json").read_text())[0]["images"] == 5
    save_image(tmp_path / "a.png", picture())
    words = ("--out", tmp_path / "other", "--fit", "letterbox", "--frame", "48x100")
    refused(hydranet("export", run, *words, "--images", tmp_path / "a.png"), "got 1 images, none of 48x100")
    refused(
        hydranet("export", run, *words),
        "got 5 images, none of 48x100.*--images",
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--to", "onx"], "no target of an export is called 'onx'; did you mean 'onnx'"),
        (["--heads", "glwo"], "did you mean 'glow'"),
        (["--batch", "0"], "got batch '0', expected a whole number >= 1 or 'dynamic'"),
        (["--fit", "crop"], "got fit='crop', expected 'none', 'letterbox' or 'stretch'"),
        (["--fit", "letterbox"], "without the size of the camera's frames.*--frame"),
        (["--nms", "within"], "got nms='within'"),
        (["--nms", "inside"], "no head of bright, glow finds boxes"),
        (["--precision", "int3"], "got precision 'int3' for onnx, expected fp32"),
        (["--size", "33x64"], "multiples of 4"),
        (["--size", "36x64", "--dynamic-size"], r"got size \(36, 64\) with a dynamic size, expected multiples of 32"),
        (["--frame", "33x64"], "add --fit letterbox or stretch"),
        (["--to", ""], "got targets"),
        (["--heads", "glow,glow"], "got targets.*each name once"),
    ],
)
def test_what_cannot_be_exported(run: Path, tmp_path: Path, options: list[str], said: str) -> None:
    refused(hydranet("export", run, "--out", tmp_path, *options), said)
    assert not list(tmp_path.iterdir())
