"""The main job, short: four heads learn from two sources that label two tasks each.

The bounds leave room below what was measured: mIoU .49, AbsRel .21, median normal 12 degrees, car AP50 .50.
"""

from pathlib import Path

import pytest

from hydranet.checkpoint import resolve
from hydranet.evaluation.evaluate import evaluate
from hydranet.evaluation.report import Report
from hydranet.models.pretrained import WeightsError, fetch
from hydranet.training.train import train


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_four_heads_learn_in_minutes(tmp_path: Path) -> None:
    try:
        fetch("mobilenetv2")
    except WeightsError as error:
        pytest.skip(f"no ImageNet weights: {error}")
    recipe = resolve.recipe("demo").changed(["steps=200", "ema=0.97", "validation.held-out.dataset.count=32"])
    *_, last = train(recipe, tmp_path / "run")
    *_, report = evaluate(last.run.evaluated(), recipe.validation)
    assert isinstance(report, Report)
    scores = report.scores["held-out"]
    print({task: {metric: round(value, 3) for metric, value in metrics.items()} for task, metrics in scores.items()})
    assert scores["semantic"]["miou"] > 0.4
    assert scores["depth"]["abs_rel"] < 0.3
    assert scores["normals"]["median_deg"] < 20
    assert scores["detection"]["ap50/car"] > 0.3
