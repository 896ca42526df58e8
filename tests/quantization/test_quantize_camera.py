"""INT8 of a head that asks for the camera: the camera stays an input in float, and scales the answers exactly."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from blocks import CANONICAL, SIZE, TASKS, Seen, blocks
from commands import hydranet
from hydranet.config.source import Source
from hydranet.deploy.camera_input import CAMERA
from hydranet.deploy.manifest import Manifest
from hydranet.deploy.session import runtimes_for
from hydranet.inference.predictor import Predictor
from hydranet.training.train import train

pytest.importorskip("nncf")
pytest.importorskip("openvino")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # NNCF's own
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


def test_a_camera_scales_depth_in_int8_as_in_float(tmp_path: Path) -> None:
    run = tmp_path / "run"
    recipe = replace(
        blocks("depth"),
        tasks=(replace(TASKS["depth"], canonical_focal_px=CANONICAL),),
        data=(Source("near", Seen(labels=("depth",), focal=35.0), SIZE),),
        validation=(Source("far", Seen(seed=2, count=6, labels=("depth",), focal=70.0), SIZE),),
        steps=30,
    )
    list(train(recipe, run))
    ended = hydranet(
        "quantize", run, "--to", "openvino,onnx", "--calibration", 8, "--limit", 6, "--budget", "depth.abs_rel=0.5"
    )
    assert ended.code == 0, ended.err
    manifest = Manifest.from_json((run / "int8" / "manifest.json").read_text())
    assert manifest.precision == "int8"
    assert manifest.camera is not None
    assert manifest.inputs[CAMERA] == ("float32", (1, 4))
    image = Seen(seed=3)[0].image
    cv2.imwrite(str(tmp_path / "image.png"), image[..., ::-1])
    trained = Predictor(run)(image, camera=60.0)["depth"].values
    for file in ("model.xml", "model.onnx"):
        for runtime in runtimes_for(run / "int8" / file):
            predictor = Predictor(run / "int8" / file, runtime=runtime)
            near, far = (predictor(image, camera=focal)["depth"].values for focal in (60.0, 120.0))
            np.testing.assert_allclose(far, 2 * near, rtol=1e-4)
            assert np.nanmedian(np.abs(near / trained - 1)) < 0.1
        out = tmp_path / file
        ended = hydranet(
            "predict", run / "int8" / file, tmp_path / "image.png", "--focal-px", 60, "--arrays", "--out", out
        )
        assert ended.code == 0, ended.err
        own = runtimes_for(run / "int8" / file)[0]
        expected = Predictor(run / "int8" / file, runtime=own)(image, camera=60.0)["depth"].values
        np.testing.assert_allclose(np.load(out / "image.npz")["depth.values"], expected, rtol=1e-5)
