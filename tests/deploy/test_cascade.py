"""Boxes that are cut out and shown to other heads: by hand, in a run folder, and in files of every runtime."""

import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from export_toys import CLASSES, pictures, shaken
from hydranet.annotations import Boxes, Keypoints, Quantity, Tag, row_count
from hydranet.checkpoint import checkpoint
from hydranet.config.recipe import Recipe
from hydranet.core.cascade import Cascade
from hydranet.core.sample import DataError
from hydranet.core.spec import SpecError
from hydranet.deploy.messages import message
from hydranet.deploy.options import PredictorError
from hydranet.export.run import export_run
from hydranet.inference.predictor import Predictor
from hydranet.postprocess.per_box import per_box, windows
from hydranet.visualization.draw_instances import box_title
from toys_cascade import CROP, SIGNS, cascade_recipe

BOXES = Boxes(np.array([[10, 20, 30, 30], [90, 40, 110, 60]], np.float32), np.array([0, 1]), np.array([0.9, 0.5]))


def test_windows_by_hand() -> None:
    assert windows(BOXES, (64, 96), margin=0.0, square=False) == [(10, 20, 30, 30), (90, 40, 96, 60)]
    assert windows(BOXES, (64, 96), margin=0.1, square=True) == [(8, 13, 32, 37), (88, 38, 96, 62)]
    outside = Boxes(np.array([[200, 200, 210, 210]], np.float32), np.array([0]))
    ((left, top, right, bottom),) = windows(outside, (64, 96), 0.1, square=True)
    assert right - left >= 1
    assert bottom - top >= 1


def test_tags_become_boxes_of_their_class() -> None:
    answers = [Tag(np.asarray(2), np.array([0.1, 0.2, 0.7])), Tag(np.asarray(0), np.array([0.98, 0.01, 0.01]))]
    boxes = per_box(Tag, BOXES, windows(BOXES, (64, 96), 0, False), answers)
    np.testing.assert_array_equal(boxes.xyxy, BOXES.xyxy)
    assert boxes.label.tolist() == [2, 0]
    np.testing.assert_allclose(boxes.score, [0.9 * 0.7, 0.5 * 0.98])
    assert box_title(boxes, 1, SIGNS) == "stop 0.49"


def test_a_tag_without_probability_is_as_sure_as_its_box() -> None:
    tags, cut = [Tag(np.asarray(2)), Tag(np.asarray(0))], windows(BOXES, (64, 96), 0, False)
    np.testing.assert_allclose(per_box(Tag, BOXES, cut, tags).score, [0.9, 0.5])
    unscored = Boxes(BOXES.xyxy, BOXES.label)
    np.testing.assert_allclose(per_box(Tag, unscored, cut, tags).score, [1.0, 1.0])


def test_quantities_become_numbers_of_the_boxes() -> None:
    answers = [Quantity(np.float32(31.25), unit="years"), Quantity(np.float32(4), unit="years")]
    boxes = per_box(Quantity, BOXES, windows(BOXES, (64, 96), 0, False), answers)
    assert boxes.value.tolist() == [31.25, 4.0]
    assert boxes.label.tolist() == [0, 1]
    assert box_title(boxes, 0, ("face", "car")) == "face 0.90 31.25 years"
    told = message(boxes, ("face", "car"))
    assert [row["value"] for row in told["boxes"]] == [31.25, 4.0]
    assert told["value_unit"] == "years"


def test_points_of_crops_lie_in_the_image() -> None:
    def points(*xy: tuple[float, float]) -> Keypoints:
        return Keypoints(np.array([xy], np.float32), np.full((1, len(xy)), 2))

    cut = windows(BOXES, (64, 96), margin=0.1, square=True)
    joined = per_box(Keypoints, BOXES, cut, [points((0, 0), (3, 4)), points((1, 1), (2, 2))])
    np.testing.assert_array_equal(joined.xy, [[[8, 13], [11, 17]], [[89, 39], [90, 40]]])


def test_no_box_is_no_answer_of_any_kind() -> None:
    none = Boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, np.float32))
    for kind in (Tag, Quantity, Keypoints):
        answer = per_box(kind, none, windows(none, (64, 96), 0.1, square=True), [])
        assert row_count(answer) == 0, kind
        said = json.loads(json.dumps(message(answer, SIGNS)))
        assert [value for value in said.values() if isinstance(value, list)] == [[]], kind


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(cascade_recipe(), tmp_path_factory.mktemp("cascade"))


def saved(recipe: Recipe, folder: Path) -> Path:
    model = shaken(recipe.build())
    checkpoint.save_model(folder, model, recipe)
    (folder / checkpoint.RECIPE).write_text(recipe.to_json())
    return folder


def test_each_box_is_answered_as_its_crop_alone(run: Path) -> None:
    image = pictures(1)[0]
    predictor = Predictor(run, threshold=0.0)
    answers = predictor(image)
    detected, signs, ages = answers["detection"], answers["sign"], answers["age"]
    kept = np.isin(detected.label, [0, 1])
    assert kept.any()
    assert not kept.all(), "boxes of other classes are not cut out"
    np.testing.assert_array_equal(signs.xyxy, detected.xyxy[kept])
    np.testing.assert_array_equal(ages.xyxy, detected.xyxy[kept])
    assert ages.value_unit == "years"
    assert predictor.classes["age"] == CLASSES, "numbers stand at the boxes as they are"
    alone = Predictor(run, ("sign", "age"), size=CROP)
    for i, (left, top, right, bottom) in enumerate(windows(signs, image.shape[:2], 0.1, square=True)):
        own = alone(np.ascontiguousarray(image[top:bottom, left:right]))
        assert isinstance(own["sign"], Tag)
        assert int(own["sign"].label) == signs.label[i]
        np.testing.assert_allclose(own["sign"].probs.max() * detected.score[kept][i], signs.score[i], rtol=1e-4)
        np.testing.assert_allclose(own["age"].value, ages.value[i], rtol=1e-3)


