"""A network as a function of an image: the caller's pixels, the heads asked for, thresholds at call time."""

import errno
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from commands import hydranet, refused
from hydranet.annotations import Annotation, Boxes, Quantity, ScalarMap
from hydranet.checkpoint import checkpoint
from hydranet.core.sample import DataError, Sample
from hydranet.core.spec import SpecError
from hydranet.core.task import Raw
from hydranet.deploy.graph_arrays import nearest_size
from hydranet.deploy.options import PredictorError
from hydranet.deploy.session import Runtime
from hydranet.deploy.writer import save_image
from hydranet.evaluation.evaluate import predict_batch
from hydranet.export.export import ExportPlan, export
from hydranet.export.graph import Shape
from hydranet.inference.predictor import Predictor, parse_size
from hydranet.reporting.gallery import shown
from toys import Brightness, Noise, toy_recipe

FIXTURES = Path(__file__).parents[1] / "fixtures" / "v0_1"


@dataclass(frozen=True)
class Corners(Brightness):
    """Answers two boxes, whatever it sees: one is sure, one is not."""

    def decode(self, raw: Raw) -> Annotation:
        count = len(raw)
        xyxy = torch.tensor([[0.0, 0.0, 16.0, 16.0], [32.0, 16.0, 64.0, 32.0]]).expand(count, 2, 4)
        label = torch.zeros(count, 2, dtype=torch.int64)
        return Boxes(xyxy, label, score=torch.tensor([0.9, 0.4]).expand(count, 2))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("run")
    recipe = toy_recipe()
    recipe = replace(recipe, tasks=(*recipe.tasks, Corners("corners", ("corner",))))
    checkpoint.save_model(folder, recipe.build(), recipe)
    return folder


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("size", [(32, 64), (33, 71), (100, 31), (1, 1), (5, 300)])
def test_answers_lie_in_the_pictures_own_pixels(run: Path, size: tuple[int, int]) -> None:
    seen = Predictor(run)(picture(*size))
    assert isinstance(seen["bright"], Quantity)
    assert isinstance(seen["glow"], ScalarMap)
    assert seen["glow"].values.shape == size
    boxes = seen["corners"]
    assert isinstance(boxes, Boxes)
    assert boxes.xyxy.min() >= 0
    assert (boxes.xyxy <= np.array([size[1], size[0]] * 2) + 1e-3).all()


def test_boxes_scale_with_the_picture(run: Path) -> None:
    seen = Predictor(run, ["corners"])(picture(64, 128))["corners"]
    assert isinstance(seen, Boxes)
    np.testing.assert_allclose(seen.xyxy, [[0, 0, 32, 32], [64, 32, 128, 64]], atol=1e-4)


def test_a_subset_of_heads(run: Path) -> None:
    whole, part = Predictor(run), Predictor(run, ["glow"])
    image = picture(33, 71)
    assert part(image).keys() == part.classes.keys() == {"glow"}
    np.testing.assert_array_equal(part(image)["glow"].values, whole(image)["glow"].values)
    with pytest.raises(PredictorError, match="no head of this network is called 'glwo'; did you mean 'glow'"):
        Predictor(run, ["glwo"])


