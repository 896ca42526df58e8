"""Any function as a teacher: what it says is kept as it says it, and one sentence for what is no label."""

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from commands import hydranet, refused
from hydranet.cli.label import parsed
from hydranet.core.dataset import Dataset
from hydranet.core.spec import SpecError
from hydranet.datasets.folder import Folder
from hydranet.datasets.pseudo import Pseudo
from hydranet.distillation.foreign_file import ForeignFile, boxes, class_map
from hydranet.distillation.function_teacher import function_teacher
from hydranet.distillation.teacher_model import teacher_model

TEACHER = """
import numpy as np
from hydranet.annotations import Boxes, ClassMap, ScalarMap

def looks(rgb):
    height, width = rgb.shape[:2]
    if rgb[0, 0, 2] == 77:
        return {"colors": ClassMap(np.zeros((3, 3), np.uint8))}
    if rgb[0, 0, 2] == 78:
        raise RuntimeError("no blue, please")
    red = (rgb[..., 0] > 127).astype(np.uint8)
    sure = np.where(np.arange(width) < width // 2, 0.9, 0.4) * np.ones((height, 1))
    return {
        "colors": ClassMap(red, confidence=sure.astype(np.float32)),
        "things": Boxes(
            np.float32([[1, 2, 9, 9], [0, 0, 5, 5], [2, 2, 4, 4]]),
            np.array([0, 1, 1]),
            score=np.float32([0.9, 0.5, 0.1]),
        ),
        "depth": ScalarMap(rgb[..., 1].astype(np.float32) / 2 + 1, unit="m"),
    }

looks.classes = {"colors": ("dark", "red"), "things": ("cat", "dog")}

def nameless(rgb):
    return {"colors": ClassMap(np.zeros(rgb.shape[:2], np.uint8))}

def beyond(rgb):
    return {"colors": ClassMap(np.full(rgb.shape[:2], 2, np.uint8))}

beyond.classes = {"colors": ("dark", "red")}

def other(rgb):
    return rgb

def more(rgb):
    return {}
"""


@pytest.fixture
def teacher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"teacher_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(TEACHER)
    monkeypatch.syspath_prepend(str(tmp_path))
    return str(tmp_path / f"{name}.py")


def picture(path: Path, blue: int = 5) -> np.ndarray:
    image = np.random.default_rng(blue).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    image[0, 0, 2] = blue
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return image


def test_its_labels_come_back_for_every_image(teacher: str, tmp_path: Path) -> None:
    images = {f"{i}.png": picture(tmp_path / "images" / f"{i}.png", i) for i in range(6)}
    command = (
        "label",
        f"{teacher}:looks",
        tmp_path / "images",
        "--out",
        tmp_path / "cache",
        "--confidence",
        "things=0.4,colors=0.5",
    )
    ended = hydranet(*command)
    assert ended.code == 0, ended.err
    assert "6 images labeled, 0 were there" in ended.out
    assert "a function does not know its network's training images" in ended.out
    data: Dataset = Pseudo(Folder(str(tmp_path / "images")), cache=str(tmp_path / "cache"))
    assert data.classes == {"colors": ("dark", "red"), "things": ("cat", "dog")}
    for sample in (data[i] for i in range(6)):
        image = images[sample.key]
        red = (image[..., 0] > 127).astype(np.uint8)
        red[:, 16:] = 255
        np.testing.assert_array_equal(sample.labels["colors"].ids, red)
        np.testing.assert_allclose(sample.labels["depth"].values, image[..., 1] / 2 + 1.0, atol=1 / 256)
        things = sample.labels["things"]
        np.testing.assert_array_equal(things.xyxy, [[1, 2, 9, 9], [0, 0, 5, 5]])
        assert things.label.tolist() == [0, 1]
        assert not things.ignore.any()
    assert "0 images labeled, 6 were there" in hydranet(*command).out


@pytest.mark.parametrize("jobs", [(), ("--jobs", 2)])
def test_files_that_are_left_out_are_counted(teacher: str, tmp_path: Path, jobs: tuple[object, ...]) -> None:
    picture(tmp_path / "images/deep/a.png", 1)
    (tmp_path / "images/b.heic").write_bytes(b"an image elsewhere")
    ended = hydranet("label", f"{teacher}:looks", tmp_path / "images", "--out", tmp_path / "cache", *jobs)
    assert "1 images labeled" in ended.out
    assert "images: 1 image left out, no image by its suffix (b.heic)" in ended.out
    (entry,) = json.loads((tmp_path / "cache/ledger.json").read_text())
    assert (entry["what"], entry["count"], entry["examples"]) == ("image left out", 1, ["b.heic"])


def test_a_confidence_is_given_once() -> None:
    assert parsed("a=0.5, b=0.9") == {"a": 0.5, "b": 0.9}
    with pytest.raises(SpecError, match=r"got confidence 'a=0.9' for a task that has one, expected each task once"):
        parsed("a=0.5,a=0.9")