def test_batches_and_streams_answer_as_single_images(run: Path) -> None:
    images, predictor = pictures(3), Predictor(run, threshold=0.0)
    together, single = predictor(images), [predictor(image) for image in images]
    for a, b in zip(together, single, strict=True):
        np.testing.assert_allclose(a["sign"].score, b["sign"].score, rtol=1e-4)
    stream = predictor.stream({"detection": 2})
    first = stream(images[0])
    second = stream(images[1])
    np.testing.assert_array_equal(second["sign"].xyxy, first["sign"].xyxy)
    assert stream.ages == {"detection": 1, "sign": 1, "age": 1}, "crops are those of the image whose boxes they are"


def test_at_most_so_many_crops_the_best_ones(tmp_path: Path) -> None:
    answers = Predictor(saved(cascade_recipe(most=1), tmp_path), threshold=0.0)(pictures(1)[0])
    detected = answers["detection"]
    best = np.isin(detected.label, [0, 1]).nonzero()[0]
    assert len(answers["sign"].xyxy) == 1
    np.testing.assert_array_equal(answers["sign"].xyxy[0], detected.xyxy[best[detected.score[best].argmax()]])


PACKAGES = {"onnx": "onnxruntime", "openvino": "openvino", "torchscript": "torch"}


@pytest.fixture(scope="module")
def files(run: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The run for every target whose package is here, by one export: each of them apart takes seconds."""
    targets = [target for target, package in PACKAGES.items() if find_spec(package)]
    return dict(zip(targets, export_run(run, tmp_path_factory.mktemp("files"), targets=targets), strict=True))


@pytest.mark.parametrize("target", PACKAGES)
def test_files_answer_as_the_run(run: Path, files: dict[str, Path], target: str) -> None:
    pytest.importorskip(PACKAGES[target])
    file = files[target]
    assert (file.parent / "crops_sign_age" / file.name).is_file()
    manifest = json.loads((file.parent / "manifest.json").read_text())
    assert manifest["cascades"][0]["heads"] == ["sign", "age"]
    image = pictures(1)[0]
    mine, theirs = Predictor(run, threshold=0.0, size=(64, 96))(image), Predictor(file, threshold=0.0)(image)
    assert list(theirs) == ["detection", "sign", "age"]
    assert len(mine["sign"].xyxy) > 1
    for name in ("sign", "age"):
        np.testing.assert_allclose(theirs[name].xyxy, mine[name].xyxy, atol=0.1)
        np.testing.assert_array_equal(theirs[name].label, mine[name].label)
    np.testing.assert_allclose(theirs["sign"].score, mine["sign"].score, atol=0.01)
    np.testing.assert_allclose(theirs["age"].value, mine["age"].value, rtol=0.02)
    with pytest.raises(PredictorError, match="got heads sign, which see crops in this file"):
        Predictor(file, ("sign",))
    assert list(Predictor(file, ("detection",))(image)) == ["detection"]
    (file.parent / "crops_sign_age" / file.name).unlink()
    with pytest.raises(PredictorError, match=r"missing file .* which sees the crops"):
        Predictor(file)


def test_a_whole_image_is_never_fitted_into_the_size_of_crops(run: Path) -> None:
    predictor = Predictor(run)
    assert CROP not in predictor.manifest.input.sizes
    assert predictor._size(np.zeros((50, 50, 3), np.uint8)) == (64, 96)


@pytest.mark.parametrize(
    ("cascade", "sentence"),
    [
        (Cascade("sign", ("age",), CROP), "from 'sign', which answers a Tag, expected boxes"),
        (Cascade("detection", ("age", "sin"), CROP), "no task .in a cascade. is called 'sin'; did you mean 'sign'"),
        (Cascade("detection", ("sign",), CROP, classes=("class 9",)), "class 9"),
    ],
)
def test_cascades_that_fit_no_task_are_refused(cascade: Cascade, sentence: str) -> None:
    with pytest.raises(SpecError, match=sentence):
        replace(cascade_recipe(), cascades=(cascade,))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"size": (30, 32)}, "multiples of 32"),
        ({"heads": ()}, "expected other tasks"),
        ({"heads": ("detection",)}, "expected other tasks"),
        ({"margin": -1.0}, "margin=-1"),
        ({"most": 0}, "most=0"),
    ],
)
def test_cascades_that_mean_nothing_are_refused(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(SpecError, match=sentence):
        Cascade(**{"boxes": "detection", "heads": ("sign",), "size": CROP, **options})


def test_a_map_per_box_is_refused() -> None:
    from hydranet.annotations import ScalarMap

    with pytest.raises(DataError, match="got a ScalarMap for each crop"):
        per_box(ScalarMap, BOXES, [], [])
