"""The predictor of exported files: without torch, in the picture's own pixels, at each head's own rate."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hydranet.annotations import Boxes, Quantity, ScalarMap
from hydranet.core.sample import DataError
from hydranet.deploy.manifest import Head, Input, Manifest, ManifestError, Output
from hydranet.deploy.predictor import Predictor, PredictorError
from hydranet.deploy.session import open_session

NMS = {"nms": {"score": 0.001, "iou": 0.5, "limit": 10.0, "candidates": 100.0}}
MANIFEST = Manifest(
    name="fake",
    input=Input((32, 64)),
    heads={
        "far": Head("ScalarMap", ("values",), {"unit": "m"}),
        "cars": Head("Boxes", ("xyxy", "label", "score"), classes=("car", "van"), post=NMS, score=0.3),
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
    seen = Predictor(Fake())(picture(64, 128))
    assert isinstance(seen["far"], ScalarMap)
    assert seen["far"].unit == "m"
    np.testing.assert_allclose(seen["far"].values, np.full((64, 128), 100.0))
    boxes = seen["cars"]
    assert isinstance(boxes, Boxes)
    np.testing.assert_allclose(boxes.xyxy, [[0, 0, 32, 32]])  # the second is covered, the third below the task's 0.3
    assert isinstance(seen["bright"], Quantity)


def test_thresholds_at_call_time() -> None:
    predictor = Predictor(Fake(), threshold=0.5)
    counts = [len(predictor(picture(32, 64), least)["cars"].score) for least in (None, 0.0, 0.85, 0.95)]
    assert counts == [1, 2, 1, 0]
    assert len(predictor(picture(32, 64), 0.0, iou=0.95)["cars"].score) == 3


def test_only_the_heads_asked_for_are_computed() -> None:
    fake = Fake()
    predictor = Predictor(fake, ["bright"])
    assert predictor(picture(32, 64)).keys() == predictor.classes.keys() == {"bright"}
    assert fake.asked == [("bright.value",)]
    with pytest.raises(PredictorError, match="no head of this file is called 'brigt'; did you mean 'bright'"):
        Predictor(fake, ["brigt"])


def test_a_head_that_rests_repeats_its_last_answer_and_says_how_old_it_is() -> None:
    fake = Fake()
    predictor = Predictor(fake, ["far", "bright"], every={"far": 3})
    values = []
    for value in (10, 20, 30, 40):
        seen = predictor(picture(32, 64, value))
        values.append((float(seen["far"].values[0, 0]), float(seen["bright"].value), predictor.ages["far"]))
    assert values == [(10, 10, 0), (10, 20, 1), (10, 30, 2), (40, 40, 0)]
    assert [len(names) for names in fake.asked] == [2, 1, 1, 2]
    assert predictor.ages == {"far": 0, "bright": 0}
    with pytest.raises(PredictorError, match="several pictures at once"):
        predictor([picture(32, 64)])
    with pytest.raises(PredictorError, match=r"expected \{head: 1, 2"):
        Predictor(fake, every={"far": 0})


def test_a_frame_of_another_size_ends_a_rest() -> None:
    predictor = Predictor(Fake(), ["far"], every={"far": 5})
    assert predictor(picture(32, 64))["far"].values.shape == (32, 64)
    assert predictor(picture(50, 40))["far"].values.shape == (50, 40)
    assert predictor.ages == {"far": 0}


@pytest.mark.parametrize("batch", [1, 2, None])
def test_several_pictures_at_once(batch: int | None) -> None:
    fake = Fake(replace(MANIFEST, input=Input((32, 64), batch=batch)))
    seen = Predictor(fake)([picture(32, 64, 10), picture(20, 90, 20), picture(64, 64, 30)])
    assert [round(float(one["far"].values.mean())) for one in seen] == [10, 20, 30]
    assert [one["far"].values.shape for one in seen] == [(32, 64), (20, 90), (64, 64)]
    assert len(fake.asked) == {1: 3, 2: 2, None: 1}[batch]
    assert Predictor(fake)([]) == []


def test_a_graph_that_suppresses_boxes_itself_gets_the_thresholds() -> None:
    inside = replace(MANIFEST, heads={"cars": replace(MANIFEST.heads["cars"], inside=True)})
    fake = Fake(inside)
    assert len(Predictor(fake)(picture(32, 64), 0.2, 0.6)["cars"].score) == 3  # the fake suppresses nothing
    assert fake.given["score_threshold"] == pytest.approx(0.2)
    assert fake.given["iou_threshold"] == pytest.approx(0.6)
    Predictor(fake)(picture(32, 64))
    assert fake.given["score_threshold"] == pytest.approx(0.3)


def test_a_graph_that_fits_frames_itself_takes_frames_of_its_size_only() -> None:
    fake = Fake(replace(MANIFEST, input=Input((32, 64), fit="letterbox", frame=(20, 40))))
    Predictor(fake, ["bright"])(picture(20, 40))
    assert fake.given["image"].shape == (1, 20, 40, 3)
    with pytest.raises(DataError, match=r"got a picture of 32x64, expected \(20, 40\).*--fit none"):
        Predictor(fake)(picture(32, 64))


def test_the_size_is_free_only_where_the_file_says_so() -> None:
    with pytest.raises(PredictorError, match=r"got size \(64, 64\), expected \(32, 64\)"):
        Predictor(Fake(), size=(64, 64))
    fake = Fake(replace(MANIFEST, input=Input((32, 64), dynamic=True)))
    Predictor(fake, ["bright"], size=(64, 64))(picture(20, 40))
    assert fake.given["image"].shape == (1, 64, 64, 3)


def test_what_is_no_picture() -> None:
    with pytest.raises(ValueError, match=r"got float32 array of shape \(8, 8, 3\), expected a uint8 array"):
        Predictor(Fake())(np.zeros((8, 8, 3), np.float32))


def test_manifests_survive_json_and_refuse_what_they_do_not_know() -> None:
    assert Manifest.from_json(MANIFEST.to_json()) == MANIFEST
    with pytest.raises(ManifestError, match="of format 9, expected at most 1; update hydranet"):
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
            open_session(tmp_path / f"model{suffix}")