def test_threshold_at_call_time(run: Path) -> None:
    predictor = Predictor(run, threshold=0.5)
    counts = [len(predictor(picture(32, 64), threshold)["corners"].score) for threshold in (None, 0.0, 0.4, 0.95)]
    assert counts == [1, 2, 2, 0]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (np.zeros((8, 8, 3), np.float32), r"got float32 array of shape \(8, 8, 3\), expected a uint8 array of shape"),
        (np.zeros((8, 8), np.uint8), r"got uint8 array of shape \(8, 8\)"),
        (np.zeros((3, 8, 8), np.uint8), r"got uint8 array of shape \(3, 8, 8\)"),
        (np.zeros((8, 8, 4), np.uint8), "in RGB order; convert the image"),
        (np.zeros((0, 8, 3), np.uint8), r"got uint8 array of shape \(0, 8, 3\)"),
        (torch.zeros(8, 8, 3), "got Tensor, expected"),
        (None, "got NoneType, expected a uint8 array"),
        ({"image": 3}, "got dict, expected a uint8 array"),
        ([None], "got NoneType, expected a uint8 array"),
    ],
)
def test_what_is_no_picture(run: Path, given: np.ndarray, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Predictor(run)(given)


def test_the_nearest_training_size_is_chosen(tmp_path: Path) -> None:
    recipe = toy_recipe()
    wide, tall = recipe.data[0], replace(recipe.data[0], name="tall", dataset=Noise(seed=3), size=(64, 32))
    recipe = replace(recipe, data=(wide, tall))
    checkpoint.save_model(tmp_path, recipe.build(), recipe)
    assert nearest_size(recipe.sizes, (100, 230)) == (32, 64)
    assert nearest_size(recipe.sizes, (400, 200)) == (64, 32)
    assert Predictor(tmp_path, size=(64, 64))(picture(30, 30))["glow"].values.shape == (30, 30)


def test_sizes_as_text() -> None:
    assert parse_size("") is None
    assert parse_size("192x640") == (192, 640)
    for wrong in ("0x32", "33x64", "64", "²x32", "-32x32"):
        with pytest.raises(SpecError, match="expected HEIGHTxWIDTH in multiples of 4"):
            parse_size(wrong)


def test_thresholds_are_numbers_from_0_to_1(run: Path) -> None:
    for wrong in (float("nan"), 7, -1, "0.5"):
        with pytest.raises(PredictorError, match=r"got threshold .*, expected a number from 0 to 1"):
            Predictor(run, threshold=wrong)  # type: ignore[arg-type]
    predictor = Predictor(run, ["corners", "corners"])
    assert predictor.classes.keys() == {"corners"}
    with pytest.raises(PredictorError, match="got threshold nan"):
        predictor(picture(32, 64), float("nan"))


# --- the command --------------------------------------------------------------------------------------------------


@pytest.fixture
def good(tmp_path: Path) -> Path:
    save_image(tmp_path / "images" / "good.png", picture(32, 64))
    return tmp_path / "images" / "good.png"


@pytest.mark.parametrize("option", ["--threshold=nan", "--threshold=7", "--threshold=-1", "--iou=2", "--threads=0"])
def test_numbers_out_of_range_are_usage_errors(run: Path, good: Path, option: str) -> None:
    ended = hydranet("predict", run, good, option)
    assert ended.code == 2
    assert option.partition("=")[0] in ended.err


@pytest.mark.parametrize("kind", ["run", "file"])
def test_options_serve_run_folders_and_exported_files_alike(run: Path, good: Path, tmp_path: Path, kind: str) -> None:
    for wrong in ("glow", "glow=0", "glow=1.5", "=2"):
        refused(hydranet("predict", run, good, "--every", wrong), r"got --every .*, expected HEAD=N once per head")
    for wrong in ("cars", "cars.max_detections", "cars.x=", "cars.x=nan", "=2", ".x=2"):
        refused(hydranet("predict", run, good, "--option", wrong), r"got --option .*, expected HEAD.OPTION=NUMBER once")
    refused(hydranet("predict", run, good, "--option", "glow.x=2"), r"got option 'x' of head 'glow', expected none")
    pytest.importorskip("onnxscript")
    model, recipe = checkpoint.load_model(run)
    file = export(model, recipe, tmp_path / "export", ExportPlan(["onnx"], Shape((32, 64))))[1][0]
    network = run if kind == "run" else file
    twin = good.with_name("twin.png")
    save_image(twin, picture(32, 64) // 2)
    options = ("--every", "bright=2", "--threads", "1", "--draw", "none", "--arrays")
    ended = hydranet("predict", network, good.parent, "--out", tmp_path / "seen", *options)
    assert ended.code == 0, ended.err
    first, second = (np.load(tmp_path / "seen" / f"{one.stem}.npz") for one in (good, twin))
    assert first["bright.value"] == second["bright.value"]  # repeated
    assert not np.array_equal(first["glow.values"], second["glow.values"])


def test_options_that_change_no_answer_are_refused(run: Path, good: Path) -> None:
    glow = ("predict", run, good, "--heads", "glow")
    refused(hydranet(*glow, "--threshold", 0.9), r"got --threshold for head 'glow', which has no scores of boxes, l")
    refused(
        hydranet(*glow, "--track"), r"got --track for head 'glow', which has no boxes: it changes nothing; leave it"
    )
    refused(hydranet("predict", run, good, "--iou", 0), r"got --iou for heads that have no suppression of boxes that")
    refused(hydranet("predict", run, good, "--focal-px", 9), r"got --focal-px for heads that have no use for a camera")
    ended = hydranet("predict", run, good, "--threshold", 0, "--track", "--out", good.parent / "seen", "--draw", "none")
    assert ended.code == 0, ended.err


def test_options_that_a_kind_of_network_does_not_have(run: Path, good: Path) -> None:
    refused(hydranet("predict", run, good, "--runtime", "onnx"), r"got runtime 'onnx' with a run, expected an exported")
    refused(hydranet("predict", run, good, "--precision", "int4"), r"got precision 'int4', expected one of fp32, bf16")
    file = FIXTURES / "export" / "model.onnx"
    refused(hydranet("predict", file, good, "--device", "cuda"), r"got device 'cuda' with an exported file")
    refused(
        hydranet("predict", file, good, "--precision", "bf16"),
        r"got precision 'bf16' for onnx, which cannot choose that; use runtime openvino",
    )
    refused(hydranet("predict", "road-1", good), r"no run or model at road-1; .*or the name of a released network")


def boxes_on_disk(folder: Path, name: str) -> np.ndarray:
    with np.load(folder / f"{name}.npz") as arrays:
        return np.column_stack([arrays["detection.xyxy"], arrays["detection.label"], arrays["detection.score"]])


def test_api_command_and_gallery_show_the_same_boxes(tmp_path: Path) -> None:
    """Whatever asks, the least score is the task's own unless the caller says otherwise."""
    model, recipe = checkpoint.load_model(FIXTURES / "run")
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (*recipe.sizes[0], 3), dtype=np.uint8) for _ in range(3)]
    scores = [predict_batch(model, [Sample(image)], recipe.sizes[0])[0]["detection"].score for image in images]
    task = replace(model.tasks["detection"], score_threshold=float(np.median(np.concatenate(scores))))
    recipe = replace(recipe, tasks=tuple(task if one.name == task.name else one for one in recipe.tasks))
    model.tasks["detection"] = task
    checkpoint.save_model(tmp_path / "run", model, recipe)
    for index, image in enumerate(images):
        save_image(tmp_path / "images" / f"{index}.png", image)
    ended = hydranet("predict", tmp_path / "run", tmp_path / "images", "--out", tmp_path / "seen", "--arrays")
    assert ended.code == 0, ended.err
    predictor, counts = Predictor(tmp_path / "run"), []
    for index, image in enumerate(images):
        boxes = predictor(image)["detection"]
        (whole,) = predict_batch(model, [Sample(image)], recipe.sizes[0])
        drawn = shown(whole, model.tasks)["detection"]
        np.testing.assert_allclose(drawn.xyxy, boxes.xyxy, atol=1e-3)
        np.testing.assert_allclose(drawn.score, boxes.score, atol=1e-5)
        table = np.column_stack([boxes.xyxy, boxes.label, boxes.score])
        np.testing.assert_allclose(boxes_on_disk(tmp_path / "seen", str(index)), table, atol=1e-3)
        assert (boxes.score >= task.score_threshold).all()
        counts.append((len(boxes.score), len(whole["detection"].score)))
    assert any(0 < kept < all_of_them for kept, all_of_them in counts), counts


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_answers_nearly_the_same(precision: str) -> None:
    image = picture(96, 128)
    single = Predictor(FIXTURES / "run", ["depth"])(image)["depth"].values
    half = Predictor(FIXTURES / "run", ["depth"], runtime=Runtime(precision=precision))(image)["depth"].values
    assert half.dtype == single.dtype
    difference = float(np.median(np.abs(half - single) / single))
    assert 0 < difference < 0.05


