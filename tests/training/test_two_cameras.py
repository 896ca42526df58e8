"""Training with cameras from end to end: data of two focal lengths, scores and predictions for a third."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from blocks import CANONICAL, SIZE, TASKS, Seen, blocks, trained
from hydranet.checkpoint.checkpoint import load_model
from hydranet.config.source import Source
from hydranet.evaluation.evaluate import evaluate
from hydranet.evaluation.report import Report
from hydranet.inference.predictor import Predictor


def source(focal: float, seed: int) -> Source:
    return Source(f"focal-{focal:g}", Seen(seed=seed, labels=("depth",), focal=focal), SIZE)


@pytest.mark.parametrize("canonical", [CANONICAL, None])
def test_a_third_camera_is_measured_right_with_a_canonical_focal_length_only(
    canonical: float | None, tmp_path: Path
) -> None:
    recipe = replace(
        blocks("depth"),
        tasks=(replace(TASKS["depth"], canonical_focal_px=canonical),),
        data=(source(35.0, 0), source(70.0, 1)),
        validation=tuple(source(focal, 2) for focal in (35.0, 70.0, 140.0)),
    )
    run = trained(recipe, tmp_path)
    model, _ = load_model(run)
    *_, report = evaluate(model, recipe.validation)
    assert isinstance(report, Report)
    *known, third = [by_task["depth"]["abs_rel"] for by_task in report.scores.values()]
    ratio = third / np.mean(known)
    assert ratio < 1.3 if canonical else ratio > 1.3, (known, third)
    assert third < 0.35 if canonical else third > 0.4, (known, third)
    image, predictor = Seen(seed=3)[0].image, Predictor(run)
    with pytest.warns(UserWarning, match="needs the camera") if canonical else pytest.MonkeyPatch.context():
        usual = predictor(image)["depth"].values
    twice = predictor(image, camera=2 * 52.5)["depth"].values
    factor = 2 if canonical else 1
    np.testing.assert_allclose(np.nanmedian(twice), factor * np.nanmedian(usual), rtol=1e-3)
