"""A predictor and the camera: in the caller's pixels, per call, for heads that need it; a guess is said once."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from hydranet.core.sample import Camera, DataError
from hydranet.deploy.camera_input import CameraInput
from hydranet.deploy.cameras import CameraError
from hydranet.deploy.manifest import Head, Input, Manifest, Output
from hydranet.deploy.predictor import SessionPredictor

MANIFEST = Manifest(
    name="fake",
    input=Input((32, 64), batch=None),
    heads={"far": Head("ScalarMap", ("values",), {"unit": "m"}), "bright": Head("Quantity", ("value",))},
    outputs={"far.values": Output("float32", (None, 32, 64), "m"), "bright.value": Output("float32", (None,))},
    camera=CameraInput(("far",), usual=0.5),
)
WIDE = np.zeros((64, 256, 3), np.uint8)  # letterboxed to a quarter: 16 x 64


class Fake:
    """A session that answers the focal length it is given, in pixels of what it sees, as a distance."""

    prunes = True

    def __init__(self, manifest: Manifest = MANIFEST) -> None:
        self.manifest = manifest
        self.given: dict[str, np.ndarray] = {}

    def __call__(self, arrays: Mapping[str, np.ndarray], outputs: Sequence[str] | None = None) -> dict[str, np.ndarray]:
        self.given = dict(arrays)
        count = len(arrays["image"])
        focal = arrays["camera"][:, 0] if "camera" in arrays else np.ones(count, np.float32)
        made = {"far.values": np.tile(focal[:, None, None], (1, 32, 64)), "bright.value": np.ones(count, np.float32)}
        return {name: made[name] for name in outputs or made}


def far(predictor: SessionPredictor, **options: object) -> float:
    return float(np.nanmedian(predictor(WIDE, **options)["far"].values))


def test_a_camera_is_in_the_callers_pixels() -> None:
    session = Fake()
    predictor = SessionPredictor(session, camera=Camera(np.array([[200.0, 0, 120], [0, 220, 30], [0, 0, 1]])))
    assert far(predictor) == 50
    np.testing.assert_allclose(session.given["camera"], [[50, 55, 30, 7.5 + 8]])
    assert session.given["camera"].dtype == np.float32


def test_a_number_is_the_focal_length_of_a_camera_that_looks_through_the_middle() -> None:
    session = Fake()
    assert far(SessionPredictor(session, camera=100)) == 25
    np.testing.assert_allclose(session.given["camera"], [[25, 25, 32, 16]])


def test_a_call_or_a_stream_may_have_another_camera() -> None:
    predictor = SessionPredictor(Fake(), camera=100.0)
    assert far(predictor, camera=300.0) == 75
    assert far(predictor.stream(camera=200.0)) == 50
    assert far(predictor.stream()) == far(predictor) == 25
    answers = predictor([WIDE, WIDE[:, :128], WIDE], camera=[40.0, None, Camera.centered(80.0, (64, 256))])
    assert [float(np.nanmedian(one["far"].values)) for one in answers] == [10, 50, 20]
    answers = predictor([WIDE, WIDE], camera=40.0)
    assert [float(np.nanmedian(one["far"].values)) for one in answers] == [10, 10]
    with pytest.raises(CameraError, match="got 1 cameras for 2 images, expected one for all or one for each"):
        predictor([WIDE, WIDE], camera=[40.0])
    answers = predictor([WIDE, WIDE], camera=np.array([40.0, 80.0]))
    assert [float(np.nanmedian(one["far"].values)) for one in answers] == [10, 20]
    with pytest.raises(CameraError, match=r"got an array of shape \(3, 3\), expected a focal length for each image"):
        predictor([WIDE] * 3, camera=np.eye(3))


def test_without_a_camera_it_answers_for_the_mean_one_of_training_and_says_so_once() -> None:
    session = Fake()
    predictor = SessionPredictor(session)
    with pytest.warns(UserWarning, match=r"far needs the camera of the image, got none: .* 128 px for this image"):
        assert far(predictor) == 32  # half of the width that the network sees
    np.testing.assert_allclose(session.given["camera"], [[32, 32, 32, 16]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert far(predictor) == 32
        assert far(predictor.stream()) == 32


def test_heads_that_need_no_camera_say_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message="images of .* fill only")
        assert set(SessionPredictor(Fake(), ["bright"])(WIDE)) == {"bright"}
        assert set(SessionPredictor(Fake(replace(MANIFEST, camera=None)), camera=100.0)(WIDE)) == set(MANIFEST.heads)


def test_without_a_camera_and_without_a_mean_one_there_is_no_answer() -> None:
    predictor = SessionPredictor(Fake(replace(MANIFEST, camera=CameraInput(("far",)))))
    with pytest.raises(CameraError, match="far needs the camera of the image, got none; give camera=FOCAL_PX"):
        predictor(WIDE)
    assert far(predictor, camera=100.0) == 25


@pytest.mark.parametrize("focal", [0.0, -1.0, float("nan")])
def test_a_focal_length_is_a_positive_number(focal: float) -> None:
    with pytest.raises(DataError, match="got a camera matrix"):
        SessionPredictor(Fake(), camera=focal)(WIDE)


def test_a_file_that_was_made_for_one_camera_takes_no_other() -> None:
    fixed = replace(MANIFEST, camera=CameraInput(("far",), (70.0, 70.0, 32.0, 16.0), 0.5))
    session = Fake(fixed)
    SessionPredictor(session)(WIDE)
    assert session.given.keys() == {"image"}
    for call in (lambda: SessionPredictor(session, camera=90.0), lambda: SessionPredictor(session)(WIDE, camera=90.0)):
        with pytest.raises(CameraError, match="made for a focal length of 70 px alone; leave it out, or export"):
            call()


def test_a_graph_that_fits_frames_itself_gets_their_cameras_as_they_are() -> None:
    manifest = replace(MANIFEST, input=Input((32, 64), fit="letterbox", frame=(64, 256), batch=4))
    session = Fake(manifest)
    assert far(SessionPredictor(session, camera=100.0)) == 100
    assert session.given["camera"].shape == (4, 4)
    with pytest.warns(UserWarning, match="128 px for this image"):
        SessionPredictor(session)(WIDE)
    np.testing.assert_allclose(session.given["camera"][0], [128, 128, 128, 32])