def test_a_run_folder_without_torch_names_the_extra() -> None:
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from hydranet.inference.predictor import Predictor\n"
        "try: Predictor(sys.argv[1])\n"
        "except ImportError as error: print(error)"
    )
    call = [sys.executable, "-c", program, str(FIXTURES / "run")]
    done = subprocess.run(call, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == 'a run folder needs torch, which is not installed; pip install "hydranet[train]"\n'


def test_images_of_several_shapes_are_seen_at_the_nearest_training_size_each(tmp_path: Path) -> None:
    recipe = toy_recipe()
    tall = replace(recipe.data[0], name="tall", dataset=Noise(seed=3), size=(64, 32))
    recipe = replace(recipe, data=(*recipe.data, tall))
    checkpoint.save_model(tmp_path, recipe.build(), recipe)
    predictor = Predictor(tmp_path)
    images = [picture(60, 130), picture(90, 50), picture(31, 66)]
    for one, image in zip(predictor(images), images, strict=True):
        np.testing.assert_allclose(one["glow"].values, predictor(image)["glow"].values, rtol=1e-5)
    with pytest.raises(PredictorError, match=r"got size \(33, 64\), expected \(height, width\) in multiples of 4"):
        Predictor(tmp_path, size=(33, 64))


def test_every_broken_picture_is_told_of(run: Path, good: Path, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (good.parent / f"{name}.png").write_text("I am a letter.")
    ended = hydranet("predict", run, good.parent, "--out", tmp_path / "seen")
    assert ended.code == 1
    lines = ended.err.splitlines()
    assert len(lines) == 3
    for name, line in zip("abc", lines, strict=True):
        assert line.startswith(f"error: broken image {good.parent / name}.png")
    assert (tmp_path / "seen" / "good.json").is_file()


@pytest.mark.parametrize("what", ["", "/*.png"])
def test_drawings_do_not_lie_among_the_images(run: Path, tmp_path: Path, what: str) -> None:
    save_image(tmp_path / "a.png", picture(8, 8))
    ended = hydranet("predict", run, f"{tmp_path}{what}", "--out", tmp_path)
    refused(ended, r"got --out .*, where the images are read from: .* choose another folder")
    assert list(tmp_path.iterdir()) == [tmp_path / "a.png"]


def test_a_full_disk_leaves_no_half_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    save_image(path, picture(8, 8))
    before = path.read_bytes()
    write = Path.write_bytes

    def full(self: Path, data: bytes) -> int:
        write(self, data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DataError, match=r"cannot write .*a\.png: No space left on device; make room"):
        save_image(path, picture(16, 16))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
