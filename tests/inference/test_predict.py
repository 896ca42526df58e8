"""A network as a function of a image: the caller's pixels, the heads asked for, thresholds at call time."""

import errno
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from commands import hydranet, refused
from hydranet.annotations import Annotation, Boxes, Quantity, ScalarMap
from hydranet.checkpoint import checkpoint
from hydranet.core.spec import SpecError
from hydranet.core.task import Raw
from hydranet.deploy.predictor import PredictorError
from hydranet.deploy.writer import save_image
from hydranet.export.export import export
from hydranet.export.graph import Shape
from hydranet.inference.predictor import Predictor, parse_size
from toys import Brightness, Noise, toy_recipe


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
    with pytest.raises(SpecError, match="no task of this network is called 'glwo'; did you mean 'glow'"):
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
    from hydranet.inference.predictor import nearest_size

    assert nearest_size(recipe, (100, 230)) == (32, 64)
    assert nearest_size(recipe, (400, 200)) == (64, 32)
    assert Predictor(tmp_path, size=(64, 64))(picture(30, 30))["glow"].values.shape == (30, 30)


def test_sizes_as_text() -> None:
    assert parse_size("") is None
    assert parse_size("192x640") == (192, 640)
    for wrong in ("0x32", "33x64", "64", "²x32", "-32x32"):
        with pytest.raises(SpecError, match="expected HEIGHTxWIDTH in multiples of 32"):
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


def test_options_of_exported_files(run: Path, good: Path, tmp_path: Path) -> None:
    for option in ("--every=glow=2", "--iou=0", "--threads=1"):
        refused(
            hydranet("predict", run, good, option),
            f"got {option.partition('=')[0]} with a run, expected an exported",
        )
    for wrong in ("glow", "glow=0", "glow=1.5", "=2"):
        refused(hydranet("predict", run, good, "--every", wrong), r"got --every .*, expected HEAD=N once per head")
    pytest.importorskip("onnxscript")
    model, recipe = checkpoint.load_model(run)
    file = export(model, recipe, tmp_path / "export", targets=["onnx"], shape=Shape((32, 64)))[1][0]
    twin = good.with_name("twin.png")
    save_image(twin, picture(32, 64) // 2)
    options = ("--every", "bright=2", "--iou", "0.5", "--threads", "1", "--draw", "none", "--arrays")
    ended = hydranet("predict", file, good.parent, "--out", tmp_path / "seen", *options)
    assert ended.code == 0, ended.err
    first, second = (np.load(tmp_path / "seen" / f"{one.stem}.npz") for one in (good, twin))
    assert first["bright.value"] == second["bright.value"]  # repeated
    assert not np.array_equal(first["glow.values"], second["glow.values"])


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


def test_a_full_disk_leaves_no_half_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    save_image(path, picture(8, 8))
    before = path.read_bytes()
    write = Path.write_bytes

    def full(self: Path, data: bytes) -> int:
        write(self, data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match=r"No space left on device; make room .*a\.png"):
        save_image(path, picture(16, 16))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