def test_an_image_that_it_fails_on_is_named_and_the_others_are_labeled(teacher: str, tmp_path: Path) -> None:
    for i, blue in enumerate((5, 77, 78, 6)):
        picture(tmp_path / "images" / f"{i}.png", blue)
    ended = hydranet("label", f"{teacher}:looks", tmp_path / "images", "--out", tmp_path / "cache")
    assert ended.code == 1
    assert "2 images labeled" in ended.out
    assert "1.png: teacher_" in ended.err
    assert "ids is uint8 3 3, expected uint8 24 32" in ended.err
    assert "(and 1 more)" in ended.err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (" ", r"has 2 functions with classes \(looks, beyond\); say which"),
        (":nobody", "no function in .* is called 'nobody'"),
        (":other", "gave a ndarray, expected {label: annotation}"),
        (":looks --heads people", "no label of .*:looks is called 'people'; there are: colors, depth, things"),
        (":looks --confidence depth=0.5", "got confidence 0.5 for 'depth' .ScalarMap., expected 0..1 of a class"),
        (":looks --confidence colors=7", "got confidence 7.0 for 'colors'"),
        (":nameless", "gave class ids for 'colors' without class names, expected FUNCTION.classes"),
        (":beyond", r"'colors' holds class ids .2., expected 0..1 or 255"),
        (":looks --device cuda", "got --device for a function"),
        (":looks --size 64x64", "got --size for a function, which sees whole images"),
        (":looks --focal-px 500", "got --focal-px for a function"),
    ],
)
def test_what_is_refused(teacher: str, tmp_path: Path, words: str, sentence: str) -> None:
    picture(tmp_path / "images" / "a.png")
    function, *options = words.split() or [""]
    refused(
        hydranet("label", teacher + function, tmp_path / "images", "--out", tmp_path / "cache", *options),
        f".*{sentence}",
    )


def test_a_function_is_no_online_teacher_and_files_may_be_wrong(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"teaches through a cache alone: give `hydranet label my\.py:looks IMAGES"):
        teacher_model("my.py:looks", "cpu")
    (tmp_path / "lone_teacher.py").write_text("def one(rgb):\n    return {}\n\none.classes = {'a': ('b',)}\n")
    assert function_teacher(str(tmp_path / "lone_teacher.py")).name == "lone_teacher.py:one"
    (tmp_path / "broken_teacher_file.py").write_text("import nothing_that_exists")
    with pytest.raises(SpecError, match="cannot be imported: ModuleNotFoundError"):
        function_teacher(str(tmp_path / "broken_teacher_file.py"))
    with pytest.raises(SpecError, match="no file"):
        function_teacher(str(tmp_path / "none.py"))
    with pytest.raises(SpecError, match=r"no file .*x.onnx; give an"):
        ForeignFile(tmp_path / "x.onnx", (8, 8))
    (tmp_path / "x.onnx").write_bytes(b"no network")
    with pytest.raises(SpecError, match="cannot be opened by OpenVINO"):
        ForeignFile(tmp_path / "x.onnx", (8, 8))


def test_rows_and_probabilities_by_hand() -> None:
    rows = np.float32(
        [
            [0, 1, 0.9, 0.1, 0.2, 0.5, 0.4],
            [0, 2, 0.8, 0.0, 0.0, 1.2, 1.0],
            [0, 1, 0.2, 0.1, 0.1, 0.2, 0.2],
            [0, 7, 0.9, 0.1, 0.1, 0.2, 0.2],
            [-1, 1, 0.9, 0.1, 0.1, 0.2, 0.2],
            [0, 1, 0.9, 0.1, 0.1, 0.2, 0.2],
        ]
    )
    answer = boxes(rows[None], (100, 200), labels=(None, 1, 0), least=0.5)
    np.testing.assert_allclose(answer.xyxy, [[20, 20, 100, 40], [0, 0, 200, 100]], atol=1e-4)
    assert answer.label.tolist() == [1, 0]
    assert len(boxes(np.zeros((0, 7)), (10, 10), ()).xyxy) == 0
    probabilities = np.float32([[[0.7, 0.4]], [[0.3, 0.6]]])
    mapped = class_map(probabilities, (2, 4), least=0.65)
    assert mapped.ids.tolist() == [[0, 255, 255, 255]] * 2
    assert class_map(probabilities, (2, 4)).ids.tolist() == [[0, 0, 1, 1]] * 2


def test_a_permissive_teacher_finds_the_road(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """IoU of class Road on a few frames of CamVid's validation part, from a file that nobody here made."""
    files = Path(os.environ.get("HYDRANET_DATA", "")).parent / "teachers"
    if not (files / "road-segmentation-adas-0001.bin").is_file():
        pytest.skip("no teachers beside $HYDRANET_DATA")
    pytest.importorskip("openvino")
    from hydranet.datasets.camvid import CLASSES, CamVid

    monkeypatch.setenv("TEACHERS", str(files))
    teacher = function_teacher(str(Path(__file__).parents[2] / "examples/road_teachers.py") + ":road")
    frames = CamVid(str(Path(os.environ["HYDRANET_DATA"]) / "camvid"), split="val")
    both = either = 0
    for place in range(0, len(frames), len(frames) // 5):
        sample = frames[place]
        says = np.isin(teacher.answers(sample)["surface"].ids, (1, 3))
        truth, known = sample.labels["semantic"].ids == CLASSES.index("road"), sample.labels["semantic"].ids != 255
        both, either = both + (says & truth & known).sum(), either + ((says | truth) & known).sum()
    assert both / either > 0.95
